import { expect, test } from "vitest";
import type { WorkflowRun } from "../../src/model/run.ts";
import { criticalPath } from "../../src/trace/critical-path.ts";
import { timeline } from "../../src/trace/timeline.ts";
import { aRun, error, group, initial, next, step } from "../support/run-builder.ts";

function path(run: WorkflowRun) {
  const { steps, durations } = criticalPath(timeline(run));
  return {
    names: steps.flatMap((one) => one?.step.name ?? []),
    ...Object.fromEntries(Object.entries(durations).filter(([, length]) => length > 0)),
  };
}

test("of parallel siblings the one lies on it that the next group waited for", () => {
  const siblings = group(step("Run", "b", 300), step("Call", "c", 800), step("Wait", "d", 500));
  expect(path(aRun(1_000, [group(step("Run", "a", 100)), siblings, group(step("Run", "e", 950))]))).toEqual({
    names: ["a", "c", "e"],
    run: 98 + 150,
    call: 700,
    unknown: 2 + 50,
  });
});

test("of siblings that end together the first lies on it", () => {
  expect(path(aRun(400, [group(step("Run", "a", 300), step("Run", "b", 300))])).names).toEqual(["a"]);
});

test("each type is charged to its kind; types that this version does not know to none", () => {
  const types = ["Notify", "CreateWebhook", "WaitForWebhook", "Invoke", "SleepUntil", "Teleport", "constructor"];
  const groups = types.map((type, i) => group(step(type, type, (i + 1) * 1_000)));
  expect(path(aRun(7_000, groups))).toEqual({ names: types, run: 1_998, wait: 1_000, invoke: 1_000, sleep: 1_000, unknown: 2 + 2_000 });
});

test("what followed a first attempt that failed is retry", () => {
  const flaky = group(step("Call", "flaky", 5_000, { errors: [error(1_000, 500), error(2_000, 500)] }));
  expect(path(aRun(5_000, [flaky]))).toEqual({ names: ["flaky"], call: 998, retry: 4_000, unknown: 2 });
  const failed = next({ name: "d", errors: [error(3_000, 500)] });
  expect(path(aRun(3_000, [failed], { state: "RUN_FAILED" }))).toEqual({ names: ["d"], run: 2_998, unknown: 2 });
  const outside = group(step("Call", "odd", 500, { errors: [error(900, 500), error(undefined, 500)] }));
  expect(path(aRun(500, [outside]))).toEqual({ names: ["odd"], call: 498, unknown: 2 });
});

test("in a failed run nothing waited for the siblings of the step that failed", () => {
  const failed = step("Run", "failed", 5, { state: "STEP_FAILED", errors: [error(900, 500)] });
  const pending = step("Run", "pending", 5, { state: "STEP_CANCELED" });
  for (const members of [
    [failed, pending],
    [pending, failed],
  ]) {
    expect(path(aRun(1_000, [group(...members)], { state: "RUN_FAILED" }))).toEqual({ names: ["failed"], run: 898, unknown: 2 + 100 });
  }
});

test("start delay and a run without steps are unknown", () => {
  const held = aRun(9_000, [], {
    groups: [group(initial({ nextDeliveryTime: aRun(0, []).createdAt + 5_000 })), group(step("Run", "a", 9_000))],
  });
  expect(path(held)).toEqual({ names: ["a"], run: 4_000, unknown: 5_000 });
  expect(path(aRun(700, []))).toEqual({ names: [], unknown: 700 });
});
