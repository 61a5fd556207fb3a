import { afterEach, expect, test, vi } from "vitest";
import { type Backfilled, backfillText, createProgress } from "../../src/commands/backfill-text.ts";
import type { BackfillArgs, SourceBackfill } from "../../src/pipeline/backfill.ts";
import { NO_COUNTS } from "../../src/pipeline/backfill-page.ts";
import { commandIo } from "../support/command-io.ts";

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
const text = (over: Partial<Backfilled>) => backfillText({ sources: [source], left: 0, quarantined: 0, refused: new Map(), ...over }, args);

afterEach(() => {
  vi.useRealTimers();
});

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

test("the rate is shown once it says something, and is of this process alone", () => {
  vi.useFakeTimers({ toFake: ["performance"] });
  const { line } = createProgress(commandIo({ cwd: "/" }).io);
  const at = (took: number, requests: number, runs: number) =>
    line([{ ...source, left: [{ from: 501, to: 1_000 }], took, requests, counts: { ...NO_COUNTS, runs } }]);
  expect(at(100, 1_003, 500)).toBe("50 % · 500 runs · 0 spans · 1003 requests");
  expect(at(4_000, 1_030, 600)).toBeUndefined();
  vi.advanceTimersByTime(5_000);
  expect(at(5_100, 1_043, 600)).toBe("50 % · 600 runs · 0 spans · 1043 requests (8.0/s of 10.0) · 20 runs/s");
});
