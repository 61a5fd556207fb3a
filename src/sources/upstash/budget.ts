import type { BudgetSnapshot, Purpose } from "../source.ts";

/**
 * How many requests a source may send. A pure state machine: every moment is an argument, in ms of a
 * monotonic clock. No second ever sees more than the allowed rate, a little apart from one another so
 * that a late packet does not make two bursts one. The API's own headers may lower the ceiling; an
 * answer 429 halves the rate, which then recovers by itself.
 */
export interface Budget {
  /** Milliseconds until one more request may be sent; 0 is now. */
  delay(at: number): number;
  /** The part of it that the API asked for. */
  paused(at: number): number;
  sent(purpose: Purpose, at: number): void;
  answered(facts: RateFacts, at: number): void;
  /** Nothing may be sent for so long; a shorter pause never ends a longer one. */
  pause(ms: number, at: number): void;
  snapshot(at: number): Omit<BudgetSnapshot, "pausedUntil">;
}

/** What one answer says: its `Burst-RateLimit-*` headers as numbers, and whether it was a 429. */
export interface RateFacts {
  readonly limit?: number;
  readonly remaining?: number;
  readonly reset?: number;
  readonly rateLimited: boolean;
}

/** The API counts by the second; 2 % more, so that what leaves in two seconds never arrives in one. */
const WINDOW_MS = 1_020;
/** Requests keep at least this share of their even distance: quick for a few, no burst for many. */
const SPACING = 0.8;
/** From half the ceiling back to all of it in ten seconds. */
const RECOVERY_PER_SECOND = 0.05;
/** Below this, a storm of 429 would end in silence. */
const SLOWEST_PER_SECOND = 0.2;
const USED_SECONDS = 60;
/** Weight of the newest second in the estimate of foreign use. */
const FOREIGN_WEIGHT = 0.2;

/** `configured`: requests per second, the user's upper bound. */
export function createBudget(configured: number): Budget {
  let ceiling = configured;
  let allowed = configured;
  let settledAt = 0;
  let halvedAt = Number.NEGATIVE_INFINITY;
  let pausedUntil = Number.NEGATIVE_INFINITY;
  let recent: number[] = []; // when the last requests were sent, oldest first
  const used = createUsage();
  const foreign = createForeignUse();

  /** The rate at this moment: recovered since the last look. */
  function rate(at: number): number {
    allowed = Math.min(ceiling, allowed + (Math.max(0, at - settledAt) / 1_000) * RECOVERY_PER_SECOND * ceiling);
    settledAt = at;
    return allowed;
  }

  function delay(at: number): number {
    const perSecond = rate(at);
    const inWindow = Math.max(1, Math.floor(perSecond));
    const windowMs = (WINDOW_MS * inWindow) / perSecond;
    const windowOpens = (recent.at(-inWindow) ?? Number.NEGATIVE_INFINITY) + windowMs;
    const spaced = (recent.at(-1) ?? Number.NEGATIVE_INFINITY) + (SPACING * 1_000) / perSecond;
    return Math.max(0, pausedUntil - at, windowOpens - at, spaced - at);
  }

  function answered({ limit, remaining, reset, rateLimited }: RateFacts, at: number): void {
    rate(at);
    if (limit !== undefined && limit > 0) ceiling = Math.min(configured, limit);
    allowed = Math.min(allowed, ceiling);
    if (limit !== undefined && remaining !== undefined && reset !== undefined) foreign.see(reset, limit - remaining);
    if (!rateLimited || at - halvedAt < WINDOW_MS) return; // one storm is one warning
    halvedAt = at;
    allowed = Math.max(Math.min(SLOWEST_PER_SECOND, ceiling), allowed / 2);
  }

  return {
    delay,
    paused: (at) => Math.max(0, pausedUntil - at),
    sent(purpose, at) {
      recent.push(at);
      if (recent.length > 2 * Math.max(1, configured)) recent = recent.slice(-Math.ceil(Math.max(1, configured)));
      used.add(purpose, at);
    },
    answered,
    pause(ms, at) {
      pausedUntil = Math.max(pausedUntil, at + ms);
    },
    snapshot: (at) => ({ allowed: rate(at), ceiling, used: used.lastMinute(at), foreign: foreign.perSecond() }),
  };
}

/** Requests of the last minute by purpose, counted by the second. */
function createUsage() {
  let seconds: { second: number; purpose: Purpose; count: number }[] = [];
  return {
    add(purpose: Purpose, at: number): void {
      const second = Math.floor(at / 1_000);
      const current = seconds.find((entry) => entry.second === second && entry.purpose === purpose);
      if (current !== undefined) current.count += 1;
      else seconds = [...seconds.filter((entry) => entry.second > second - USED_SECONDS), { second, purpose, count: 1 }];
    },
    lastMinute(at: number): Partial<Record<Purpose, number>> {
      const counts: Partial<Record<Purpose, number>> = {};
      for (const { second, purpose, count } of seconds) {
        if (second > at / 1_000 - USED_SECONDS) counts[purpose] = (counts[purpose] ?? 0) + count;
      }
      return counts;
    },
  };
}

/**
 * What others take: in each of the API's seconds (named by its reset) the most that was gone, less the
 * answers of our own that were counted in it.
 */
function createForeignUse() {
  let reset = 0;
  let gone = 0;
  let own = 0;
  let estimate = 0;
  return {
    see(resetOf: number, taken: number): void {
      if (resetOf < reset) return; // an answer of a second that is over
      if (resetOf > reset) {
        if (reset > 0) estimate += FOREIGN_WEIGHT * (Math.max(0, gone - own) - estimate);
        reset = resetOf;
        gone = 0;
        own = 0;
      }
      own += 1;
      gone = Math.max(gone, taken);
    },
    perSecond: (): number => estimate,
  };
}
