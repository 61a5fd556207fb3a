import type { Outcome } from "../destinations/destination.ts";
import type { StoredChunk } from "../state/store.ts";
import { bodyOf, createBatch, halvesOf, requestsOf } from "./batch.ts";
import { type DeliveryState, putBack } from "./delivery-state.ts";
import { isolate, piece, type Search } from "./isolate.ts";
import { pauseBusy, pauseMisconfigured, resume, retryDelay } from "./pause.ts";
import type { Loaded } from "./queue.ts";
import { holdRefused, releaseHeld } from "./refusals.ts";
import { settle } from "./settle.ts";

/** What each answer to a batch leads to: delivery.md's table, row by row. */

/** Failures of one batch, while others succeed, that mean it is the batch's fault. */
const FAILURES_OF_ONE = 10;
/** Batches that fail one after the other, and nothing succeeds, that mean it is not the batches' fault. */
const FAILURES_IN_A_ROW = 8;
/** After a partial success each request carries one run until this many in a row were clean. */
const CLEAN_BEFORE_BATCHING = 20;

type Send = (body: Uint8Array) => Promise<Outcome>;

/** Sends a batch and settles it, puts it back, or takes it apart. @throws StoreError */
export async function attempt(state: DeliveryState, loaded: Loaded, send: Send): Promise<void> {
  const { batch, items } = loaded;
  const { encoding, maxRequestBytes } = state.context.destination;
  const requests = requestsOf(items, encoding, maxRequestBytes);
  batch.triedAt = state.context.clock.monotonic();
  while (batch.sent < requests.length) {
    const chunks = requests[batch.sent] ?? [];
    const outcome = await send(bodyOf(chunks, encoding));
    if (outcome.kind === "delivered") accepted(state, outcome.warning);
    else if (outcome.kind === "partial") partlyAccepted(state, loaded, outcome, chunks);
    else return notAccepted(state, loaded, outcome, send);
    batch.sent += 1;
  }
  await settle(state, items, batch.pieces);
}

function accepted(state: DeliveryState, warning: string | undefined): void {
  const { log, destination } = state.context;
  if (warning !== undefined) log.warn({ destination: destination.name, warning }, "the destination accepted everything, with a warning");
  resume(state);
  state.succeeded += 1;
  state.failedInARow = 0;
  state.singles = Math.max(0, state.singles - 1);
  releaseHeld(state);
}

function partlyAccepted(
  state: DeliveryState,
  { batch, items }: Loaded,
  outcome: Extract<Outcome, { kind: "partial" }>,
  chunks: readonly StoredChunk[],
): void {
  const { log, destination } = state.context;
  const { rejectedSpans: rejected, message } = outcome;
  log.warn({ destination: destination.name, rejected, message }, "the destination accepted a request only in part");
  accepted(state, undefined);
  state.singles = CLEAN_BEFORE_BATCHING;
  const parts = items.length === 1 ? [chunks] : items.map((item) => item.chunks);
  batch.pieces.push(...parts.map((part) => piece(part, destination.encoding, outcome)));
}

async function notAccepted(
  state: DeliveryState,
  loaded: Loaded,
  outcome: Exclude<Outcome, { kind: "delivered" | "partial" }>,
  send: Send,
): Promise<void> {
  const { batch, items } = loaded;
  if (outcome.kind === "misconfigured") {
    putBack(state, [batch]);
    return pauseMisconfigured(state, outcome.reason, "misconfigured");
  }
  if (outcome.kind === "retry") return retryLater(state, loaded, outcome, send);
  if (state.pause?.cause !== "refuses") resume(state); // it answers for the requests' own sake
  if (items.length > 1) return putBack(state, halvesOf(createBatch(items.map((item) => item.id))));
  const decided = state.pause === undefined && (batch.refused || batch.sent > 0);
  if (decided) return takeApart(state, loaded, { send, suspect: "interrupts" }, outcome);
  await holdRefused(state, loaded, outcome);
}

/** Finds what of a lone run is refused; the rest is delivered on the way. @param known the answer to what is left of it */
export async function takeApart(
  state: DeliveryState,
  loaded: Loaded,
  { send, suspect }: Pick<Search, "send" | "suspect">,
  known?: Outcome,
): Promise<void> {
  const { batch, items } = loaded;
  const { encoding, maxRequestBytes } = state.context.destination;
  const [next = [], ...later] = requestsOf(items, encoding, maxRequestBytes).slice(batch.sent);
  const search = { encoding, send, suspect };
  const found = await isolate(next, search, known);
  if (found.kind === "interrupted") {
    batch.refused = true;
    return notAccepted(state, loaded, found.outcome, send);
  }
  if (found.accepted > 0) accepted(state, undefined);
  batch.pieces.push(...found.refused);
  batch.sent += 1;
  if (later.length > 0) return attempt(state, loaded, send);
  await settle(state, items, batch.pieces);
}

async function retryLater(state: DeliveryState, loaded: Loaded, outcome: Extract<Outcome, { kind: "retry" }>, send: Send): Promise<void> {
  const { clock, log, destination } = state.context;
  const { batch, items } = loaded;
  const { reason, status, retryAfterMs } = outcome;
  const wait = (attempts: number) => retryDelay(state, attempts, retryAfterMs);
  log.debug({ destination: destination.name, reason, status }, "a request is to be sent again");
  if (outcome.suspect) {
    batch.failures += 1;
    batch.othersSucceeded ??= state.succeeded;
    state.failedInARow += 1;
  }
  if (outcome.suspect || outcome.scope === "batch") batch.notBefore = clock.monotonic() + wait(batch.attempts);
  if (outcome.scope === "destination" || state.pause !== undefined || state.failedInARow >= FAILURES_IN_A_ROW)
    pauseBusy(state, reason, wait);
  batch.attempts += 1;
  const guilty = batch.failures >= FAILURES_OF_ONE && state.succeeded > (batch.othersSucceeded ?? 0);
  if (!guilty) return putBack(state, [batch]);
  if (items.length === 1) return takeApart(state, loaded, { send, suspect: "refuses" }, outcome);
  // its halves are one failure away from being taken apart in turn
  const { attempts } = batch;
  putBack(state, halvesOf(batch, { failures: FAILURES_OF_ONE - 1, attempts, othersSucceeded: state.succeeded - 1 }));
}
