import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Step, WorkflowRun } from "../../src/model/run.ts";
import { wakeUp, watchAbsent, watchAgain, watchFailure, watchOpen, watchWaiting } from "../../src/pipeline/watch.ts";
import type { Watch } from "../../src/state/store.ts";
import "../support/property-seed.ts";
import { aRun, group, step, T0 } from "../support/run-builder.ts";

const rules = { interval: 5_000, maxInterval: 300_000, feed: false };
const open = (...steps: Step[]): WorkflowRun => aRun(undefined, [group(...steps)], { state: "RUN_STARTED" });
const pending = (over: Partial<Step>) => step("SleepFor", "nap", 0, { state: "STEP_PROGRESS", ...over });
const MINUTE = 60_000;

describe("an open run", () => {
  test("is asked for soon at first, then less often, and at least every maxInterval", () => {
    let watch: Watch | undefined;
    const intervals: number[] = [];
    for (let now = T0, n = 0; n < 9; n += 1) {
      watch = watchOpen(open(), watch, now, rules);
      intervals.push(watch.dueAt - now);
      now = watch.dueAt;
    }
    expect(intervals).toEqual([5_000, 10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000, 300_000]);
  });

  test("that a listing shows before it is due is no less often asked for because of that", () => {
    const before = watchOpen(open(), undefined, T0, rules);
    expect(watchOpen(open(), before, T0 + 1_000, rules)).toEqual({ reason: "open", polls: 0, dueAt: T0 + 6_000 });
  });

  test.each([
    ["sleepUntil", { sleepUntil: T0 + MINUTE }],
    ["sleepFor", { sleepFor: { value: MINUTE, unit: "ms" } as const }],
    ["nextDeliveryTime", { nextDeliveryTime: T0 + MINUTE }],
    ["a wait's deadline", { wait: { deadline: T0 + MINUTE, timedOut: false } }],
  ])("is not asked for before its wake-up is known to come: %s", (_, over) => {
    expect(watchOpen(open(pending(over)), undefined, T0, rules).dueAt).toBe(T0 + MINUTE);
  });

  test("wakes with the earliest of its parallel steps; one that may end any moment wakes it at once", () => {
    const far = pending({ sleepUntil: T0 + 10 * MINUTE });
    expect(wakeUp(open(far, pending({ sleepUntil: T0 + MINUTE })))).toBe(T0 + MINUTE);
    expect(wakeUp(open(far, step("Call", "call", 0, { state: "STEP_PROGRESS" })))).toBeUndefined();
  });

  test("is left to a trusted feed but for a look once an hour", () => {
    expect(watchOpen(open(), undefined, T0, { ...rules, feed: true }).dueAt).toBe(T0 + 60 * MINUTE);
  });

  test("never comes due before now, nor later than maxInterval, whatever its steps say", () => {
    const time = fc.option(fc.integer({ min: -(2 ** 53), max: 2 ** 53 }), { nil: undefined });
    fc.assert(
      fc.property(time, time, fc.nat(60), (sleepUntil, nextDeliveryTime, polls) => {
        const hints = { ...(sleepUntil !== undefined && { sleepUntil }), ...(nextDeliveryTime !== undefined && { nextDeliveryTime }) };
        const { dueAt } = watchOpen(open(pending(hints)), { reason: "open", polls, dueAt: T0 }, T0, rules);
        expect(dueAt).toBeGreaterThan(T0);
        expect(dueAt).toBeLessThanOrEqual(T0 + rules.maxInterval);
      }),
    );
  });
});

describe("an ended run", () => {
  const failed = (failureFunction?: WorkflowRun["failureFunction"]) =>
    aRun(1_000, [], { state: "RUN_FAILED", ...(failureFunction && { failureFunction }) });

  test("without a failure function is looked at after 30 s and after 5 min, and then no more", () => {
    const first = watchFailure(failed(), undefined, T0, rules);
    const second = watchFailure(failed(), first, T0 + 30_000, rules);
    expect([first?.dueAt, second?.dueAt]).toEqual([T0 + 30_000, T0 + 30_000 + 5 * MINUTE]);
    expect(watchFailure(failed(), second, T0 + 30_000 + 5 * MINUTE, rules)).toBeUndefined();
  });

  test("is followed while its failure function is in progress, and let go when that has settled", () => {
    expect(watchFailure(failed({ state: "CALLBACK_INPROGRESS", errors: [] }), undefined, T0, rules)?.dueAt).toBe(T0 + 5_000);
    expect(watchFailure(failed({ state: "CALLBACK_FAIL", errors: [] }), undefined, T0, rules)).toBeUndefined();
    expect(watchFailure(failed({ state: "DELIVERED", errors: [] }), undefined, T0, rules)).toBeUndefined();
  });

  test("that succeeded is let go", () => {
    expect(watchFailure(aRun(1_000, []), undefined, T0, rules)).toBeUndefined();
  });
});

describe("an id that is not shown", () => {
  test("is gone after three answers over ten minutes, never sooner", () => {
    let watch: Watch = { reason: "open", polls: 0, dueAt: T0 };
    let now = T0;
    for (let answers = 1; ; answers += 1) {
      const next = watchAbsent(watch, now, rules);
      if (next === "gone") {
        expect(answers).toBeGreaterThanOrEqual(3);
        expect(now - T0).toBeGreaterThanOrEqual(10 * MINUTE);
        return;
      }
      watch = next;
      now = watch.dueAt;
    }
  });

  test("that is shown again starts from the beginning", () => {
    const absent = watchAbsent({ reason: "open", polls: 0, dueAt: T0 }, T0, rules);
    expect(absent).not.toBe("gone");
    expect(watchOpen(open(), absent as Watch, T0 + 300_000, rules).absent).toBeUndefined();
  });

  test("does not inherit what was counted of its ancestor's absence", () => {
    const waits: Watch = { reason: "ancestor", polls: 4, dueAt: T0, absent: { count: 9, since: T0 - 60 * MINUTE } };
    expect(watchAbsent(waits, T0, rules)).toMatchObject({ reason: "refetch", absent: { count: 1, since: T0 } });
  });
});

test("what waits does so ever longer, up to maxInterval", () => {
  const again = watchAgain({ reason: "verdict", polls: 3, dueAt: T0 }, T0, rules);
  expect(again).toEqual({ reason: "verdict", polls: 4, dueAt: T0 + 40_000 });
  expect(watchWaiting("ancestor", { reason: "ancestor", polls: 99, dueAt: T0 }, T0, rules).dueAt).toBe(T0 + 300_000);
});
