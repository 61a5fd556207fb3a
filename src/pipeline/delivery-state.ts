import type { Logger } from "pino";
import type { Destination } from "../destinations/destination.ts";
import type { RunKey } from "../model/run.ts";
import type { Store } from "../state/store.ts";
import type { Observer } from "../telemetry/observation.ts";
import type { Batch } from "./batch.ts";
import type { Clock } from "./clock.ts";
import type { Wake } from "./wake.ts";

/** What delivering to one destination needs. */
export interface DeliverContext {
  readonly destination: Destination;
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  /** Rung when something was queued. */
  readonly wake: Wake;
  /** How old a span's end may be, in ms, and what happens past it. */
  readonly maxSpanAge?: number | undefined;
  readonly tooOld: "send" | "skip_spans" | "skip_run";
  /** The API's clock, for the age of spans. */
  readonly now: () => number;
  /** The link to a trace, by its id; for the log. */
  readonly traceUrl?: ((traceId: string) => string) | undefined;
  readonly observer?: Pick<Observer, "settled">;
}

/**
 * What delivering remembers while it runs. Nothing here must survive a crash, and nothing here grows with
 * the queue: payloads are held only while they are on their way.
 */
export interface DeliveryState {
  readonly context: DeliverContext;
  readonly inFlight: Set<object>;
  /** Batches that wait for another attempt, in the order of the queue. */
  waiting: Batch[];
  /** Read from the store up to here. */
  position: number;
  pause: Pause | undefined;
  /** The pause that the store shows to `status`; null: not known. */
  shownPause: string | undefined | null;
  /** Requests that left, since the start. */
  sent: number;
  /** So many more clean answers, to requests that left after so many, until a request carries more than one run again. */
  singles: number;
  singlesAfter: number;
  streak: Streak;
  /** Batches that failed one after the other in a way that could be their own fault, and nothing accepted between. */
  failedInARow: number;
  /** Requests that were accepted, runs that were delivered and deliveries of which something was quarantined, since the start. */
  succeeded: number;
  delivered: number;
  quarantined: number;
  /** An error that is ours: ends the deliverer. */
  bug: { readonly error: unknown } | undefined;
}

/** Runs refused in a row with one status, and nothing delivered between. */
export interface Streak {
  readonly status: number;
  /** Not decided yet. */
  readonly held: readonly Refusal[];
  /** Quarantined already, for want of anything else to try. */
  readonly settled: readonly Refusal[];
}

export interface Refusal {
  readonly batch: Batch;
  readonly key: RunKey;
  readonly part: number;
}

export const NO_STREAK: Streak = { status: 0, held: [], settled: [] };

export interface Pause {
  /** On the monotonic clock. */
  readonly until: number;
  /** How many requests had left when it began, or began anew: their answers do not end it. */
  readonly after: number;
  readonly attempts: number;
  readonly reason: string;
  /** When it began, on the API's clock. */
  readonly since: number;
  /** `busy` passes by itself; the others end when somebody mends something. `refuses`: it answers 400 to every run. */
  readonly cause: "busy" | "misconfigured" | "refuses";
}

export function createDeliveryState(context: DeliverContext): DeliveryState {
  return {
    context,
    inFlight: new Set(),
    waiting: [],
    position: 0,
    pause: undefined,
    shownPause: null,
    sent: 0,
    singles: 0,
    singlesAfter: 0,
    streak: NO_STREAK,
    failedInARow: 0,
    succeeded: 0,
    delivered: 0,
    quarantined: 0,
    bug: undefined,
  };
}

/** Back into the queue, before everything that was read later. */
export function putBack(state: DeliveryState, batches: readonly Batch[]): void {
  state.waiting = [...new Set([...state.waiting, ...batches])].sort((a, b) => (a.ids[0] ?? 0) - (b.ids[0] ?? 0));
}
