import type { Outcome } from "../destinations/destination.ts";
import { type QueuedDelivery, type Settlement, StoreError } from "../state/store.ts";
import { ageLimit } from "./age.ts";
import { backoff } from "./backoff.ts";
import { type Batch, createBatch, pack } from "./batch.ts";
import { createDeliveryState, type DeliverContext, type DeliveryState, putBack } from "./delivery-state.ts";
import { attempt, settleHeld } from "./outcome.ts";

/**
 * Delivers one destination's queue, oldest first. What is not settled stays in the store, so stopping at
 * any moment only means sending again: the same bytes.
 */
export interface Deliverer {
  /** Delivers until `signal` is aborted; then gives requests in flight up to `grace` ms. */
  run(signal: AbortSignal, grace: number): Promise<void>;
  /** Delivers until the queue is empty, the destination is paused for good, or nothing was accepted for `timeout` ms. */
  drain(timeout: number, signal: AbortSignal): Promise<DrainResult>;
  snapshot(): DelivererSnapshot;
}

export interface DrainResult {
  /** The queue is empty. */
  readonly empty: boolean;
  readonly reason?: string;
  readonly quarantined: number;
}

export interface DelivererSnapshot {
  readonly name: string;
  readonly inFlight: number;
  readonly paused?: string;
  readonly delivered: number;
  readonly quarantined: number;
}

/** Runs in one request at most: enough for the smallest ones to fill a request. */
const MAX_ITEMS = 1_000;
/** How often the queue is looked at without being rung for, in ms. */
const LOOK_EVERY_MS = 1_000;

export function createDeliverer(context: DeliverContext): Deliverer {
  const state = createDeliveryState(context);
  return {
    async run(signal, grace) {
      const requests = new AbortController();
      while (!signal.aborted) {
        const idle = await step(state, requests.signal, signal);
        if (idle) await context.wake.wait(LOOK_EVERY_MS, signal);
      }
      await finish(state, requests, grace);
    },
    async drain(timeout, signal) {
      const requests = new AbortController();
      const result = await drain(state, timeout, requests.signal, signal);
      await finish(state, requests, signal.aborted ? timeout : 0);
      return result;
    },
    snapshot: () => ({
      name: context.destination.name,
      inFlight: state.inFlight.size,
      ...(state.pause && { paused: state.pause.reason }),
      delivered: state.delivered,
      quarantined: state.quarantined,
    }),
  };
}

async function finish(state: DeliveryState, requests: AbortController, grace: number): Promise<void> {
  const { clock } = state.context;
  const end = clock.monotonic() + grace;
  while (state.inFlight.size > 0 && clock.monotonic() < end) await clock.sleep(20, requests.signal);
  requests.abort();
  while (state.inFlight.size > 0) await clock.sleep(5, new AbortController().signal);
}

async function drain(state: DeliveryState, timeout: number, requests: AbortSignal, signal: AbortSignal): Promise<DrainResult> {
  const { clock } = state.context;
  let progress = state.succeeded + state.quarantined;
  let since = clock.monotonic();
  for (;;) {
    const idle = await step(state, requests, signal);
    const { quarantined, pause } = state;
    if (idle) return { empty: true, quarantined };
    if (signal.aborted) return { empty: false, reason: "stopped", quarantined };
    if (pause?.misconfigured && state.inFlight.size === 0) return { empty: false, reason: pause.reason, quarantined };
    if (state.succeeded + quarantined !== progress) {
      progress = state.succeeded + quarantined;
      since = clock.monotonic();
    } else if (clock.monotonic() - since > timeout) {
      return { empty: false, reason: pause?.reason ?? "nothing was accepted in time", quarantined };
    }
  }
}

/** Starts one batch, or waits until there may be one. True if the queue is empty and nothing is in flight. */
async function step(state: DeliveryState, requests: AbortSignal, signal: AbortSignal): Promise<boolean> {
  const { context, inFlight } = state;
  const allowed = state.pause === undefined ? context.destination.concurrency : 1;
  const wait = (state.pause?.until ?? 0) - context.clock.monotonic();
  if (wait <= 0 && inFlight.size < allowed) {
    const batch = await nextBatch(state);
    if (batch !== undefined) {
      launch(state, batch, requests);
      return false;
    }
    if (inFlight.size === 0 && state.waiting.length === 0) {
      if (state.streak.held.length === 0) return true;
      await guarded(state, () => settleHeld(state, sender(state, requests)));
      return false;
    }
  }
  await context.wake.wait(Math.min(LOOK_EVERY_MS, Math.max(wait, 10)), signal);
  return false;
}

