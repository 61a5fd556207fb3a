import { describe, expect, test } from "vitest";
import type { WorkflowRun } from "../../src/model/run.ts";
import { forgetLimit } from "../../src/pipeline/maintain.ts";
import { learnedRetention, longestShown, waitRetention } from "../../src/pipeline/retention.ts";
import { aRun } from "../support/run-builder.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const NOW = Date.UTC(2026, 0, 1);

/** Created and ended so long ago. */
function ago(created: number, ended: number | undefined, state = "RUN_SUCCESS"): WorkflowRun {
  const { completedAt: _, ...run } = aRun(undefined, [], { createdAt: NOW - created, state });
  return ended === undefined ? run : { ...run, completedAt: NOW - ended };
}

test.each<[what: string, runs: WorkflowRun[], days: number | undefined]>([
  ["nothing that has ended", [], undefined],
  ["the oldest of what has ended, by its end", [ago(DAY, DAY - 1_000), ago(9 * DAY, 3 * DAY), ago(2 * DAY, 2 * DAY)], 3],
  ["a run that goes on, however old: it is kept as long as it runs", [ago(40 * DAY, undefined, "RUN_STARTED")], undefined],
  ["one that slept for long and has just ended", [ago(40 * DAY, HOUR)], undefined],
  ["one that does not say when it ended", [ago(40 * DAY, undefined, "RUN_CANCELED")], undefined],
  ["one from 1970, or in seconds: no plan keeps it so long", [ago(NOW, NOW - 1), ago(2 * DAY, 2 * DAY)], 2],
  ["one from 1970 that says it ended before it was created", [ago(2 * DAY, NOW)], 2],
  ["one from the future", [ago(-DAY, -2 * DAY)], undefined],
  ["a new account with one run of 20 s ago", [ago(20_000, 20_000)], undefined],
  ["less than the shortest plan keeps", [ago(DAY - 1, DAY - 1)], undefined],
  ["as much as the shortest plan keeps", [ago(DAY, DAY)], 1],
  ["as much as the longest plan keeps", [ago(92 * DAY, 92 * DAY)], 92],
])("what a sweep learns from %s", (_, runs, days) => {
  expect(learnedRetention(longestShown(runs, NOW))).toBe(days === undefined ? undefined : days * DAY);
});

test("the longest of a sweep is that of all of its pages", () => {
  const first = longestShown([ago(3 * DAY, 3 * DAY)], NOW);
  expect(longestShown([ago(2 * DAY, 2 * DAY)], NOW, first)).toBe(3 * DAY);
  expect(longestShown([ago(4 * DAY, 4 * DAY)], NOW, first)).toBe(4 * DAY);
});

test.each<[what: string, configured: number | undefined, learned: number | undefined, expected: number]>([
  ["as configured, whatever was learnt", 2 * DAY, 9 * DAY, 2 * DAY],
  ["as learnt: the API keeps it that long, at least", undefined, 9 * DAY, 9 * DAY],
  ["by the shortest plan while nothing is known", undefined, undefined, DAY],
])("a verdict is waited for %s", (_, configured, learned, expected) => {
  expect(waitRetention(configured, learned)).toBe(expected);
});

describe("identities are kept", () => {
  const sweptAt = NOW - 5 * HOUR;
  const state = { epoch: 0, watermark: NOW, sweep: { finishedAt: sweptAt, repaired: 0 } };

  test.each<[what: string, configured: number | undefined, learned: (number | undefined)[], from: number]>([
    ["as configured, whatever was learnt", 2 * DAY, [9 * DAY, 9 * DAY], NOW - 3 * DAY],
    ["as learnt and a day, counted from the sweep: what is shown now was shown then", undefined, [9 * DAY], sweptAt - 10 * DAY],
    ["as the newest sweep has learnt, where that is more", undefined, [9 * DAY, 3 * DAY], sweptAt - 10 * DAY],
    [
      "as the one before has learnt, lest one that was shown too little makes us send all the rest again",
      undefined,
      [2 * DAY, 7 * DAY],
      sweptAt - 8 * DAY,
    ],
    ["for a month while nothing is known", undefined, [], NOW - 31 * DAY],
    ["for a month where the newest sweep says nothing", undefined, [undefined, 7 * DAY], NOW - 31 * DAY],
  ])("%s", (_, configured, [learnedRetentionMs, previousRetentionMs], from) => {
    expect(forgetLimit({ retention: configured }, { ...state, learnedRetentionMs, previousRetentionMs }, NOW)).toBe(from);
  });
});
