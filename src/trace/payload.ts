import type { Headers } from "../model/run.ts";
import { decodeBase64, decodeUtf8 } from "./base64.ts";
import type { Redactor } from "./redact.ts";
import { cut } from "./value.ts";

/**
 * What the log holds as readable text: JSON text stays as it is, base64 is decoded, and a Call's result,
 * which the SDK writes with one character per byte (`Ã¼` for `ü`), becomes the UTF-8 it was.
 */
export function decodePayload(raw: string): string {
  return decodeBytes(isJson(raw) ? raw : (decodeBase64(raw) ?? raw));
}

export interface CapturedValue {
  readonly value: string;
  /** Bytes (UTF-8) of the whole decoded payload, before anything was redacted or cut. */
  readonly size: number;
}

/** A payload as an attribute: decoded, redacted first and cut after. */
export function captureValue(raw: string, redactor: Redactor, maxBytes: number): CapturedValue {
  const text = decodePayload(raw);
  return { value: cut(redactor.payload(text), maxBytes).value, size: cut(text, 0).size };
}

/** `http.request.header.<name>`: the headers that the user listed, names in lower case, values redacted. */
export function capturedHeaders(
  direction: "request" | "response",
  headers: Headers | undefined,
  allowed: readonly string[],
  redactor: Redactor,
): Record<string, readonly string[]> {
  const found: Record<string, readonly string[]> = {};
  if (headers === undefined || allowed.length === 0) return found;
  const wanted = new Set(allowed.map((name) => name.toLowerCase()));
  for (const [name, values] of Object.entries(redactor.headers(headers))) {
    if (wanted.has(name.toLowerCase())) {
      found[`http.${direction}.header.${name.toLowerCase()}`] = values;
    }
  }
  return found;
}

function isJson(raw: string): boolean {
  try {
    JSON.parse(raw);
    return true;
  } catch {
    return false;
  }
}

/** One character per byte → the text, where the bytes are valid UTF-8; anything else as it is. */
function decodeBytes(s: string): string {
  let high = false;
  for (let i = 0; i < s.length; i++) {
    const code = s.charCodeAt(i);
    if (code > 255) return s;
    high ||= code > 127;
  }
  return high ? (decodeUtf8(Buffer.from(s, "latin1")) ?? s) : s;
}
