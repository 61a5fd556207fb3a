import type { Encoding } from "../destinations/destination.ts";
import type { Millis } from "../model/run.ts";
import { type Field, fields } from "./wire.ts";

/** What a request says of its first span, read without decoding the rest. Throws a SyntaxError for bytes that are no request. */

/** Field numbers on the way to a span: ExportTraceServiceRequest.resource_spans.scope_spans.spans. */
const PATH = [1, 2, 2] as const;
const TRACE_ID = 1;
const END_TIME = 8;

/** When it ended (ms); 0 where it does not say. */
export function spanEnd(request: Uint8Array, encoding: Encoding): Millis {
  if (encoding === "json") {
    const nanos = firstInJson(request)?.endTimeUnixNano;
    return nanos === undefined ? 0 : Number(BigInt(nanos) / 1_000_000n);
  }
  const field = fieldInProtobuf(request, END_TIME, 1);
  if (field === undefined) return 0;
  return Number(new DataView(request.buffer, request.byteOffset).getBigUint64(field.from, true) / 1_000_000n);
}

/** Its trace id as lower-case hex; undefined where there is no span. */
export function firstTraceId(request: Uint8Array, encoding: Encoding): string | undefined {
  if (encoding === "json") return firstInJson(request)?.traceId;
  const field = fieldInProtobuf(request, TRACE_ID, 2);
  return field && Buffer.from(request.subarray(field.from, field.to)).toString("hex");
}

function fieldInProtobuf(request: Uint8Array, wanted: number, type: number): Field | undefined {
  let from = 0;
  let to = request.length;
  for (const number of PATH) {
    const message = find(request, from, to, number, 2);
    if (message === undefined) return undefined;
    ({ from, to } = message);
  }
  return find(request, from, to, wanted, type);
}

function find(bytes: Uint8Array, from: number, to: number, number: number, type: number): Field | undefined {
  for (const field of fields(bytes, from, to)) if (field.number === number && field.type === type) return field;
  return undefined;
}

interface JsonSpan {
  readonly traceId?: string;
  readonly endTimeUnixNano?: string | number;
}

function firstInJson(request: Uint8Array): JsonSpan | undefined {
  const parsed = JSON.parse(new TextDecoder().decode(request)) as { resourceSpans?: { scopeSpans?: { spans?: JsonSpan[] }[] }[] };
  return parsed.resourceSpans?.[0]?.scopeSpans?.[0]?.spans?.[0];
}
