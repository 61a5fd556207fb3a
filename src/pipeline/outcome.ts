import type { Outcome } from "../destinations/destination.ts";
import type { QueuedDelivery, RefusedPiece, Settlement } from "../state/store.ts";
import { backoff } from "./backoff.ts";
import { type Batch, bodyOf, createBatch, requestsOf } from "./batch.ts";
import { type DeliveryState, putBack, putBackAlone } from "./delivery-state.ts";
import { isolate, piece } from "./isolate.ts";

/** What each answer to a batch leads to: delivery.md's table, row by row. */

/** Refusals in a row, of different runs with one status and nothing delivered between, that mean it is not the runs' fault. */
const REFUSALS_IN_A_ROW = 5;
/** Failures of one batch, while others succeed, that mean it is the batch's fault. */
const FAILURES_OF_ONE = 10;
/** After a partial success each request carries one run until this many in a row were clean. */
const CLEAN_BEFORE_BATCHING = 20;
/** A destination that accepts nothing is probed at growing intervals, in ms. */
const PROBE_BASE_MS = 5_000;
const PROBE_CAP_MS = 300_000;

type Send = (body: Uint8Array) => Promise<Outcome>;

/** Sends a batch and settles it, puts it back, or takes it apart. @throws StoreError */
export async function attempt(state: DeliveryState, batch: Batch, send: Send): Promise<void> {
  const { encoding, maxRequestBytes } = state.context.destination;
  const requests = requestsOf(batch, encoding, maxRequestBytes);
  while (batch.sent < requests.length) {
    const chunks = requests[batch.sent] ?? [];
    const outcome = await send(bodyOf(chunks, encoding));
    if (outcome.kind === "delivered") accepted(state, outcome.warning);
    else if (outcome.kind === "partial") await partlyAccepted(state, batch, outcome, chunks);
    else return notAccepted(state, batch, outcome, send);
    batch.sent += 1;
  }
  await settle(state, batch.items, batch.pieces, batch.pieces.length === 0 ? "delivered" : "partial");
}

function accepted(state: DeliveryState, warning: string | undefined): void {
  const { log, destination } = state.context;
  if (warning !== undefined) log.warn({ destination: destination.name, warning }, "the destination accepted everything, with a warning");
  if (state.pause !== undefined) log.info({ destination: destination.name }, "the destination accepts again");
  state.pause = undefined;
  state.succeeded += 1;
  state.singles = Math.max(0, state.singles - 1);
  state.streak = { status: 0, held: releaseHeld(state), quarantined: [] };
}

/** Something was delivered: runs that were refused before it are refused for their own sake. */
function releaseHeld(state: DeliveryState): [] {
  for (const item of state.streak.held) state.givenBack.add(item.id);
  putBackAlone(state, state.streak.held);
  return [];
}

async function partlyAccepted(
  state: DeliveryState,
  batch: Batch,
  outcome: Extract<Outcome, { kind: "partial" }>,
  chunks: ReturnType<typeof requestsOf>[number],
) {
  const { log, destination } = state.context;
  log.warn(
    { destination: destination.name, rejected: outcome.rejectedSpans, message: outcome.message },
    "the destination accepted a request only in part",
  );
  accepted(state, undefined);
  state.singles = CLEAN_BEFORE_BATCHING;
  const sent = batch.items.length === 1 ? [chunks] : batch.items.map((item) => item.chunks);
  for (const part of sent) {
    const spans = part.reduce((sum, chunk) => sum + chunk.spans, 0);
    batch.pieces.push(piece(part, destination.encoding, spans, outcome));
  }
}

async function notAccepted(
  state: DeliveryState,
  batch: Batch,
  outcome: Exclude<Outcome, { kind: "delivered" | "partial" }>,
  send: Send,
): Promise<void> {
  if (outcome.kind === "misconfigured") {
    putBack(state, [batch]);
    return pauseMisconfigured(state, outcome.reason);
  }
  if (outcome.kind === "retry") return retryLater(state, batch, outcome, send);
  const [item, ...others] = batch.items;
  if (item === undefined) return;
  if (others.length > 0) return putBack(state, halves(batch));
  if (state.givenBack.has(item.id) || batch.sent > 0) return takeApart(state, batch, item, send, "interrupts");
  await holdRefused(state, item, outcome);
}

function halves(batch: Batch): Batch[] {
  const middle = Math.ceil(batch.items.length / 2);
  return [createBatch(batch.items.slice(0, middle)), createBatch(batch.items.slice(middle))];
}

/** A run that is refused alone: its own fault, or the destination refuses everything? The next answers tell. */
async function holdRefused(state: DeliveryState, item: QueuedDelivery, outcome: Extract<Outcome, { kind: "refused" }>): Promise<void> {
  const same = state.streak.status === outcome.status;
  if (!same) releaseHeld(state);
  const held = same ? [...state.streak.held.filter((before) => before.id !== item.id), item] : [item];
  const quarantined = same ? state.streak.quarantined : [];
  state.streak = { status: outcome.status, held, quarantined };
  if (held.length + quarantined.length < REFUSALS_IN_A_ROW) return;
  await takeBack(state, quarantined);
  for (const refused of held) state.givenBack.add(refused.id);
  putBackAlone(state, held);
  state.streak = { status: 0, held: [], quarantined: [] };
  pauseMisconfigured(state, `refuses everything with ${outcome.status}: ${outcome.message}`);
}

