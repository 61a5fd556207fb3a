import type { Encoding } from "../destinations/destination.ts";
import { joinChunks, joinedSize } from "../otlp/encode.ts";
import type { QueuedDelivery, RefusedPiece, StoredChunk } from "../state/store.ts";

/** Deliveries that travel in one request; a run larger than a request travels alone, in several. */
export interface Batch {
  readonly items: readonly QueuedDelivery[];
  /** Requests of a lone item that are done, accepted or not, before one of them had to wait. */
  sent: number;
  /** What of it was refused so far. */
  readonly pieces: RefusedPiece[];
  /** Attempts that failed in a way that may be this batch's own fault. */
  failures: number;
  /** Attempts of any kind that are to be made again: sets the back-off. */
  attempts: number;
  /** Not before this, on the monotonic clock. */
  notBefore: number;
  /** How many requests of others had succeeded when this batch first failed. */
  othersSucceeded: number | undefined;
}

export function createBatch(items: readonly QueuedDelivery[]): Batch {
  return { items, sent: 0, pieces: [], failures: 0, attempts: 0, notBefore: 0, othersSucceeded: undefined };
}

/** As many deliveries from the front as one request holds; always at least one. */
export function pack(queue: readonly QueuedDelivery[], encoding: Encoding, maxBytes: number, maxItems: number): QueuedDelivery[] {
  const taken: QueuedDelivery[] = [];
  const sizes: number[] = [];
  for (const item of queue) {
    const next = item.chunks.map((chunk) => chunk.bytes.length);
    if (taken.length > 0 && (taken.length >= maxItems || joinedSize([...sizes, ...next], encoding) > maxBytes)) break;
    taken.push(item);
    sizes.push(...next);
  }
  return taken;
}

/** A batch as the chunks of each request: one request, but for a lone run that is larger than a request may be. */
export function requestsOf(batch: Batch, encoding: Encoding, maxBytes: number): StoredChunk[][] {
  const requests: StoredChunk[][] = [];
  let sizes: number[] = [];
  for (const chunk of batch.items.flatMap((item) => item.chunks)) {
    const last = requests.at(-1);
    if (last !== undefined && joinedSize([...sizes, chunk.bytes.length], encoding) <= maxBytes) {
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
