import type { Encoding } from "../destinations/destination.ts";
import type { Millis } from "../model/run.ts";
import { joinChunks, joinedSize } from "../otlp/encode.ts";
import type { QueuedDelivery, RefusedPiece, StoredChunk } from "../state/store.ts";
import type { Piece } from "./isolate.ts";

/**
 * Deliveries that travel in one request; a run larger than a request travels alone, in several. While it
 * waits it is positions in the queue and nothing more: the bytes are read again for every attempt.
 */
export interface Batch {
  /** Positions in the queue, ascending. */
  readonly ids: readonly number[];
  /** Requests that are done, accepted or not, before one of them had to wait. */
  sent: number;
  /** Of the request after those: what is still to be tried of it, since it was refused. Empty: it is sent whole. */
  left: readonly Piece[];
  /** What of it was refused so far. */
  readonly pieces: RefusedPiece[];
  /** What counted as too old when its first request left: the others must be cut alike. */
  cutoff: Millis | undefined;
  /** A run that was refused by itself: when that happens again it is taken apart. */
  refused: boolean;
  /** Attempts that failed in a way that may be the own fault of what is sent next. */
  failures: number;
  /** Attempts of any kind that are to be made again: sets the back-off. */
  attempts: number;
  /** On the monotonic clock: when it was last tried, and not before when it is tried again. */
  triedAt: number;
  notBefore: number;
  /** How many requests had succeeded when this batch first failed. */
  othersSucceeded: number | undefined;
}

export function createBatch(ids: readonly number[], change: Partial<Batch> = {}): Batch {
  return {
    ids,
    sent: 0,
    left: [],
    pieces: [],
    cutoff: undefined,
    refused: false,
    failures: 0,
    attempts: 0,
    triedAt: 0,
    notBefore: 0,
    othersSucceeded: undefined,
    ...change,
  };
}

/** What has been tried of it is forgotten: its halves are tried by themselves. */
export function halvesOf({ ids }: Batch, change: Partial<Batch> = {}): Batch[] {
  const middle = Math.ceil(ids.length / 2);
  return [ids.slice(0, middle), ids.slice(middle)].map((half) => createBatch(half, change));
}

/** It may be its own fault that it is still here. */
export function isSuspect(batch: Batch): boolean {
  return batch.refused || batch.failures > 0 || isSearched(batch);
}

/** A lone run that is being taken apart. */
export function isSearched(batch: Batch): boolean {
  return batch.left.length > 0;
}

/** A delivery as it goes out now. */
export interface Outgoing extends QueuedDelivery {
  /** Spans left out because the destination does not take spans that old. */
  readonly skippedSpans: number;
}

/** As many deliveries from the front as one request holds; always at least one. */
export function pack<Item extends QueuedDelivery>(queue: readonly Item[], encoding: Encoding, maxBytes: number, maxItems: number): Item[] {
  const taken: Item[] = [];
  const sizes: number[] = [];
  for (const item of queue) {
    for (const { bytes } of item.chunks) sizes.push(bytes.length);
    if (taken.length > 0 && (taken.length >= maxItems || joinedSize(sizes, encoding) > maxBytes)) break;
    taken.push(item);
  }
  return taken;
}

/** The chunks of each request: one request, but for a lone run that is larger than a request may be. */
export function requestsOf(items: readonly QueuedDelivery[], encoding: Encoding, maxBytes: number): StoredChunk[][] {
  const requests: StoredChunk[][] = [];
  let sizes: number[] = [];
  for (const chunk of items.flatMap((item) => item.chunks)) {
    const last = requests.at(-1);
    const joined = last !== undefined && (items.length > 1 || joinedSize([...sizes, chunk.bytes.length], encoding) <= maxBytes);
    if (joined) {
      last.push(chunk);
      sizes.push(chunk.bytes.length);
    } else {
      requests.push([chunk]);
      sizes = [chunk.bytes.length];
    }
  }
  return requests;
}

export function bodyOf(chunks: readonly StoredChunk[], encoding: Encoding): Uint8Array {
  return joinChunks(
    chunks.map((chunk) => chunk.bytes),
    encoding,
  );
}

export function spansOf(parts: readonly { readonly spans: number }[]): number {
  return parts.reduce((sum, part) => sum + part.spans, 0);
}
