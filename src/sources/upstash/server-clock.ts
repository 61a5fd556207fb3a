import type { Millis } from "../../model/run.ts";

/**
 * What time it is at the API, as far as its `Date` headers tell, on the monotonic clock of this process.
 * A header's second is known to lie between sending and receiving, so many of them together narrow the
 * difference of the two clocks down to about a round trip. Pure: every moment is an argument, in ms.
 */
export interface ServerClock {
  /** `date`: the header, in ms; the answer's head was waited for from `sentAt` to `receivedAt` (monotonic). */
  observe(date: Millis, sentAt: number, receivedAt: number): void;
  /** Milliseconds from `at` (monotonic) until the API's clock has surely reached `time`; undefined before any header. */
  until(time: Millis, at: number): number | undefined;
}

/** Both clocks drift (50 ppm are 30 ms in 10 minutes), so old bounds are dropped. */
const BOUNDS_LAST_MS = 600_000;

export function createServerClock(): ServerClock {
  let earliest = Number.NEGATIVE_INFINITY; // bounds of (API's clock − monotonic clock)
  let latest = Number.POSITIVE_INFINITY;
  let since = 0;

  return {
    observe(date, sentAt, receivedAt) {
      const low = date - receivedAt;
      const high = date + 1_000 - sentAt;
      const stepped = low > latest || high < earliest; // a clock was set
      if (stepped || receivedAt - since > BOUNDS_LAST_MS) {
        earliest = Number.NEGATIVE_INFINITY;
        latest = Number.POSITIVE_INFINITY;
        since = receivedAt;
      }
      earliest = Math.max(earliest, low);
      latest = Math.min(latest, high);
    },
    until(time, at) {
      return Number.isFinite(earliest) ? Math.max(0, time - (at + earliest)) : undefined;
    },
  };
}
