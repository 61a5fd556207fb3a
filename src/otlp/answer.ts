import { saysError } from "./says-error.ts";
import { fields, varint } from "./wire.ts";

/** An ExportTraceServiceResponse. */
export interface OtlpAnswer {
  readonly rejectedSpans: number;
  readonly message: string;
}

const NOTHING: OtlpAnswer = { rejectedSpans: 0, message: "" };

/**
 * The body of a 2xx answer in either encoding, whichever was sent: servers behind proxies answer in their own.
 * Undefined where it is no OTLP answer, or says an error of its own. Unknown fields are allowed, as the protocol
 * wants it; but text can be well-formed protobuf by accident ("hi" is one), so there only where `contentType` says
 * that it is protobuf.
 */
export function parseAnswer(body: Uint8Array, contentType: string): OtlpAnswer | undefined {
  if (body.length === 0) return NOTHING;
  if (/problem\+json/i.test(contentType)) return undefined; // RFC 9457: what it tells is an error
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(body).trim();
    if (text === "") return NOTHING; // a proxy's line break; no rejection can look like that
    if (text.startsWith("{")) return fromJson(JSON.parse(text));
  } catch {
    // not text, or not JSON
  }
  try {
    return fromProtobuf(body, /protobuf|octet-stream/i.test(contentType));
  } catch {
    return undefined;
  }
}

function fromJson(answer: Readonly<Record<string, unknown>>): OtlpAnswer | undefined {
  if (saysError(answer)) return undefined;
  const partial = answer.partialSuccess ?? answer.partial_success ?? {};
  if (typeof partial !== "object") return undefined;
  const { rejectedSpans, rejected_spans, errorMessage, error_message } = partial as Readonly<Record<string, unknown>>;
  const rejected = rejectedSpans ?? rejected_spans ?? 0; // an int64: a string in JSON, but not everywhere
  const message = errorMessage ?? error_message ?? "";
  if (!/^\d+$/.test(String(rejected)) || typeof message !== "string") return undefined;
  return { rejectedSpans: Number(rejected), message };
}

/** ExportTraceServiceResponse {1 partial_success {1 rejected_spans int64, 2 error_message}}. */
function fromProtobuf(body: Uint8Array, unknownFields: boolean): OtlpAnswer | undefined {
  let rejectedSpans = 0;
  let message = "";
  for (const outer of fields(body)) {
    if (outer.number !== 1 && unknownFields) continue;
    if (outer.number !== 1 || outer.type !== 2) return undefined;
    for (const field of fields(body, outer.from, outer.to)) {
      if (field.number === 1 && field.type === 0) rejectedSpans = varint(body, field.from, field.to).value;
      else if (field.number === 2 && field.type === 2) message = utf8(body, field);
      else if (!unknownFields) return undefined;
    }
  }
  return rejectedSpans < 2 ** 63 ? { rejectedSpans, message } : undefined; // a negative count
}

/**
 * What an error answer says: the message of a google.rpc.Status in either encoding, of another JSON form, or
 * the text itself. Never throws.
 */
export function errorMessage(body: Uint8Array, contentType: string): string {
  if (/protobuf/i.test(contentType)) {
    try {
      for (const field of fields(body)) if (field.number === 2 && field.type === 2) return utf8(body, field);
    } catch {
      // labelled wrongly: as text
    }
  }
  const text = new TextDecoder().decode(body);
  try {
    return messageIn(JSON.parse(text)) ?? text;
  } catch {
    return text;
  }
}

function messageIn(json: unknown): string | undefined {
  if (typeof json === "string") return json;
  if (typeof json !== "object" || json === null) return undefined;
  const { message, error } = json as Readonly<Record<string, unknown>>;
  return messageIn(message) ?? messageIn(error);
}

function utf8(bytes: Uint8Array, at: { readonly from: number; readonly to: number }): string {
  return new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(at.from, at.to));
}
