import { performance } from "node:perf_hooks";
import type { Millis } from "../../src/fake-upstash/wire.ts";

/**
 * The engine's clock. It runs as fast as the wall clock while anything is at work: a step function of 50 ms takes
 * 50 ms on it, wherever it stands. What it shortens is waiting. While nothing is at work and the next thing is due
 * in a while, time passes faster, so that no wait takes longer than `longestWaitMs` of real time: a day's sleep in
 * a second, or, with 0, in no time at all. Order is kept, since time only ever moves on to the next thing that is
 * due; and durations of user code are as true as on the wall clock, since none of them is ever scaled.
 *
 * "At work" is what was put under `hold`: every request to the engine and from it. Whoever acts from outside (a test
 * that sends an event after a while) must do so through `after`, or hold the clock, else it skips what they wait for.
 */
export interface Clock {
  /** Whole milliseconds; never runs backwards. */
  now(): Millis;
  /** Resolves when that time has come, or at once when the signal is aborted. */
  until(due: Millis, signal?: AbortSignal): Promise<void>;
  /** Does something after a while, as work. */
  after<T>(ms: Millis, work: () => Promise<T>): Promise<T>;
  /** No waiting is skipped while this is at work. */
  hold<T>(work: () => Promise<T>): Promise<T>;
  /** Resolves when nothing is at work and nothing is due any more. */
  idle(): Promise<void>;
  /** For another thread, whose `threadClock` reads it: right while something is at work. */
  readonly shared: SharedArrayBuffer;
  close(): void;
}

export interface ClockOptions {
  /** Where it starts; default: now. */
  readonly start?: Millis;
  /** Real milliseconds that an idle wait takes at most. Default 0; `Infinity` makes it the wall clock. */
  readonly longestWaitMs?: number;
}

interface Timer {
  readonly due: Millis;
  readonly fire: () => void;
}

/** Real ms without work before waiting is skipped: between two acts of one actor (two requests) it is not idle. */
const GRACE = 3;
/** What `setTimeout` can take. */
const FARTHEST = 2 ** 31 - 1;

/** Of one clock for all threads. */
const realMicros = () => process.hrtime.bigint() / 1_000n;

/** `now` of a clock that another thread has, from its `shared`. */
export function threadClock(shared: SharedArrayBuffer): () => Millis {
  const ahead = new BigInt64Array(shared);
  return () => Number((Atomics.load(ahead, 0) + realMicros()) / 1_000n);
}

export function createClock({ start = Date.now(), longestWaitMs = 0 }: ClockOptions): Clock {
  let anchor = { clock: start, real: performance.now(), rate: 1 };
  let timers: Timer[] = [];
  const idlers: (() => void)[] = [];
  let held = 0;
  let alarm: NodeJS.Timeout | undefined;

  /** Faster than the wall clock it goes no further than to what is due: an alarm that comes late by a moment would be late by hours. */
  const exact = () => {
    const time = anchor.clock + (performance.now() - anchor.real) * anchor.rate;
    return anchor.rate === 1 ? time : Math.min(time, timers[0]?.due ?? time);
  };
  const shared = new SharedArrayBuffer(BigInt64Array.BYTES_PER_ELEMENT);
  const run = (rate: number, from = exact()) => {
    anchor = { clock: from, real: performance.now(), rate };
    Atomics.store(new BigInt64Array(shared), 0, BigInt(Math.round(from * 1_000)) - realMicros());
  };
  run(1);
  const ring = (ms: number, then: () => void) => {
    clearTimeout(alarm);
    if (held === Number.POSITIVE_INFINITY) return; // closed: what still wants to wait must not keep the process alive
    alarm = setTimeout(then, Math.min(Math.ceil(Math.max(0, ms)), FARTHEST));
  };

  /** Time passes as it does; what is due is done when it is. */
  function proceed(): void {
    run(1);
    const [next] = timers;
    if (held === 0) ring(Math.min(GRACE, next === undefined ? GRACE : next.due - exact()), rest);
    else if (next !== undefined) ring(next.due - exact(), fire);
    else clearTimeout(alarm);
  }

  /** Nothing has been at work for a moment. */
  function rest(): void {
    const [next] = timers;
    if (next === undefined) {
      for (const resolve of idlers.splice(0)) resolve();
      return;
    }
    const wait = next.due - exact();
    if (wait > longestWaitMs) run(longestWaitMs === 0 ? 1 : wait / longestWaitMs, longestWaitMs === 0 ? next.due : exact());
    ring((next.due - exact()) / anchor.rate, fire);
  }

  function fire(): void {
    const now = exact();
    run(1, now);
    const due = timers.filter((timer) => timer.due <= now);
    timers = timers.filter((timer) => timer.due > now);
    for (const timer of due) timer.fire();
    proceed();
  }

  function at(due: Millis, whenDue: () => void): () => void {
    const timer = { due, fire: whenDue };
    const place = timers.findIndex((other) => other.due > due);
    timers.splice(place === -1 ? timers.length : place, 0, timer);
    proceed();
    return () => {
      run(1);
      timers = timers.filter((other) => other !== timer);
      proceed();
    };
  }

  async function until(due: Millis, signal?: AbortSignal): Promise<void> {
    if (due <= exact() || signal?.aborted === true) return;
    await new Promise<void>((resolve) => {
      const cancel = at(due, () => {
        signal?.removeEventListener("abort", stop);
        resolve();
      });
      const stop = () => {
        cancel();
        resolve();
      };
      signal?.addEventListener("abort", stop, { once: true });
    });
  }

  async function hold<T>(work: () => Promise<T>): Promise<T> {
    if (held++ === 0) proceed();
    try {
      return await work();
    } finally {
      if (--held === 0) proceed();
    }
  }

  return {
    now: () => Math.floor(exact()),
    until,
    async after(ms, work) {
      await until(Math.floor(exact()) + ms);
      return hold(work);
    },
    hold,
    idle: () =>
      new Promise((resolve) => {
        idlers.push(resolve);
        if (held === 0) proceed();
      }),
    shared,
    close() {
      clearTimeout(alarm);
      timers = [];
      held = Number.POSITIVE_INFINITY;
    },
  };
}
