import type { Encoding } from "../destinations/destination.ts";
import type { Millis } from "../model/run.ts";
import { joinChunks, splitChunk } from "../otlp/encode.ts";
import { spanEnd } from "../otlp/first-span.ts";
import type { QueuedDelivery, StoredChunk } from "../state/store.ts";
import { spansOf } from "./batch.ts";

/** What a destination that takes spans only up to an age gets of a run. Times are never shifted. */
export type Aged = { readonly kind: "send"; readonly item: QueuedDelivery; readonly skippedSpans: number } | { readonly kind: "exclude" };

/** @param cutoff spans that ended before this are too old */
export function ageLimit(item: QueuedDelivery, cutoff: Millis, tooOld: "send" | "skip_spans" | "skip_run", encoding: Encoding): Aged {
  if (tooOld === "send" || item.firstEnd >= cutoff) return { kind: "send", item, skippedSpans: 0 };
  if (tooOld === "skip_run" || item.lastEnd < cutoff) return { kind: "exclude" };
  const chunks = item.chunks.flatMap((chunk) => youngSpans(chunk, cutoff, encoding));
  const spans = spansOf(chunks);
  if (spans === 0) return { kind: "exclude" };
  return { kind: "send", item: { ...item, chunks, spans }, skippedSpans: item.spans - spans };
}

function youngSpans(chunk: StoredChunk, cutoff: Millis, encoding: Encoding): StoredChunk[] {
  const all = splitChunk(chunk.bytes, encoding);
  const young = all.filter((span) => spanEnd(span.bytes, encoding) >= cutoff);
  if (young.length === all.length) return [chunk];
  if (young.length === 0) return [];
  const bytes = joinChunks(
    young.map((span) => span.bytes),
    encoding,
  );
  return [{ bytes, spans: young.length }];
}
