import type { Encoding, Outcome } from "../destinations/destination.ts";
import { splitChunk } from "../otlp/encode.ts";
import type { RefusedPiece, StoredChunk } from "../state/store.ts";
import { bodyOf, spansOf } from "./batch.ts";

/**
 * Finds what exactly a destination refuses of one run: chunk by chunk, then span by span. What is accepted
 * on the way is delivered; what is refused alone is the result.
 */
export type Isolated =
  | { readonly kind: "isolated"; readonly refused: readonly RefusedPiece[]; readonly accepted: number }
  /** An answer that says nothing about the run: the search starts again later. */
  | { readonly kind: "interrupted"; readonly outcome: Extract<Outcome, { kind: "retry" | "misconfigured" }> };

export interface Search {
  readonly encoding: Encoding;
  /** Sends one whole request. */
  readonly send: (body: Uint8Array) => Promise<Outcome>;
  /** What to make of a `retry` whose fault may be the request's own. */
  readonly suspect: "interrupts" | "refuses";
}

/** @param known the answer to all of it, where that was sent just now */
export async function isolate(chunks: readonly StoredChunk[], search: Search, known?: Outcome): Promise<Isolated> {
  const { encoding, send, suspect } = search;
  const outcome = known ?? (await send(bodyOf(chunks, encoding)));
  if (outcome.kind === "delivered") return { kind: "isolated", refused: [], accepted: spansOf(chunks) };
  if (outcome.kind === "misconfigured") return { kind: "interrupted", outcome };
  if (outcome.kind === "retry" && !(outcome.suspect && suspect === "refuses")) return { kind: "interrupted", outcome };
  const parts = chunks.length === 1 ? splitChunk(bodyOf(chunks, encoding), encoding) : chunks;
  if (outcome.kind === "partial" || parts.length <= 1)
    return { kind: "isolated", refused: [piece(chunks, encoding, outcome)], accepted: 0 };
  const middle = Math.ceil(parts.length / 2);
  let refused: readonly RefusedPiece[] = [];
  let accepted = 0;
  for (const half of [parts.slice(0, middle), parts.slice(middle)]) {
    const found = await isolate(half, search);
    if (found.kind === "interrupted") return found;
    refused = [...refused, ...found.refused];
    accepted += found.accepted;
  }
  return { kind: "isolated", refused, accepted };
}

/** One quarantine entry for what was refused together. */
export function piece(
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
