import type { Logger } from "pino";
import type { Destination } from "../destinations/destination.ts";
import type { QueuedDelivery, Store } from "../state/store.ts";
import { type Batch, createBatch } from "./batch.ts";
import type { Clock } from "./clock.ts";
import type { Wake } from "./wake.ts";

/** What delivering to one destination needs, and what it remembers while it runs. Nothing here must survive a crash. */
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
  /** For the log line of a delivered run. */
  readonly traceUrl?: string | undefined;
}

export interface DeliveryState {
  readonly context: DeliverContext;
  readonly inFlight: Set<Batch>;
  /** Batches that wait for another attempt, in the order of the queue. */
  waiting: Batch[];
  /** Read from the store up to here. */
  position: number;
  pause: Pause | undefined;
  /** So many more clean answers until a request carries more than one run again. */
  singles: number;
  /** Runs refused in a row with one status, and nothing delivered between. */
  streak: { readonly status: number; readonly held: QueuedDelivery[]; readonly quarantined: QueuedDelivery[] };
  /** Runs that were given back when the destination was found to refuse everything: by their delivery's id. */
  readonly givenBack: Set<number>;
  /** Spans left out of a run because the destination does not take spans that old: by their delivery's id. */
  readonly skippedSpans: Map<number, number>;
  /** Requests that were accepted, runs that were delivered and runs of which something was quarantined, since the start. */
  succeeded: number;
  delivered: number;
  quarantined: number;
}

export interface Pause {
  /** On the monotonic clock. */
  until: number;
  attempts: number;
  readonly reason: string;
  /** Nothing will be accepted until somebody mends something. */
  readonly misconfigured: boolean;
}

export function createDeliveryState(context: DeliverContext): DeliveryState {
  return {
    context,
    inFlight: new Set(),
    waiting: [],
    position: 0,
    pause: undefined,
    singles: 0,
    streak: { status: 0, held: [], quarantined: [] },
    givenBack: new Set(),
    skippedSpans: new Map(),
    succeeded: 0,
    delivered: 0,
    quarantined: 0,
  };
}

/** Back into the queue, before everything that was read later. */
export function putBack(state: DeliveryState, batches: readonly Batch[]): void {
  state.waiting = [...state.waiting, ...batches].sort((a, b) => (a.items[0]?.id ?? 0) - (b.items[0]?.id ?? 0));
}

export function putBackAlone(state: DeliveryState, items: readonly QueuedDelivery[]): void {
  putBack(
    state,
    items.map((item) => createBatch([item])),
  );
}
