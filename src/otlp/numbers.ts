import type { Millis } from "../model/run.ts";
import type { Span } from "../trace/span.ts";

/** OTLP's numbers for what a span says. Source: opentelemetry-proto 1.x, trace/v1/trace.proto */

export const KINDS = { internal: 1, server: 2, client: 3, producer: 4, consumer: 5 } as const;
export const STATUS = { unset: 0, error: 2 } as const;

/** Of a span about its parent, of a link about its span: the W3C trace flags, "known whether it is remote", "it is". */
export function flags(traceFlags: number, isRemote: boolean): number {
  return (traceFlags & 0xff) | 0x100 | (isRemote ? 0x200 : 0);
}

/** The last whole millisecond that fits the wire's unsigned 64-bit nanoseconds (in the year 2554). */
const MAX_MILLIS = 18_446_744_073_709;

/** Seconds and nanoseconds, exact for whole milliseconds; a time before the epoch or past the wire's range is clamped to it. */
export function hrTime(time: Millis): [seconds: number, nanos: number] {
  const clamped = time > 0 ? Math.min(time, MAX_MILLIS) : 0;
  const seconds = Math.floor(clamped / 1000);
  return [seconds, Math.round((clamped - seconds * 1000) * 1e6)];
}

const DOUBLE = new DataView(new ArrayBuffer(8));

/**
 * Whether a number is a double on the wire, `declared`: whether its attribute is one. The value alone must not decide:
 * typed backends answer an attribute whose type changes by dropping it or by a second column. Of those from 2^45 on
 * (a million years in seconds) the ones with many digits are ints all the same: so they always were, and the bytes of a run stay.
 */
export function isDouble(value: number, declared: boolean): boolean {
  if (!Number.isInteger(value) || value < -(2 ** 63) || value >= 2 ** 63) return true;
  if (!declared) return false;
  DOUBLE.setFloat64(0, value);
  return DOUBLE.getUint8(7) === 0;
}

/** Spans by scope: scopes as they first came, spans as they came within each. */
export function byScope(spans: readonly Span[]): [Span["scope"], Span[]][] {
  return [...Map.groupBy(spans, (span) => span.scope)];
}
