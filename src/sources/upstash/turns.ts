import { PURPOSES, type Purpose } from "../source.ts";
import type { Budget } from "./budget.ts";

/** `paused`: the API asked for more patience than a caller should wait inside a call. */
export type Turn = { readonly kind: "granted" } | { readonly kind: "aborted" } | { readonly kind: "paused"; readonly ms: number };

/** Who may send next: one queue a source, in the order of PURPOSES, first come first served within one. */
export interface Turns {
  /** Waits for the right to send one request. */
  take(purpose: Purpose, signal: AbortSignal): Promise<Turn>;
  /** Everybody who waits, or will, is told `aborted`. */
  close(): void;
}

/** A pause that is longer is the caller's to plan around, not to sit out. */
export const LONGEST_WAIT_MS = 60_000;

/** Every so often a waiter moves up one place in the order, so that a busy feed delays a sweep but never starves it. */
const PROMOTED_EVERY_MS = 30_000;

interface Waiter {
  readonly purpose: Purpose;
  readonly since: number;
  readonly answer: (turn: Turn) => void;
}

/** `monotonic` in ms; `sleep` may end early and must not throw. */
export function createTurns(budget: Budget, monotonic: () => number, sleep: (ms: number, signal: AbortSignal) => Promise<void>): Turns {
  const waiting = new Set<Waiter>();
  let nobodyWaits = new AbortController();
  let serving = false;
  let closed = false;

  async function serve(): Promise<void> {
    serving = true;
    while (waiting.size > 0) {
      const at = monotonic();
      const paused = budget.paused(at);
      if (paused > LONGEST_WAIT_MS) {
        for (const waiter of waiting) waiter.answer({ kind: "paused", ms: paused });
        break;
      }
      const delay = budget.delay(at);
      if (delay > 0) {
        nobodyWaits = new AbortController();
        await sleep(delay, nobodyWaits.signal);
        continue;
      }
      const next = firstOf(waiting, at);
      budget.sent(next.purpose, at);
      next.answer({ kind: "granted" });
    }
    serving = false;
  }

  return {
    take(purpose, signal) {
      if (closed || signal.aborted) return Promise.resolve({ kind: "aborted" });
      const turn = enqueue(waiting, purpose, monotonic(), signal).finally(() => {
        if (waiting.size === 0) nobodyWaits.abort();
      });
      if (!serving) void serve();
      return turn;
    },
    close() {
      closed = true;
      for (const waiter of waiting) waiter.answer({ kind: "aborted" });
    },
  };
}

function enqueue(waiting: Set<Waiter>, purpose: Purpose, since: number, signal: AbortSignal): Promise<Turn> {
  return new Promise((resolve) => {
    const giveUp = () => answer({ kind: "aborted" });
    const answer = (turn: Turn) => {
      waiting.delete(waiter);
      signal.removeEventListener("abort", giveUp);
      resolve(turn);
    };
    const waiter: Waiter = { purpose, since, answer };
    signal.addEventListener("abort", giveUp, { once: true });
    waiting.add(waiter);
  });
}

function firstOf(waiting: ReadonlySet<Waiter>, at: number): Waiter {
  const rank = ({ purpose, since }: Waiter) => PURPOSES.indexOf(purpose) - Math.floor((at - since) / PROMOTED_EVERY_MS);
  return [...waiting].reduce((first, waiter) => (rank(waiter) < rank(first) ? waiter : first));
}
