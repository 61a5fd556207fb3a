import type { Millis } from "../model/run.ts";

/** Unsigned 64-bit nanoseconds end here (in the year 2554). */
export const LATEST: Millis = 18_446_744_073_709;

/** The nearest whole millisecond that a span can hold. */
export function instant(time: Millis): Millis {
  return time > 0 ? Math.min(Math.round(time), LATEST) : 0;
}

/** ISO 8601, as attributes hold times. */
export function iso(time: Millis | undefined): string | undefined {
  return time === undefined ? undefined : new Date(instant(time)).toISOString();
}

/** Durations are exported in seconds. */
export function seconds(length: Millis | undefined): number | undefined {
  return length === undefined ? undefined : length / 1_000;
}

/** An HTTP date in ms; it is a whole second, rounded down. */
export function httpDate(text: string | undefined): Millis | undefined {
  const time = text === undefined ? Number.NaN : Date.parse(text);
  return Number.isFinite(time) ? time : undefined;
}
