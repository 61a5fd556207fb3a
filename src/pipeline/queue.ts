import type { Millis } from "../model/run.ts";
import { transcode } from "../otlp/transcode.ts";
import type { QueuedDelivery, Settlement } from "../state/store.ts";
import { ageLimit } from "./age.ts";
import { type Batch, createBatch, isSearched, isSuspect, type Outgoing, pack } from "./batch.ts";
import { type DeliveryState, putBack } from "./delivery-state.ts";

/** Which batch goes next, and its bytes from the store. */

/** Runs in one request at most: enough for the smallest ones to fill a request. */
const MAX_ITEMS = 1_000;

export interface Loaded {
  readonly batch: Batch;
  readonly items: readonly Outgoing[];
}

/**
 * The next batch to send: one that waits and is due, else new ones from the store. A destination that accepts
 * nothing is probed with what it has not refused yet as long as there is any, then with what was tried longest ago.
 * @throws StoreError
 */
export async function nextBatch(state: DeliveryState): Promise<Loaded | undefined> {
  const now = state.context.clock.monotonic();
  const alone = state.singles > 0 || (state.pause !== undefined && state.pause.cause !== "busy");
  for (;;) {
    const due = state.waiting.filter((batch) => batch.notBefore <= now);
    const first = state.pause === undefined ? due[0] : due.find((batch) => !isSuspect(batch));
    if (first === undefined) {
      const fresh = await fromStore(state, alone);
      if (fresh !== undefined) return fresh;
    }
    const chosen =
      first ?? due.reduce<Batch | undefined>((oldest, one) => (oldest && oldest.triedAt <= one.triedAt ? oldest : one), undefined);
    if (chosen === undefined) return undefined;
    const items = await loadBatch(state, chosen, alone);
    if (items !== undefined) return items;
  }
}

/** Undefined where nothing of it is left to be sent. What of it does not travel now goes on waiting. */
export async function loadBatch(state: DeliveryState, batch: Batch, alone: boolean): Promise<Loaded | undefined> {
  const begun = batch.sent > 0 || isSearched(batch);
  const split = alone && batch.ids.length > 1 && !begun;
  const taken = split ? createBatch(batch.ids.slice(0, 1)) : batch;
  const rest = split ? [{ ...batch, ids: batch.ids.slice(1), pieces: [] }] : [];
  if (!begun) taken.cutoff = ageCutoff(state);
  const items = await prepare(state, await read(state, taken.ids), taken.cutoff);
  state.waiting = state.waiting.filter((other) => other !== batch);
  putBack(state, rest);
  return items.length === 0 ? undefined : { batch: taken, items };
}

async function read(state: DeliveryState, ids: readonly number[]): Promise<QueuedDelivery[]> {
  const { store, destination } = state.context;
  const wanted = new Set(ids);
  const last = ids.at(-1) ?? 0;
  const found: QueuedDelivery[] = [];
  for (let after = (ids[0] ?? 0) - 1; after < last; ) {
    const rows = await store.queued(destination.name, destination.encoding, after, destination.maxRequestBytes);
    found.push(...rows.filter((row) => wanted.has(row.id)));
    after = rows.at(-1)?.id ?? last;
  }
  return found;
}

async function fromStore(state: DeliveryState, alone: boolean): Promise<Loaded | undefined> {
  const { store, destination } = state.context;
  for (;;) {
    const rows = await store.queued(destination.name, destination.encoding, state.position, destination.maxRequestBytes);
    if (rows.length === 0) return undefined;
    const cutoff = ageCutoff(state);
    const prepared = await prepare(state, rows, cutoff);
    const items = pack(prepared, destination.encoding, destination.maxRequestBytes, alone ? 1 : MAX_ITEMS);
    state.position = (items.at(-1) ?? rows.at(-1))?.id ?? state.position;
    if (items.length > 0)
      return {
        batch: createBatch(
          items.map((item) => item.id),
          { cutoff },
        ),
        items,
      };
  }
}

/** Spans that ended before are too old for the destination; undefined where none is. */
function ageCutoff({ context: { maxSpanAge, now } }: DeliveryState): Millis | undefined {
  return maxSpanAge === undefined ? undefined : now() - maxSpanAge;
}

/** In the destination's encoding, and without what it does not take. */
async function prepare(state: DeliveryState, rows: readonly QueuedDelivery[], cutoff: Millis | undefined): Promise<Outgoing[]> {
  const { tooOld, destination, store, now, log } = state.context;
  const { encoding } = destination;
  const items = rows.map((row) => (row.encoding === encoding ? row : inEncoding(row, encoding)));
  if (cutoff === undefined) return items.map((item) => ({ ...item, skippedSpans: 0 }));
  const kept: Outgoing[] = [];
  const excluded: Settlement[] = [];
  for (const item of items) {
    const aged = ageLimit(item, cutoff, tooOld, encoding);
    if (aged.kind === "send") kept.push({ ...aged.item, skippedSpans: aged.skippedSpans });
    else excluded.push({ id: item.id, outcome: "excluded", reason: "too_old", spans: item.spans, bytes: item.bytes });
  }
  if (excluded.length > 0) {
    await store.settle(destination.name, excluded, now());
    log.warn({ destination: destination.name, runs: excluded.length }, "not sent: older than the destination accepts");
  }
  return kept;
}

/** The destination's encoding was changed while this was queued. */
function inEncoding(row: QueuedDelivery, encoding: QueuedDelivery["encoding"]): QueuedDelivery {
  const chunks = row.chunks.map((chunk) => ({ ...chunk, bytes: transcode(chunk.bytes, row.encoding, encoding) }));
  return { ...row, encoding, chunks, bytes: chunks.reduce((sum, chunk) => sum + chunk.bytes.length, 0) };
}
