import { Writable } from "node:stream";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createProgress } from "../../src/commands/progress-bar.ts";
import { NO_COUNTS } from "../../src/pipeline/backfill-counts.ts";
import type { SourceBackfill } from "../../src/pipeline/backfill-progress.ts";
import { commandIo } from "../support/command-io.ts";

const source: SourceBackfill = {
  source: "eu",
  range: { from: 0, to: 999 },
  left: [{ from: 500, to: 999 }],
  counts: NO_COUNTS,
  requests: 0,
  allowed: 10,
  took: 0,
  complete: false,
};
/** The same with so many requests and runs after so long. */
const after = (took: number, requests: number, runs: number, left = 500): SourceBackfill => ({
  ...source,
  left: left === 0 ? [] : [{ from: 1_000 - left, to: 999 }],
  took,
  requests,
  counts: { ...NO_COUNTS, runs, spans: 2 * runs },
});

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** A terminal; `frames()` gives what was drawn over itself, and lines with their ends. */
function terminal(columns: number | undefined) {
  const written: string[] = [];
  const stderr = Object.assign(
    new Writable({
      write(chunk, _encoding, done) {
        written.push(String(chunk));
        done();
      },
    }),
    { isTTY: true, columns },
  );
  return { stderr, frames: () => written.join("").split("\r\u001b[K").slice(1) };
}

function draw(columns: number | undefined): string[] {
  const { stderr, frames } = terminal(columns);
  const progress = createProgress({ stderr, env: {} });
  progress.show([after(0, 0, 0, 1_000)]);
  vi.advanceTimersByTime(1_000);
  progress.show([after(8_000, 1_126, 30_741, 500)]);
  progress.end([after(17_000, 2_250, 61_555, 0)]);
  return frames();
}

test("the rate is shown once it says something, and is of this process alone", () => {
  const { line } = createProgress(commandIo({ cwd: "/" }).io);
  expect(line([after(100, 1_003, 500)])).toBe("50 % · 500 runs · 1000 spans · 1003 requests");
  expect(line([after(4_000, 1_030, 600)])).toBeUndefined();
  vi.advanceTimersByTime(5_000);
  expect(line([after(5_100, 1_043, 600)])).toBe("50 % · 600 runs · 1200 spans · 1043 requests (8.0/s of 10.0) · 20 runs/s");
});

test("on a terminal that is wide enough the bar has everything beside it, and is full in the end", () => {
  expect(draw(140)).toEqual([
    `${"░".repeat(24)} 0 % · 0 runs · 0 spans · 0 requests`,
    `${"█".repeat(12)}${"░".repeat(12)} 50 % · 30741 runs · 61482 spans · 1126 requests (140.8/s of 10.0) · 3843 runs/s · about 8s left`,
    `${"█".repeat(24)} 100 % · 61555 runs · 123110 spans · 2250 requests (132.4/s of 10.0) · 3621 runs/s\n`,
  ]);
});

test.each([120, 80, 60, 40, 20, 5, 1])("%i columns: no line is wider than the terminal less one, so that none wraps", (columns) => {
  const widths = draw(columns).map((frame) => frame.trimEnd().length);
  expect(widths.filter((width) => width >= columns)).toEqual([]);
});

test("what matters least goes first: of 80 columns the budget, then the spans", () => {
  expect(draw(80)[1]).toBe(`${"█".repeat(8)}${"░".repeat(7)} 50 % · 30741 runs · 1126 requests · 3843 runs/s · about 8s left`);
  expect(draw(undefined)).toEqual(draw(80));
  expect(draw(20)[1]).toMatch(/^\S+ 50 %$/);
});

test("an API that gives no answer is told once with its reason, and once when it answers again", () => {
  const silent = { ...source, stalled: "HTTP 503\u001b[2J" };
  const { line } = createProgress(commandIo({ cwd: "/" }).io);
  expect(line([source])).toContain("50 %");
  const said = line([silent]);
  expect(said).toMatch(/^source eu: the API gives no answer \(HTTP 503.*\); it is asked again for up to 10m$/);
  expect(said).not.toContain("\u001b");
  expect(line([silent])).toBeUndefined();
  expect(line([source])).toBe("source eu: the API answers again");
  expect(line([source])).toBeUndefined();
});

test("on a terminal such a word stands above the bar", () => {
  const { stderr, frames } = terminal(80);
  const { show } = createProgress({ stderr, env: {} });
  show([source]);
  show([{ ...source, stalled: "HTTP 503" }]);
  expect(frames().map((frame) => frame.replace(/^[█░]+/, "bar"))).toEqual([
    "bar 50 % · 0 runs · 0 spans · 0 requests",
    "source eu: the API gives no answer (HTTP 503); it is asked again for up to 10m\n",
    "bar 50 % · 0 runs · 0 spans · 0 requests",
  ]);
});
