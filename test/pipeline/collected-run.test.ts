import { expect, test } from "vitest";
import type { WorkflowRun } from "../../src/model/run.ts";
import { collectedRun } from "../../src/pipeline/collected-run.ts";
import { traceId } from "../../src/trace/ids.ts";
import { mapRun } from "../../src/trace/map-run.ts";
import { ownPlacement } from "../../src/trace/placement.ts";
import { aRun, at, error, group, next, settingsWith, step, T0 } from "../support/run-builder.ts";

const settings = settingsWith({}, { workflows: [{ match: { url: "*" }, set: { step_names: [{ match: "ship-*", name: "ship" }] } }] });

const observed = (run: WorkflowRun) => collectedRun("eu", run, mapRun(run, ownPlacement(run, settings), settings), at(9_000));

test("a run is told of as its trace has it", () => {
  expect(observed(aRun(5_000, [group(step("Run", "pay", 2_000))]))).toMatchObject({
    source: "eu",
    key: { id: "wfr_order", createdAt: T0 },
    traceId: traceId("wfr_order", T0),
    workflow: "/api/orders",
    outcome: "success",
    start: T0,
    end: at(5_000),
    collectedAt: at(9_000),
    redacted: 0,
    adjusted: 0,
  });
});

test("steps have as few names as the program has: rules first, then ids replaced", () => {
  const names = ["charge-1234567", "user 3f2504e0-4f89-11d3-9a0c-0305e82c3301", "ship-9", "v2"];
  const run = aRun(
    5_000,
    names.map((name, index) => group(step("Run", name, 1_000 * (index + 1)))),
  );
  expect(observed(run)?.steps.map(({ name }) => name)).toEqual(["charge-{id}", "user {id}", "ship", "v2"]);
});

test("a step's outcome is its span's: an error is failed, though the log may say success", () => {
  const steps = [
    step("Run", "a", 1_000),
    step("Run", "b", 1_000, { state: "STEP_CANCELED" }),
    step("Call", "c", 1_000, { call: { url: "https://a.example/", responseStatus: 503 } }),
    step("Run", "d", 1_000, { state: "SOMETHING_NEW" }),
  ];
  const outcomes = observed(aRun(5_000, [group(...steps)]))?.steps.map(({ name, type, outcome }) => [name, type, outcome]);
  expect(outcomes).toEqual([
    ["a", "Run", "success"],
    ["b", "Run", "canceled"],
    ["c", "Call", "failed"],
    ["d", "Run", "other"],
  ]);
});

test("a delivery that failed is a step without a type", () => {
  const run = aRun(5_000, [next({ name: "pay", errors: [error(4_000, 500)] })], { state: "RUN_FAILED" });
  const told = observed(run);
  expect(told?.outcome).toBe("failed");
  expect(told?.steps).toEqual([{ name: "pay", type: "delivery", outcome: "failed", duration: expect.any(Number) }]);
});

test.each(["constructor", "__proto__", "RUN_PAUSED", ""])("a run in the unknown state %j has the outcome other", (state) => {
  expect(observed(aRun(5_000, [], { state }))?.outcome).toBe("other");
});

test("secrets that were removed and times that had to move are counted; nothing of them is told", () => {
  const call = { url: "https://a.example/?token=canary", responseStatus: 200 };
  const run = aRun(5_000, [group(step("Call", "ask", 2_000, { call })), group(step("Run", "late", 7_000))], {
    oddities: ["steps:dropped"],
  });
  const told = observed(run);
  expect(told).toMatchObject({ redacted: 1, oddities: ["steps:dropped"] });
  expect(told?.adjusted).toBeGreaterThan(0);
  expect(JSON.stringify(told)).not.toContain("canary");
});
