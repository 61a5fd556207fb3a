import type { RefusedPiece, Settlement } from "../state/store.ts";
import { type Outgoing, spansOf } from "./batch.ts";
import type { DeliveryState } from "./delivery-state.ts";

/**
 * Writes down what became of deliveries, all of them in one transaction.
 * @param pieces what was refused: of a lone delivery all of them are its own, of several the n-th is the n-th one's
 * @throws StoreError
 */
export async function settle(state: DeliveryState, items: readonly Outgoing[], pieces: readonly RefusedPiece[]): Promise<void> {
  const { store, destination, now, observer } = state.context;
  const outcome = outcomeOf(items, pieces);
  const settlements = items.map((item, index): Settlement => {
    const refused = items.length === 1 ? pieces : pieces.slice(index, index + 1);
    return {
      id: item.id,
      outcome,
      spans: Math.max(0, item.spans - spansOf(refused)),
      bytes: Math.max(0, item.bytes - refused.reduce((sum, piece) => sum + piece.bytes.length, 0)),
      ...(refused.length > 0 && { refused }),
      ...(item.skippedSpans > 0 && { skippedSpans: item.skippedSpans }),
    };
  });
  await store.settle(destination.name, settlements, now());
  observer?.settled(destination.name, { outcome, delays: items.map((item) => Math.max(0, now() - item.lastEnd)) });
  state.delivered += outcome === "quarantined" ? 0 : items.length;
  state.quarantined += pieces.length > 0 ? items.length : 0;
  logSettled(state, items, pieces, outcome);
}

/** Of a request that was accepted in part nobody knows which spans: its runs count as delivered in part. */
function outcomeOf(items: readonly Outgoing[], pieces: readonly RefusedPiece[]): "delivered" | "partial" | "quarantined" {
  if (pieces.length === 0) return "delivered";
  const nothing = spansOf(pieces) >= spansOf(items) && pieces.every((piece) => piece.reason !== "partial");
  return nothing ? "quarantined" : "partial";
}

function logSettled(
  { context: { log, destination } }: DeliveryState,
  items: readonly Outgoing[],
  pieces: readonly RefusedPiece[],
  outcome: string,
) {
  for (const { key, spans } of items) {
    log.debug({ destination: destination.name, run: key.id, createdAt: key.createdAt, spans, outcome }, "run settled");
  }
  if (pieces.length === 0) {
    log.info({ destination: destination.name, runs: items.length, spans: spansOf(items) }, "delivered");
    return;
  }
  const [{ reason, status, message } = { reason: "", message: "" }] = pieces as readonly Partial<RefusedPiece>[];
  const runs = items.map((item) => item.key.id);
  log.warn({ destination: destination.name, runs, pieces: pieces.length, reason, status, message }, "quarantined");
}
