/**
 * What `/livez` and `/readyz` answer. Alive: every loop gives signs of life (that the event loop turns is
 * shown by there being an answer at all). Ready: nothing that was named as a condition is missing. Neither
 * depends on a backend: restarting the bridge would not mend one.
 */
export interface Health {
  /**
   * A loop of the program, by its name; it counts from now on. `timeout`: ms of silence after which it is stuck,
   * but for the time in which it is `held` up from outside (a rate limit that lasts).
   */
  loop(name: string, timeout: number, held?: () => boolean): Heartbeat;
  /** A condition of being ready: `missing` says what is not there yet, undefined that it is. A function is asked each time. */
  condition(name: string, missing: Missing | (() => Missing)): void;
  /** Forgets all of them: the parts of the program are built anew. */
  clear(): void;
  live(): Verdict;
  ready(): Verdict;
}

export type Missing = string | undefined;

export interface Heartbeat {
  /** A sign of life. `within`: ms for which the loop means to be silent now, asleep. */
  beat(within?: number): void;
}

export interface Verdict {
  readonly ok: boolean;
  /** By name: `ok`, or what is wrong. */
  readonly checks: Readonly<Record<string, string>>;
}

/** @param monotonic ms that never jump */
export function createHealth(monotonic: () => number): Health {
  const loops = new Map<string, Loop>();
  const conditions = new Map<string, Missing | (() => Missing)>();
  return {
    loop(name, timeout, held = () => false) {
      const state: Loop = { timeout, held, at: monotonic(), within: 0 };
      loops.set(name, state);
      return {
        beat(within = 0) {
          state.at = monotonic();
          state.within = within;
        },
      };
    },
    condition: (name, missing) => void conditions.set(name, missing),
    clear() {
      loops.clear();
      conditions.clear();
    },
    live() {
      const now = monotonic();
      return verdict([...loops].map(([name, loop]) => [name, stuck(loop, now)]));
    },
    ready: () => verdict([...conditions].map(([name, missing]) => [name, typeof missing === "function" ? missing() : missing])),
  };
}

interface Loop {
  readonly timeout: number;
  readonly held: () => boolean;
  at: number;
  within: number;
}

function stuck(loop: Loop, now: number): string | undefined {
  if (loop.held()) loop.at = now;
  const silent = now - loop.at;
  return silent > loop.within + loop.timeout ? `no sign of life for ${Math.round(silent / 1_000)} s` : undefined;
}

function verdict(checks: readonly (readonly [name: string, wrong: Missing])[]): Verdict {
  return {
    ok: checks.every(([, wrong]) => wrong === undefined),
    checks: Object.fromEntries(checks.map(([name, wrong]) => [name, wrong ?? "ok"])),
  };
}