/** Runs of this streak that went into quarantine for want of anything else to try. */
async function takeBack(state: DeliveryState, items: readonly QueuedDelivery[]): Promise<void> {
  const { store, destination, now } = state.context;
  for (const item of items) {
    const entries = await store.quarantined({ destination: destination.name, runId: item.key.id });
    const own = entries.filter((entry) => entry.key.createdAt === item.key.createdAt && entry.part === item.part);
    await store.requeue(
      own.map((entry) => entry.id),
      now(),
    );
  }
}

/** Nothing else is left to try: what is held is taken apart, and quarantined if nothing of it is accepted. */
export async function settleHeld(state: DeliveryState, send: Send): Promise<void> {
  const { status, held, quarantined } = state.streak;
  const [item, ...rest] = held;
  if (item === undefined) return;
  state.streak = { status, held: rest, quarantined: [...quarantined, item] };
  await takeApart(state, createBatch([item]), item, send, "interrupts");
}

async function takeApart(
  state: DeliveryState,
  batch: Batch,
  item: QueuedDelivery,
  send: Send,
  suspect: "interrupts" | "refuses",
): Promise<void> {
  const { encoding, maxRequestBytes } = state.context.destination;
  const left = requestsOf(batch, encoding, maxRequestBytes).slice(batch.sent).flat();
  const found = await isolate(left, encoding, send, suspect);
  if (found.kind === "interrupted") {
    state.givenBack.add(item.id);
    return notAccepted(state, batch, found.outcome, send);
  }
  if (found.accepted > 0) accepted(state, undefined);
  const refused = [...batch.pieces, ...found.refused];
  const something = found.accepted > 0 || batch.sent > 0;
  await settle(state, [item], refused, refused.length === 0 ? "delivered" : something ? "partial" : "quarantined");
}

async function retryLater(state: DeliveryState, batch: Batch, outcome: Extract<Outcome, { kind: "retry" }>, send: Send): Promise<void> {
  const { clock, log, destination } = state.context;
  const wait = (attempts: number) =>
    Math.max(outcome.retryAfterMs ?? 0, outcome.retryAfterMs === undefined ? backoff(attempts, clock.random()) : 0);
  log.debug({ destination: destination.name, reason: outcome.reason, status: outcome.status }, "a request is to be sent again");
  if (outcome.scope === "destination") {
    const attempts = (state.pause?.attempts ?? -1) + 1;
    state.pause = { until: clock.monotonic() + wait(attempts), attempts, reason: outcome.reason, misconfigured: false };
    return putBack(state, [batch]);
  }
  batch.notBefore = clock.monotonic() + wait(batch.attempts);
  batch.attempts += 1;
  if (outcome.suspect) {
    batch.failures += 1;
    batch.othersSucceeded ??= state.succeeded;
  }
  const guilty = batch.failures >= FAILURES_OF_ONE && state.succeeded > (batch.othersSucceeded ?? 0);
  const [item, ...others] = batch.items;
  if (!guilty || item === undefined) return putBack(state, [batch]);
  if (others.length === 0) return takeApart(state, batch, item, send, "refuses");
  // its halves are one failure away from being taken apart in turn, provided that others succeed meanwhile
  putBack(
    state,
    halves(batch).map((half) => ({
      ...half,
      failures: FAILURES_OF_ONE - 1,
      attempts: batch.attempts,
      othersSucceeded: state.succeeded - 1,
    })),
  );
}

function pauseMisconfigured(state: DeliveryState, reason: string): void {
  const { clock, log, destination } = state.context;
  const attempts = state.pause?.misconfigured ? state.pause.attempts + 1 : 0;
  if (attempts === 0)
    log.error(
      { destination: destination.name, reason },
      "the destination is paused: everything is kept, and it is tried again from time to time",
    );
  const wait = Math.min(PROBE_CAP_MS, PROBE_BASE_MS * 2 ** Math.min(attempts, 10));
  state.pause = { until: clock.monotonic() + wait, attempts, reason, misconfigured: true };
}

async function settle(
  state: DeliveryState,
  items: readonly QueuedDelivery[],
  pieces: readonly RefusedPiece[],
  outcome: "delivered" | "partial" | "quarantined",
): Promise<void> {
  const { store, destination, now } = state.context;
  const settlements = items.map((item, index): Settlement => {
    const refused = items.length === 1 ? pieces : pieces.slice(index, index + 1);
    const skippedSpans = state.skippedSpans.get(item.id);
    const skipped = skippedSpans === undefined ? {} : { skippedSpans };
    return { id: item.id, outcome, spans: item.spans, bytes: item.bytes, ...(refused.length > 0 && { refused }), ...skipped };
  });
  await store.settle(destination.name, settlements, now());
  for (const item of items) {
    state.givenBack.delete(item.id);
    state.skippedSpans.delete(item.id);
  }
  logSettled(state, items, pieces, outcome);
  state.delivered += outcome === "quarantined" ? 0 : items.length;
  state.quarantined += pieces.length > 0 ? items.length : 0;
}

function logSettled(state: DeliveryState, items: readonly QueuedDelivery[], pieces: readonly RefusedPiece[], outcome: string): void {
  const { log, destination } = state.context;
  for (const item of items)
    log.debug(
      { destination: destination.name, run: item.key.id, createdAt: item.key.createdAt, spans: item.spans, outcome },
      "run settled",
    );
  if (pieces.length === 0)
    log.info({ destination: destination.name, runs: items.length, spans: items.reduce((sum, item) => sum + item.spans, 0) }, "delivered");
  for (const { reason, status, message } of pieces) {
    log.warn({ destination: destination.name, runs: items.map((item) => item.key.id), reason, status, message }, "quarantined");
  }
}
