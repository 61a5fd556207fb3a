import type { Clock } from "./clock.ts";

/** A bell between loops: whoever waits sleeps until it rings, its time is up, or it is told to stop. */
export interface Wake {
  ring(): void;
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
      const timer = new AbortController();
      const bell = new Promise<void>((resolve) => {
        const wakeUp = () => {
          waiting.delete(wakeUp);
          resolve();
        };
        waiting.add(wakeUp);
        if (rung) wakeUp();
        timer.signal.addEventListener("abort", wakeUp, { once: true });
      });
      await Promise.race([bell, clock.sleep(ms, AbortSignal.any([signal, timer.signal]))]);
      timer.abort();
      rung = false;
    },
  };
}
