import type { Encoding, Outcome } from "../destinations/destination.ts";
import { splitChunk } from "../otlp/encode.ts";
import type { RefusedPiece, StoredChunk } from "../state/store.ts";
import { bodyOf, spansOf } from "./batch.ts";

/**
 * Finds what exactly a destination refuses of one request of a lone run: halves of chunks, then halves of one
 * chunk's spans. What is left to be tried is a list of positions, so it outlives any interruption.
 */
export interface Piece {
  /** Where it is given: spans of this chunk; else chunks of the request. */
  readonly chunk?: number;
  readonly from: number;
  readonly to: number;
  /** What it is a half of was not refused, but failed too often: one more failure of it counts as a refusal. */
  readonly suspect: boolean;
}

/** The spans of a chunk, each as a chunk of its own. Remembers the last one: a search stays within it for a while. */
export type SplitSpans = (chunk: StoredChunk) => readonly StoredChunk[];

export function spanSplitter(encoding: Encoding): SplitSpans {
  let last: { readonly chunk: StoredChunk; readonly spans: readonly StoredChunk[] } | undefined;
  return (chunk) => {
    if (last?.chunk !== chunk) last = { chunk, spans: splitChunk(chunk.bytes, encoding) };
    return last.spans;
  };
}

export function wholeOf(request: readonly StoredChunk[]): Piece {
  return { from: 0, to: request.length, suspect: false };
}

/** What is sent of it. */
export function chunksOf(request: readonly StoredChunk[], { chunk, from, to }: Piece, split: SplitSpans): readonly StoredChunk[] {
  return partsOf(request, chunk, split).slice(from, to);
}

/** None where it is one span. */
export function halvesOfPiece(request: readonly StoredChunk[], piece: Piece, split: SplitSpans, suspect: boolean): Piece[] {
  const { chunk, from, to } = piece;
  if (to - from > 1) {
    const middle = Math.ceil((from + to) / 2);
    return [
      { ...piece, to: middle, suspect },
      { ...piece, from: middle, suspect },
    ];
  }
  if (chunk !== undefined) return [];
  return halvesOfPiece(request, { chunk: from, from: 0, to: partsOf(request, from, split).length, suspect }, split, suspect);
}

function partsOf(request: readonly StoredChunk[], index: number | undefined, split: SplitSpans): readonly StoredChunk[] {
  if (index === undefined) return request;
  const chunk = request[index];
  return chunk === undefined ? [] : split(chunk);
}

/** One quarantine entry for what was refused together. */
export function refusedPiece(
  chunks: readonly StoredChunk[],
  encoding: Encoding,
  outcome: Exclude<Outcome, { kind: "delivered" | "misconfigured" }>,
): RefusedPiece {
  const base = { encoding, bytes: bodyOf(chunks, encoding), spans: spansOf(chunks) };
  if (outcome.kind === "partial") return { reason: "partial", message: outcome.message, ...base };
  const status = outcome.status === undefined ? {} : { status: outcome.status };
  if (outcome.kind === "retry") return { reason: "server_error", message: outcome.reason, ...base, ...status };
  return { reason: outcome.status === 413 ? "too_large" : "refused", message: outcome.message, ...base, ...status };
}
