import fc from "fast-check";
import { expect, test } from "vitest";
import {
  finishWindow,
  learnWidth,
  type Plan,
  planOf,
  RUNS_PER_WINDOW,
  remainingWindows,
  shareWindow,
  splitWindow,
  subtractWindows,
  takeWindow,
  totalWidth,
  type Window,
  widthOf,
} from "../../src/pipeline/windows.ts";

const window = fc.tuple(fc.nat(10_000), fc.nat(5_000)).map(([from, width]): Window => ({ from, to: from + width }));

/** Disjoint, oldest first, neighbours as one: a set of instants has one such form. */
function normal(windows: readonly Window[]): Window[] {
  return remainingWindows(planOf(windows, 1));
}

function isDisjoint(windows: readonly Window[]): boolean {
  const sorted = [...windows].sort((a, b) => a.from - b.from);
  return sorted.every((one, index) => one.from <= one.to && (index === 0 || one.from > (sorted[index - 1] as Window).to));
}

/** What may happen to a plan; numbers are taken modulo what there is. */
const event = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("take" as const), workers: fc.integer({ min: 1, max: 20 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("finish" as const), which: fc.nat(), runs: fc.nat(1_000) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("split" as const), which: fc.nat(), at: fc.nat(), runs: fc.nat(1_000) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("share" as const), which: fc.nat(), at: fc.nat() }) },
);

test("every instant is covered exactly once, whatever the density, and at any moment what is not finished is still to be done", () => {
  fc.assert(
    fc.property(fc.array(window, { maxLength: 4 }), fc.nat(5_000), fc.array(event, { maxLength: 60 }), (open, width, events) => {
      const all = normal(open);
      let plan = planOf(all, width);
      const finished: Window[] = [];
      for (const one of events) {
        plan = apply(plan, one, finished);
        expect(isDisjoint([...plan.open, ...plan.active, ...finished])).toBe(true);
        expect(normal([...remainingWindows(plan), ...finished])).toEqual(all);
      }
    }),
  );
});

function apply(plan: Plan, one: typeof event extends fc.Arbitrary<infer T> ? T : never, finished: Window[]): Plan {
  if (one.kind === "take") return takeWindow(plan, one.workers)?.plan ?? plan;
  const chosen = plan.active[one.which % Math.max(1, plan.active.length)];
  if (chosen === undefined) return plan;
  if (one.kind === "split") {
    if (widthOf(chosen) < 2) return plan;
    return splitWindow(plan, chosen, chosen.from + (one.at % (widthOf(chosen) - 1)), one.runs).plan;
  }
  if (one.kind === "share") {
    if (widthOf(chosen) < 2) return plan;
    return shareWindow(plan, chosen, chosen.from + 1 + (one.at % (widthOf(chosen) - 1))).plan;
  }
  finished.push(chosen);
  return finishWindow(learnWidth(plan, chosen, one.runs), chosen);
}

/** Lists a log of `density` runs per ms to its end, `workers` windows at a time; the windows in their order and how many runs each held. */
function listAll(range: Window, density: (window: Window) => number, workers: number): { windows: Window[]; runs: number[] } {
  let plan = planOf([range], widthOf(range) / 200);
  const windows: Window[] = [];
  const runs: number[] = [];
  for (let taken = takeWindow(plan, workers); taken !== undefined; taken = takeWindow(plan, workers)) {
    plan = taken.plan;
    windows.push(taken.window);
    runs.push(density(taken.window));
    const [oldest] = plan.active;
    if (plan.active.length === workers && oldest) plan = finishWindow(learnWidth(plan, oldest, density(oldest)), oldest);
  }
  return { windows, runs };
}

const WEEK = 7 * 86_400_000;

test("oldest first; as large as a window should be, smaller at the beginning and at the end so that nobody waits for another", () => {
  const { windows, runs } = listAll({ from: 0, to: WEEK }, (one) => Math.round((widthOf(one) / WEEK) * 50_000), 8);
  expect(windows).toEqual([...windows].sort((a, b) => a.from - b.from));
  expect(new Set(runs.slice(0, 8)).size).toBe(8);
  expect(runs.slice(20, -60).every((count) => count > 0.8 * RUNS_PER_WINDOW && count < 1.2 * RUNS_PER_WINDOW)).toBe(true);
  expect(runs.at(-2)).toBeLessThan(0.6 * RUNS_PER_WINDOW);
  const requests = runs.reduce((sum, count) => sum + Math.max(1, Math.ceil(count / 10)), 0);
  expect(requests).toBeLessThan(5_000 * 1.1);
});

test("windows merge while they are empty: a long silence costs few requests", () => {
  const busy = WEEK - 3_600_000;
  const { runs } = listAll({ from: 0, to: WEEK }, ({ from, to }) => Math.round(Math.max(0, to - Math.max(from, busy)) / 3_600), 8);
  expect(runs.filter((count) => count === 0).length).toBeLessThan(40);
});

test("what is left of a range that was done in part", () => {
  const done = fc.array(window, { maxLength: 5 });
  fc.assert(
    fc.property(window, done, (range, cuts) => {
      const left = subtractWindows([range], cuts);
      expect(isDisjoint(left)).toBe(true);
      expect(subtractWindows(left, cuts)).toEqual(left);
      const back = subtractWindows([range], left);
      expect(totalWidth(left) + totalWidth(back)).toBe(widthOf(range));
      expect(back.every((part) => subtractWindows([part], cuts).length === 0)).toBe(true);
    }),
  );
});

test("a window of which nothing can be cut off is taken whole", () => {
  expect(takeWindow(planOf([{ from: 5, to: 5 }], 1_000), 8)?.window).toEqual({ from: 5, to: 5 });
  expect(takeWindow(planOf([], 1_000), 8)).toBeUndefined();
  expect(planOf([{ from: 5, to: 4 }], 0)).toMatchObject({ open: [], width: 1 });
});
