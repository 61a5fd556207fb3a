import { firstTraceId } from "../otlp/first-span.ts";
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
  const runs = items.filter(isRun);
  observer?.settled(destination.name, { outcome, delays: runs.map(({ lastEnd }) => Math.max(0, now() - lastEnd)) });
  state.delivered += outcome === "quarantined" ? 0 : runs.length;
  state.quarantined += pieces.length > 0 ? items.length : 0;
  logSettled(state, items, pieces, outcome, linksTo(state, items));
}

/** A failure function (part 1 and on) goes out beside its run or behind it: it is not another one. */
const isRun = ({ part }: Outgoing): boolean => part === 0;

/** Of one request; more of them say no more. */
const MAX_LINKS = 5;

/** Links to the traces, for the log. */
function linksTo({ context: { destination, log, traceUrl } }: DeliveryState, items: readonly Outgoing[]): readonly string[] {
  if (traceUrl === undefined || !log.isLevelEnabled("info")) return [];
  const traceIds = new Set<string>();
  for (const { chunks } of items) {
    if (traceIds.size === MAX_LINKS) break;
    const traceId = chunks[0] && firstTraceId(chunks[0].bytes, destination.encoding);
    if (traceId !== undefined) traceIds.add(traceId);
  }
  return [...traceIds].map(traceUrl);
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
  links: readonly string[],
) {
  for (const { key, spans } of items) {
    log.debug({ destination: destination.name, run: key.id, createdAt: key.createdAt, spans, outcome }, "run settled");
  }
  if (pieces.length === 0) {
    const runs = items.filter(isRun).length;
    const counted = { runs, ...(runs < items.length && { failureFunctions: items.length - runs }), spans: spansOf(items) };
    log.info({ destination: destination.name, ...counted, ...(links.length > 0 && { links }) }, "delivered");
    return;
  }
  const [{ reason, status, message } = { reason: "", message: "" }] = pieces as readonly Partial<RefusedPiece>[];
  const runs = [...new Set(items.map((item) => item.key.id))];
  log.warn({ destination: destination.name, runs, pieces: pieces.length, reason, status, message }, "quarantined");
}
