import { setTimeout as delay } from "node:timers/promises";
import type { Millis } from "../model/run.ts";

/** Time and chance, passed in so that a day can be simulated in a second. */
export interface Clock {
  /** Wall clock; may jump. */
  now(): Millis;
  /** Milliseconds since some moment; never jumps. */
  monotonic(): number;
  /** In [0, 1). */
  random(): number;
  /** Resolves after `ms`, or as soon as `signal` is aborted; never rejects. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: Date.now,
  monotonic: () => performance.now(),
  random: Math.random,
  sleep: (ms, signal) => delay(ms, undefined, { signal }).catch(() => undefined),
};

/**
 * The API's clock: its last `Date` header plus the time that has passed since. All times that are stored
 * or compared with the API's own are on it, so that a wrong or jumping clock of ours shifts nothing.
 */
export interface ServerClock {
  now(): Millis;
  /** Takes an answer's `Date` header. */
  observe(serverTime: Millis | undefined): void;
  /** Own clock minus the API's, in ms; undefined before the first answer. */
  skew(): number | undefined;
}

export function serverClock(clock: Clock): ServerClock {
  let offset: number | undefined;
  return {
    now: () => (offset === undefined ? clock.now() : Math.round(clock.monotonic() + offset)),
    observe(serverTime) {
      if (serverTime !== undefined) offset = serverTime - clock.monotonic();
    },
    skew: () => (offset === undefined ? undefined : Math.round(clock.now() - clock.monotonic() - offset)),
  };
}
