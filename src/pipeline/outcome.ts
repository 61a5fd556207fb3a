import type { Outcome } from "../destinations/destination.ts";
import type { StoredChunk } from "../state/store.ts";
import { bodyOf, createBatch, halvesOf, isSearched, requestsOf } from "./batch.ts";
import { type DeliveryState, putBack } from "./delivery-state.ts";
import { chunksOf, halvesOfPiece, type Piece, refusedPiece, type SplitSpans, spanSplitter, wholeOf } from "./isolate.ts";
import { answered, pauseBusy, pauseMisconfigured, retryDelay } from "./pause.ts";
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
/** Runs that wait half taken apart: what was refused of them is held in memory. */
const MAX_SEARCHED = 16;
/** A search goes on after this long, in ms, however often it was interrupted: what it is answered in between shows that it may. */
const SEARCH_BACKOFF_CAP_MS = 30_000;

type Send = (body: Uint8Array) => Promise<Outcome>;

/** One request that is sent now. */
interface Sent {
  readonly request: readonly StoredChunk[];
  /** The part of the request that it carries; all of it unless it is being taken apart. */
  readonly piece: Piece;
  readonly chunks: readonly StoredChunk[];
  readonly split: SplitSpans;
  /** How many had left when it had. */
  readonly number: number;
}

/** Sends what is left of a batch, settles it, puts it back, or takes it apart. @throws StoreError */
export async function attempt(state: DeliveryState, loaded: Loaded, send: Send): Promise<void> {
  const { batch, items } = loaded;
  const { encoding, maxRequestBytes } = state.context.destination;
  const requests = requestsOf(items, encoding, maxRequestBytes);
  const split = spanSplitter(encoding);
  batch.triedAt = state.context.clock.monotonic();
  for (let first = true; batch.sent < requests.length; first = false) {
    if (mustWait(state, loaded, first)) return putBack(state, [batch]);
    const request = requests[batch.sent] ?? [];
    const [piece = wholeOf(request)] = batch.left;
    const chunks = chunksOf(request, piece, split);
    state.sent += 1;
    const sent = { request, piece, chunks, split, number: state.sent };
    const outcome = await send(bodyOf(chunks, encoding));
    if (!(await handle(state, loaded, sent, outcome))) return;
  }
  await settle(state, items, batch.pieces);
}

/** What happened meanwhile, to others or to its last request, that the next one has to respect. */
function mustWait({ pause, singles, context: { clock } }: DeliveryState, { batch, items }: Loaded, first: boolean): boolean {
  const now = clock.monotonic();
  if (pause !== undefined && (!first || pause.until > now)) return true;
  return batch.notBefore > now || (singles > 0 && items.length > 1);
}

/** True if the batch goes on; else it was put back or is held. */
async function handle(state: DeliveryState, loaded: Loaded, sent: Sent, outcome: Outcome): Promise<boolean> {
  switch (outcome.kind) {
    case "delivered":
      accepted(state, loaded, sent, outcome.warning);
      goOn(state, loaded, []);
      return true;
    case "partial":
      partlyAccepted(state, loaded, sent, outcome);
      goOn(state, loaded, []);
      return true;
    case "refused":
      return refused(state, loaded, sent, outcome);
    case "retry":
      return retryLater(state, loaded, sent, outcome);
    case "misconfigured":
      putBack(state, [loaded.batch]);
      pauseMisconfigured(state, outcome.reason, "misconfigured");
      return false;
  }
}

/** What was sent last is done, but for these halves of it. */
function goOn(state: DeliveryState, { batch }: Loaded, halves: readonly Piece[]): void {
  batch.left = [...halves, ...batch.left.slice(1)];
  if (batch.left.length === 0) batch.sent += 1;
  const suspect = batch.left[0]?.suspect ?? false;
  batch.failures = suspect ? FAILURES_OF_ONE - 1 : 0;
  batch.othersSucceeded = suspect ? state.succeeded - 1 : undefined;
}

function accepted(state: DeliveryState, { batch, items }: Loaded, { number }: Sent, warning: string | undefined): void {
  const { log, destination } = state.context;
  if (warning !== undefined) log.warn({ destination: destination.name, warning }, "the destination accepted everything, with a warning");
  answered(state, number);
  state.succeeded += 1;
  state.failedInARow = 0;
  if (number > state.singlesAfter && items.length === 1 && !isSearched(batch)) state.singles = Math.max(0, state.singles - 1);
  releaseHeld(state);
}

