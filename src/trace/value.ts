import type { AttributeValue } from "./span.ts";

/** Limits that every exported value keeps: Tempo cuts attributes at 2,048 bytes, OTLP integers are int64, OTLP strings are UTF-8. */

const SPAN_NAME_LENGTH = 128;
const INT64 = 2 ** 63;
const encoder = new TextEncoder();

export interface Cut {
  readonly value: string;
  /** Bytes of the whole string in UTF-8. */
  readonly size: number;
  readonly cut: boolean;
}

/** The longest prefix of whole characters within `maxBytes` of UTF-8. Lone surrogates, which UTF-8 cannot hold, become U+FFFD. */
export function cut(s: string, maxBytes: number): Cut {
  const text = s.toWellFormed();
  const size = Buffer.byteLength(text);
  if (size <= maxBytes) return { value: text, size, cut: false };
  const { read } = encoder.encodeInto(text, new Uint8Array(Math.max(0, maxBytes)));
  return { value: text.slice(0, read), size, cut: true };
}

/** A span's name: at most 128 UTF-16 units, no surrogate pair split; `fallback` (the step's type) where the name is blank. */
export function spanName(name: string, fallback: string): string {
  const text = name.trim() === "" ? fallback : name;
  if (text.length <= SPAN_NAME_LENGTH) return text.toWellFormed();
  return withoutHalfPair(text.slice(0, SPAN_NAME_LENGTH)).toWellFormed();
}

/** Drops a high surrogate that a cut left at the end. */
function withoutHalfPair(s: string): string {
  const last = s.charCodeAt(s.length - 1);
  return last >= 0xd800 && last <= 0xdbff ? s.slice(0, -1) : s;
}

/** A number that OTLP can hold (finite; an integer within int64), else undefined: leaving it out is better than a wrong one. */
function numberValue(n: number): number | undefined {
  if (!Number.isFinite(n)) return undefined;
  return Number.isInteger(n) && (n < -INT64 || n >= INT64) ? undefined : n;
}

/** Any attribute value within the limits; undefined for a number that OTLP cannot hold. Numbers that it cannot hold leave their array. */
export function limitValue(value: AttributeValue, maxBytes: number): AttributeValue | undefined {
  if (typeof value === "string") return cut(value, maxBytes).value;
  if (typeof value === "number") return numberValue(value);
  if (typeof value === "boolean") return value;
  return value.flatMap((item) => limitValue(item, maxBytes) ?? []) as AttributeValue;
}
