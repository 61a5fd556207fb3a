import { expect, test } from "vitest";
import { type Backfilled, backfillText } from "../../src/commands/backfill-text.ts";
import type { BackfillArgs } from "../../src/pipeline/backfill.ts";
import { NO_COUNTS } from "../../src/pipeline/backfill-counts.ts";
import type { SourceBackfill } from "../../src/pipeline/backfill-progress.ts";

const range = { from: 0, to: 1_000 };
const args = { ...range, dryRun: false } as BackfillArgs;
const source: SourceBackfill = {
  source: "eu",
  range,
  left: [],
  counts: { ...NO_COUNTS, runs: 6, queued: 6, spans: 38 },
  requests: 12,
  allowed: 10,
  took: 2_000,
  complete: true,
};
const text = (over: Partial<Backfilled>) =>
  backfillText({ sources: [source], left: 0, queuedBefore: 0, quarantined: 0, refused: new Map(), ...over }, args);

test("a run that was refused is not said to be sent, nor its spans to have arrived", () => {
  const said = text({ quarantined: 1, refused: new Map([["eu", 1]]) });
  expect(said).toContain("source eu: 6 runs: 5 sent, 1 quarantined\n  38 spans collected, 12 requests");
  expect(said).toContain("\n1 run of that time is quarantined: ");
  expect(said).toContain("not everything was delivered");
  expect(text({ quarantined: 2 })).toContain("6 runs: 6 sent\n");
  expect(text({ quarantined: 2 })).toContain("\n2 runs of that time are quarantined: ");
});

test("what may still be in a queue is not said to be sent", () => {
  expect(text({ left: 1 })).toContain("6 runs: 6 collected\n");
  expect(text({ left: 1 })).toContain("\n1 delivery is still queued\n");
  expect(text({ left: 2 })).toContain("\n2 deliveries are still queued\n");
});

test("a run that waits for another is not passed over: it is followed", () => {
  const waiting = (count: number) => text({ sources: [{ ...source, counts: { ...source.counts, queued: 6 - count, waiting: count } }] });
  expect(waiting(1)).toContain("6 runs: 5 sent, 1 waiting for another run\n");
  expect(waiting(1)).toMatch(/\n1 run waits for another; the bridge follows it \(wfotel run\)\n$/);
  expect(waiting(2)).toMatch(/\n2 runs wait for others; the bridge follows them \(wfotel run\)\n$/);
});

test("what an earlier command had queued is not said to be sent before", () => {
  const known = { ...source, counts: { ...source.counts, queued: 0, known: 6 } };
  expect(text({ sources: [known], queuedBefore: 6 })).toContain(
    "6 runs: 0 sent, 6 known before\n  38 spans collected, 12 requests in 2s\n6 deliveries of before, still queued at the start, are settled now\n",
  );
  expect(text({ queuedBefore: 1 })).toContain("\n1 delivery of before, still queued at the start, is settled now\n");
  expect(text({ queuedBefore: 6, left: 2 })).not.toContain("settled now");
});
