import { expect, test } from "vitest";
import type { WorkflowRun } from "../../src/model/run.ts";
import { createCounter, NO_COUNTS } from "../../src/pipeline/backfill-counts.ts";
import { aRun, T0 } from "../support/run-builder.ts";

const window = { from: T0, to: T0 + 9_999 };
const next = { from: T0 + 10_000, to: T0 + 19_999 };
const run = (id: string, over: Partial<WorkflowRun> = {}) =>
  aRun(1_000, [], { id, createdAt: T0 + 5_000, completedAt: T0 + 6_000, ...over });
const ids = (runs: readonly WorkflowRun[]) => runs.map(({ id }) => id);

test("what is counted of a window is none of the total until the window is finished", () => {
  const counter = createCounter("creation", { runs: 7, queued: 7 });
  counter.of(window).fresh([run("a"), run("b")]);
  counter.of(next).fresh([run("c", { createdAt: next.from })]);
  counter.of(window).add({ queued: 2, spans: 9 });
  expect(counter.total()).toEqual({ ...NO_COUNTS, runs: 7, queued: 7 });
  counter.finish([next]);
  expect(counter.total()).toEqual({ ...NO_COUNTS, runs: 9, queued: 9, spans: 9 });
  counter.finish([]);
  counter.finish([]);
  expect(counter.total()).toMatchObject({ runs: 10, queued: 9 });
});

test("a window whose older part was given away is the same one", () => {
  const counter = createCounter("creation");
  counter.of(window).fresh([run("a")]);
  const kept = { ...window, from: T0 + 4_000 };
  expect(ids(counter.of(kept).fresh([run("a"), run("b")]))).toEqual(["b"]);
  counter.finish([kept]);
  expect(counter.total().runs).toBe(0);
  counter.finish([]);
  expect(counter.total().runs).toBe(2);
});

test.each([undefined, "last-event"] as const)("where dates mean %s, a run that a second window shows is not dealt with again", (dates) => {
  const counter = createCounter(dates);
  const edge = run("edge", { completedAt: window.to });
  expect(ids(counter.of(window).fresh([edge]))).toEqual(["edge"]);
  counter.finish([]);
  expect(ids(counter.of(next).fresh([edge, run("late")]))).toEqual(["late"]);
  counter.finish([]);
  expect(counter.total().runs).toBe(2);
});

test("one that was running when it was met first, and has ended, is dealt with, and is still one run", () => {
  const counter = createCounter(undefined);
  const running = aRun(undefined, [], { id: "a", createdAt: T0 + 5_000, state: "RUN_STARTED" });
  expect(counter.of(window).fresh([running])).toHaveLength(1);
  expect(counter.of(next).fresh([running])).toHaveLength(0);
  counter.finish([next]);
  expect(counter.total()).toMatchObject({ runs: 1, running: 1 });
  expect(counter.of(next).fresh([run("a")])).toHaveLength(1);
  counter.finish([]);
  expect(counter.total()).toMatchObject({ runs: 1, running: 0 });
});
