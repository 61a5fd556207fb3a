import type { CollectedPart, RunChange, Settlement, Store } from "../../src/state/store.ts";

/** Small pages and settlements for tests of the store. */

export const START = 1_736_340_463_061;

export const key = (id: string, createdAt = START) => ({ id, createdAt });

export function chunkOf(text: string, spans = 1) {
  return { bytes: new TextEncoder().encode(text), spans };
}

/** Part 0 in protobuf, for the destinations named. */
export function part(text: string, destinations: readonly string[], change: Partial<CollectedPart> = {}): CollectedPart {
  return {
    part: 0,
    payloads: [{ encoding: "protobuf", chunks: [chunkOf(text)] }],
    firstEnd: START + 10,
    lastEnd: START + 20,
    spans: 1,
    deliveries: destinations.map((destination) => ({ destination, encoding: "protobuf" })),
    ...change,
  };
}

/** A run that ended and is queued for `destinations`. */
export function done(id: string, destinations: readonly string[], change: Partial<RunChange> = {}): RunChange {
  return { key: key(id), phase: "done", endedAt: START + 100, placement: "own", parts: [part(`spans of ${id}`, destinations)], ...change };
}

export const delivered = (id: number): Settlement => ({ id, outcome: "delivered", spans: 1, bytes: 10 });

export function refused(id: number, bytes: string, outcome: "partial" | "quarantined" = "quarantined"): Settlement {
  const piece = {
    reason: "refused",
    status: 400,
    message: "bad span",
    encoding: "protobuf",
    bytes: new TextEncoder().encode(bytes),
    spans: 1,
  } as const;
  return { id, outcome, refused: [piece], spans: outcome === "partial" ? 1 : 0, bytes: 0 };
}

export async function queue(store: Store, destination: string, after = 0) {
  return store.queued(destination, "protobuf", after, 1_000_000);
}

export const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