function partlyAccepted(state: DeliveryState, loaded: Loaded, sent: Sent, outcome: Extract<Outcome, { kind: "partial" }>): void {
  const { log, destination } = state.context;
  const { batch, items } = loaded;
  const { rejectedSpans: rejected, message } = outcome;
  log.warn({ destination: destination.name, rejected, message }, "the destination accepted a request only in part");
  accepted(state, loaded, sent, undefined);
  state.singles = CLEAN_BEFORE_BATCHING;
  state.singlesAfter = state.sent;
  const parts = items.length === 1 ? [sent.chunks] : items.map((item) => item.chunks);
  batch.pieces.push(...parts.map((part) => refusedPiece(part, destination.encoding, outcome)));
}

async function refused(state: DeliveryState, loaded: Loaded, sent: Sent, outcome: Extract<Outcome, { kind: "refused" }>): Promise<boolean> {
  const { batch, items } = loaded;
  const everything = state.pause?.cause === "refuses";
  if (!everything) answered(state, sent.number); // for the request's own sake
  if (items.length > 1) {
    putBack(state, halvesOf(createBatch(items.map((item) => item.id))));
    return false;
  }
  if (!everything && (batch.refused || batch.sent > 0 || isSearched(batch))) return takeApart(state, loaded, sent, outcome);
  await holdRefused(state, loaded, outcome);
  return false;
}

/** Of a lone run: the halves of what was refused are tried next; what has none goes into quarantine. */
function takeApart(
  state: DeliveryState,
  loaded: Loaded,
  { request, piece, chunks, split }: Sent,
  outcome: Extract<Outcome, { kind: "refused" | "retry" }>,
): boolean {
  const { batch } = loaded;
  const { destination, clock } = state.context;
  if (!isSearched(batch)) {
    if (state.waiting.filter(isSearched).length >= MAX_SEARCHED) {
      if (outcome.kind === "refused") batch.refused = true;
      const own = retryDelay(state, batch.attempts, undefined, SEARCH_BACKOFF_CAP_MS);
      batch.notBefore = Math.max(batch.notBefore, clock.monotonic() + own);
      batch.attempts += 1;
      putBack(state, [batch]);
      return false;
    }
    batch.attempts = 0;
  }
  const halves = halvesOfPiece(request, piece, split, outcome.kind === "retry");
  if (halves.length === 0) batch.pieces.push(refusedPiece(chunks, destination.encoding, outcome));
  goOn(state, loaded, halves);
  return true;
}

function retryLater(state: DeliveryState, loaded: Loaded, sent: Sent, outcome: Extract<Outcome, { kind: "retry" }>): boolean {
  const { clock, log, destination } = state.context;
  const { batch, items } = loaded;
  const { reason, status, scope, suspect, retryAfterMs } = outcome;
  const wait = (attempts: number) => retryDelay(state, attempts, retryAfterMs);
  const now = clock.monotonic();
  log.debug({ destination: destination.name, reason, status }, "a request is to be sent again");
  if (suspect) {
    batch.failures += 1;
    batch.othersSucceeded ??= state.succeeded;
  }
  const guilty = suspect && batch.failures >= FAILURES_OF_ONE && state.succeeded > (batch.othersSucceeded ?? 0);
  const notBefore = retryAfterMs === undefined ? 0 : now + wait(0);
  if (guilty && items.length === 1) {
    batch.notBefore = notBefore;
    return takeApart(state, loaded, sent, outcome);
  }
  if (suspect) state.failedInARow += 1;
  const searched = isSearched(batch);
  const own = searched ? retryDelay(state, batch.attempts, retryAfterMs, SEARCH_BACKOFF_CAP_MS) : wait(batch.attempts);
  if (suspect || scope === "batch" || searched) batch.notBefore = now + own;
  if (scope === "destination" || state.pause !== undefined || state.failedInARow >= FAILURES_IN_A_ROW) pauseBusy(state, reason, wait);
  batch.attempts += 1;
  // the halves are one failure away from being taken apart in turn
  const { attempts } = batch;
  const suspected = { failures: FAILURES_OF_ONE - 1, attempts, othersSucceeded: state.succeeded - 1, notBefore };
  putBack(state, guilty ? halvesOf(batch, suspected) : [batch]);
  return false;
}
