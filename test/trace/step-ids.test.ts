import { expect, test } from "vitest";
import type { WorkflowRun } from "../../src/model/run.ts";
import { invokeSpanId, stepSpanId } from "../../src/trace/ids.ts";
import { stepIds } from "../../src/trace/step-ids.ts";
import { timeline } from "../../src/trace/timeline.ts";
import { aRun, group, step, T0 } from "../support/run-builder.ts";

const byKey = (key: number | string) => stepSpanId("wfr_order", T0, key);
const idsOf = (run: WorkflowRun) => [...stepIds(run, timeline(run).steps).values()].map(({ spanId }) => spanId);

test("the stepId is the key where no other step has it, else the position", () => {
  const run = aRun(1_000, [
    group(step("Run", "a", 1, { id: 1 })),
    group(step("Run", "a", 2, { id: 2 }), step("Run", "a", 3, { id: 2 }), step("Run", "a", 4)),
  ]);
  expect(idsOf(run)).toEqual([byKey(1), byKey("2.0"), byKey("2.1"), byKey("2.2")]);
});

test("an Invoke step has the id that the invoked run computes; of two that invoke one id, the first", () => {
  const invoke = (id: number, invoked: object | undefined) => group(step("Invoke", "i", 1, { id, ...(invoked && { invoked }) }));
  const run = aRun(1_000, [
    invoke(1, { id: "wfr_c" }),
    invoke(2, { id: "wfr_c" }),
    invoke(3, { id: "wfr_d" }),
    invoke(4, { id: "" }),
    invoke(5, undefined),
  ]);
  const invokeId = (id: string) => invokeSpanId("wfr_order", T0, id);
  expect(idsOf(run)).toEqual([invokeId("wfr_c"), byKey(2), invokeId("wfr_d"), byKey(4), byKey(5)]);
});

test("an Invoke carried over from the resumed run has no span, and leaves the id to the one that this run made", () => {
  const invoked = { id: "wfr_c" };
  const run = aRun(1_000, [group(step("Invoke", "old", -500, { id: 1, invoked })), group(step("Invoke", "new", 500, { id: 2, invoked }))]);
  expect(idsOf(run)).toEqual([invokeSpanId("wfr_order", T0, "wfr_c")]);
});
