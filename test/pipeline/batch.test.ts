import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Encoding } from "../../src/destinations/destination.ts";
import { readSpans } from "../../src/fake-upstash/otlp-spans.ts";
import { encodeRun } from "../../src/otlp/encode.ts";
import { backoff } from "../../src/pipeline/backoff.ts";
import { bodyOf, createBatch, halvesOf, pack, requestsOf } from "../../src/pipeline/batch.ts";
import { chunksOf, halvesOfPiece, type Piece, type SplitSpans, spanSplitter, wholeOf } from "../../src/pipeline/isolate.ts";
import type { QueuedDelivery, StoredChunk } from "../../src/state/store.ts";
import { mapRun } from "../../src/trace/map-run.ts";
import { ownPlacement } from "../../src/trace/placement.ts";
import "../support/property-seed.ts";
import { aRun, group, settingsWith, step, T0 } from "../support/run-builder.ts";

const chunk = (bytes: number, spans = 1): StoredChunk => ({ bytes: new Uint8Array(bytes), spans });
function delivery(id: number, chunks: readonly StoredChunk[]): QueuedDelivery {
  const bytes = chunks.reduce((sum, one) => sum + one.bytes.length, 0);
  const times = { firstEnd: T0, lastEnd: T0, queuedAt: T0 };
  return {
    id,
    encoding: "protobuf",
    source: "eu",
    key: { id: `r${id}`, createdAt: T0 },
    part: 0,
    chunks,
    bytes,
    spans: chunks.length,
    ...times,
  };
}

const deliveries = fc
  .array(fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 12 })
  .map((all) =>
    all.map((sizes, id) =>
      delivery(
        id,
        sizes.map((size) => chunk(size)),
      ),
    ),
  );

describe("requests", () => {
  test("packed from the front hold no more than allowed, unless one alone does, and nothing is skipped", () => {
    fc.assert(
      fc.property(deliveries, fc.integer({ min: 1, max: 1_000 }), fc.integer({ min: 1, max: 5 }), (queue, maxBytes, maxItems) => {
        const taken = pack(queue, "protobuf", maxBytes, maxItems);
        expect(taken).toEqual(queue.slice(0, taken.length));
        expect(taken.length).toBeGreaterThanOrEqual(1);
        expect(taken.length).toBeLessThanOrEqual(maxItems);
        if (taken.length > 1) expect(taken.reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThanOrEqual(maxBytes);
      }),
    );
  });

  test("of a batch hold every chunk once and in order; several deliveries are always one request", () => {
    fc.assert(
      fc.property(deliveries, fc.integer({ min: 1, max: 1_000 }), (queue, maxBytes) => {
        const requests = requestsOf(queue, "protobuf", maxBytes);
        expect(requests.flat()).toEqual(queue.flatMap(({ chunks }) => chunks));
        if (queue.length > 1) expect(requests).toHaveLength(1);
        else for (const chunks of requests) expect(chunks.length === 1 || bodyOf(chunks, "protobuf").length <= maxBytes).toBe(true);
      }),
    );
  });

  test("halves of a batch hold what it held", () => {
    expect(halvesOf(createBatch([1, 2, 3, 4, 5])).map(({ ids }) => ids)).toEqual([
      [1, 2, 3],
      [4, 5],
    ]);
  });
});

describe("taking a request apart", () => {
  const settings = settingsWith();
  const encoded = (encoding: Encoding, steps: number) => {
    const run = aRun(
      10,
      Array.from({ length: steps }, (_, n) => group({ ...step("Run", `step ${n}`, 10), id: n + 1 })),
    );
    return encodeRun(mapRun(run, ownPlacement(run, settings), settings), encoding, 2_048);
  };
  const leaves = (request: readonly StoredChunk[], piece: Piece, split: SplitSpans): Piece[] => {
    const halves = halvesOfPiece(request, piece, split, false);
    return halves.length === 0 ? [piece] : halves.flatMap((half) => leaves(request, half, split));
  };
  const spanIds = (chunks: readonly StoredChunk[], encoding: Encoding) =>
    readSpans(bodyOf(chunks, encoding), encoding).spans.map(({ spanId }) => spanId);

  test.each(["protobuf", "json"] as const)("%s: halves hold what was halved, in order, down to every single span", (encoding) => {
    const request = encoded(encoding, 30);
    const split = spanSplitter(encoding);
    expect(request.length).toBeGreaterThan(3);
    const whole = wholeOf(request);
    const all = spanIds(chunksOf(request, whole, split), encoding);
    const halves = halvesOfPiece(request, whole, split, false);
    expect(halves).toHaveLength(2);
    expect(halves.flatMap((half) => spanIds(chunksOf(request, half, split), encoding))).toEqual(all);
    expect(leaves(request, whole, split).map((leaf) => spanIds(chunksOf(request, leaf, split), encoding))).toEqual(all.map((id) => [id]));
  });
});

test("the back-off is in (0, min(cap, base · 2^attempt)], whatever chance says", () => {
  fc.assert(
    fc.property(fc.nat(5_000), fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (attempt, random) => {
      const wait = backoff(attempt, random, 1_000, 300_000);
      expect(wait).toBeGreaterThan(0);
      expect(wait).toBeLessThanOrEqual(Math.min(300_000, 1_000 * 2 ** Math.min(attempt, 30)));
    }),
  );
});
