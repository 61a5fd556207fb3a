import { setImmediate as turn } from "node:timers/promises";
import type { Clock } from "../../src/pipeline/clock.ts";

/** Time that passes only when a test lets it: days in seconds. */
export interface VirtualClock extends Clock {
  /** Lets everything due in the next `ms` happen, in order. */
  advance(ms: number): Promise<void>;
  /** Lets time pass until `work` is done; an error after `limit` ms of it. */
  until<T>(work: Promise<T>, limit?: number): Promise<T>;
  /** The wall clock alone is set, by so many ms. */
  jump(ms: number): void;
  /** The same clock for one life of a process: once `dead()`, its sleeps never end. */
  life(dead: () => boolean): Clock;
}

interface Timer {
  readonly at: number;
  readonly seq: number;
  readonly ring: () => void;
}

/** @param start wall clock at monotonic 0 */
export function virtualClock(start: number, random: () => number = () => 0.5): VirtualClock {
  let now = 0;
  let offset = 0;
  let seq = 0;
  const timers = new Set<Timer>();

  const sleep = (ms: number, signal: AbortSignal, dead: () => boolean) =>
    new Promise<void>((resolve) => {
      const end = () => {
        timers.delete(timer);
        signal.removeEventListener("abort", end);
        if (!dead()) resolve();
      };
      seq += 1;
      const timer: Timer = { at: now + Math.max(0, ms), seq, ring: end };
      if (signal.aborted) return end();
      timers.add(timer);
      signal.addEventListener("abort", end, { once: true });
    });

  /** Everything that can happen without time passing happens; then the next timer, if it is due by `limit`. */
  async function step(limit: number): Promise<boolean> {
    await turn();
    let next: Timer | undefined;
    for (const timer of timers)
      if (next === undefined || timer.at < next.at || (timer.at === next.at && timer.seq < next.seq)) next = timer;
    if (next === undefined || next.at > limit) return false;
    now = Math.max(now, next.at);
    next.ring();
    return true;
  }

  const clock: Clock = {
    now: () => start + now + offset,
    monotonic: () => now,
    random,
    sleep: (ms, signal) => sleep(ms, signal, () => false),
  };
  return {
    ...clock,
    async advance(ms) {
      const end = now + ms;
      while (await step(end));
      now = end;
    },
    async until(work, limit = 30 * 86_400_000) {
      let done = false;
      const settled = work.finally(() => {
        done = true;
      });
      settled.catch(() => undefined);
      const end = now + limit;
      await turn();
      while (!done) if (!(await step(end)) && !done) throw new Error(`nothing is left to happen before ${end} ms, and it is not done`);
      return settled;
    },
    jump(ms) {
      offset += ms;
    },
    life: (dead) => ({ ...clock, sleep: (ms, signal) => sleep(ms, signal, dead) }),
  };
}