function launch(state: DeliveryState, batch: Batch, requests: AbortSignal): void {
  state.inFlight.add(batch);
  void guarded(state, () => attempt(state, batch, sender(state, requests)), batch).finally(() => {
    state.inFlight.delete(batch);
    state.context.wake.ring();
  });
}

function sender(state: DeliveryState, requests: AbortSignal): (body: Uint8Array) => Promise<Outcome> {
  return (body) => state.context.destination.send(body, requests);
}

/** A store that cannot write now: what was sent is sent again. */
async function guarded(state: DeliveryState, work: () => Promise<void>, batch?: Batch): Promise<void> {
  const { clock, log, destination } = state.context;
  try {
    await work();
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    log.error(
      { destination: destination.name, kind: error.kind, error: error.message },
      "the state cannot be written: what was sent is sent again",
    );
    if (batch === undefined) return;
    batch.notBefore = clock.monotonic() + backoff(batch.attempts, clock.random());
    batch.attempts += 1;
    putBack(state, [batch]);
  }
}

/** The next batch to send: one that waits and is due, else new ones from the store. */
async function nextBatch(state: DeliveryState): Promise<Batch | undefined> {
  const now = state.context.clock.monotonic();
  const alone = state.singles > 0 || state.pause?.misconfigured === true;
  const due = state.waiting.filter((batch) => batch.notBefore <= now);
  // a destination that refuses everything is probed with runs it has not refused yet, as long as there are any
  const fresh = due.find((batch) => !batch.items.some((item) => state.givenBack.has(item.id)));
  const waiting = state.pause?.misconfigured ? fresh : due[0];
  if (waiting !== undefined) return take(state, waiting, alone);
  const queued = await fromStore(state, alone);
  if (queued !== undefined) return queued;
  const last = due[0];
  if (last === undefined) return undefined;
  // each probe another one: what was tried goes to the end
  const batch = take(state, last, alone);
  for (const item of batch.items) {
    state.givenBack.delete(item.id);
    state.givenBack.add(item.id);
  }
  return batch;
}

function take(state: DeliveryState, batch: Batch, alone: boolean): Batch {
  state.waiting = state.waiting.filter((other) => other !== batch);
  if (!alone || batch.items.length === 1) return batch;
  const [first, ...rest] = batch.items;
  putBack(state, [{ ...createBatch(rest), attempts: batch.attempts, failures: batch.failures, othersSucceeded: batch.othersSucceeded }]);
  return createBatch(first === undefined ? [] : [first]);
}

async function fromStore(state: DeliveryState, alone: boolean): Promise<Batch | undefined> {
  const { store, destination } = state.context;
  for (;;) {
    const rows = await store.queued(destination.name, destination.encoding, state.position, destination.maxRequestBytes);
    if (rows.length === 0) return undefined;
    const items = await withoutTooOld(state, rows);
    const packed = pack(items, destination.encoding, destination.maxRequestBytes, alone ? 1 : MAX_ITEMS);
    const last = packed.at(-1) ?? rows.at(-1);
    if (last !== undefined) state.position = last.id;
    if (packed.length > 0) return createBatch(packed);
  }
}

async function withoutTooOld(state: DeliveryState, rows: readonly QueuedDelivery[]): Promise<QueuedDelivery[]> {
  const { maxSpanAge, tooOld, destination, store, now, log } = state.context;
  if (maxSpanAge === undefined) return [...rows];
  const kept: QueuedDelivery[] = [];
  const excluded: Settlement[] = [];
  for (const row of rows) {
    const aged = ageLimit(row, now() - maxSpanAge, tooOld, destination.encoding);
    if (aged.kind === "send") {
      kept.push(aged.item);
      if (aged.skippedSpans > 0) state.skippedSpans.set(row.id, aged.skippedSpans);
    } else excluded.push({ id: row.id, outcome: "excluded", reason: "too_old", spans: row.spans, bytes: row.bytes });
  }
  if (excluded.length > 0) {
    await store.settle(destination.name, excluded, now());
    log.warn({ destination: destination.name, runs: excluded.length }, "not sent: older than the destination accepts");
  }
  return kept;
}
