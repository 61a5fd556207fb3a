import type { Encoding, Outcome } from "../destinations/destination.ts";
import { splitChunk } from "../otlp/encode.ts";
import type { RefusedPiece, StoredChunk } from "../state/store.ts";
import { bodyOf } from "./batch.ts";

/**
 * Finds what exactly a destination refuses of one run: chunk by chunk, then span by span. What is accepted
 * on the way is delivered; what is refused alone is the result.
 */
export type Isolated =
  | { readonly kind: "isolated"; readonly refused: readonly RefusedPiece[]; readonly accepted: number }
  /** An answer that says nothing about the run: the search starts again later. */
  | { readonly kind: "interrupted"; readonly outcome: Extract<Outcome, { kind: "retry" | "misconfigured" }> };

/** @param send sends one whole request. @param suspect what to make of a `retry` whose fault may be the request's own. */
export async function isolate(
  chunks: readonly StoredChunk[],
  encoding: Encoding,
  send: (body: Uint8Array) => Promise<Outcome>,
  suspect: "interrupts" | "refuses",
): Promise<Isolated> {
  const outcome = await send(bodyOf(chunks, encoding));
  const spans = chunks.reduce((sum, chunk) => sum + chunk.spans, 0);
  if (outcome.kind === "delivered") return { kind: "isolated", refused: [], accepted: spans };
  if (outcome.kind === "misconfigured") return { kind: "interrupted", outcome };
  if (outcome.kind === "retry" && !(outcome.suspect && suspect === "refuses")) return { kind: "interrupted", outcome };
  if (outcome.kind === "partial" || spans <= 1)
    return { kind: "isolated", refused: [piece(chunks, encoding, spans, outcome)], accepted: 0 };
  let refused: readonly RefusedPiece[] = [];
  let accepted = 0;
  for (const half of halves(chunks, encoding)) {
    const found = await isolate(half, encoding, send, suspect);
    if (found.kind === "interrupted") return found;
    refused = [...refused, ...found.refused];
    accepted += found.accepted;
  }
  return { kind: "isolated", refused, accepted };
}

function halves(chunks: readonly StoredChunk[], encoding: Encoding): StoredChunk[][] {
  const first = chunks[0];
  const parts = chunks.length === 1 && first !== undefined ? splitChunk(first.bytes, encoding) : chunks;
  const middle = Math.ceil(parts.length / 2);
  return [parts.slice(0, middle), parts.slice(middle)].filter((half) => half.length > 0);
}

/** One quarantine entry for what was refused together. */
export function piece(
  chunks: readonly StoredChunk[],
  encoding: Encoding,
  spans: number,
  outcome: Exclude<Outcome, { kind: "delivered" | "misconfigured" }>,
): RefusedPiece {
  const bytes = bodyOf(chunks, encoding);
  if (outcome.kind === "partial") return { reason: "partial", message: outcome.message, encoding, bytes, spans };
  if (outcome.kind === "retry") {
    return {
      reason: "server_error",
      message: outcome.reason,
      encoding,
      bytes,
      spans,
      ...(outcome.status !== undefined && { status: outcome.status }),
    };
  }
  return {
    reason: outcome.status === 413 ? "too_large" : "refused",
    status: outcome.status,
    message: outcome.message,
    encoding,
    bytes,
    spans,
  };
}
