import type { Clock } from "./clock.ts";

/** A bell between loops: whoever waits sleeps until it rings, its time is up, or it is told to stop. */
export interface Wake {
  ring(): void;
  /** Returns at once if it rang since the last wait. */
  wait(ms: number, signal: AbortSignal): Promise<void>;
}

export function createWake(clock: Pick<Clock, "sleep">): Wake {
  let rung = false;
  const waiting = new Set<() => void>();
  return {
    ring() {
      rung = true;
      for (const wakeUp of waiting) wakeUp();
    },
    async wait(ms, signal) {
      // not AbortSignal.any: that would tie a new signal to a lasting one every second
      const timer = new AbortController();
      const wakeUp = () => timer.abort();
      if (rung || signal.aborted) wakeUp();
      waiting.add(wakeUp);
      signal.addEventListener("abort", wakeUp, { once: true });
      await clock.sleep(ms, timer.signal);
      signal.removeEventListener("abort", wakeUp);
      waiting.delete(wakeUp);
      rung = false;
    },
  };
}
