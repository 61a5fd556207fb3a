import { expect, test } from "vitest";
import type { WorkflowRun } from "../../src/model/run.ts";
import { invokeSpanId, traceId } from "../../src/trace/ids.ts";
import { placeAll } from "../../src/trace/place-all.ts";
import { aRun, at, settingsWith } from "../support/run-builder.ts";

const runBy = (id: string, createdAt: number, invoker: { id: string; createdAt: number }): WorkflowRun =>
  aRun(60_000, [], { id, createdAt: at(createdAt), invoker: { id: invoker.id, createdAt: at(invoker.createdAt) } });

/** A was invoked by C, that by B, and that by A; under B hangs one more. */
const a = runBy("a", 5, { id: "c", createdAt: 5 });
const b = runBy("b", 5, { id: "a", createdAt: 5 });
const c = runBy("c", 5, { id: "b", createdAt: 5 });
const below = runBy("below", 1, { id: "b", createdAt: 5 });

const orders = [
  [a, b, c, below],
  [c, b, a, below],
  [below, b, c, a],
  [b, below, a, c],
];

test.each(orders)("runs that invoke each other in a circle lie below the same root, whichever is asked for first", (...runs) => {
  const placementOf = placeAll(runs, settingsWith());
  const placed = new Map(runs.map((run) => [run.id, placementOf(run)]));
  const trace = traceId(a.id, a.createdAt);
  const link = { traceId: trace, spanId: invokeSpanId("c", c.createdAt, "a") };
  expect(placed.get("a")).toMatchObject({ traceId: trace, links: [link] });
  expect(placed.get("a")?.parentSpanId).toBeUndefined();
  expect(placed.get("b")).toMatchObject({ traceId: trace, parentSpanId: invokeSpanId("a", a.createdAt, "b"), links: [] });
  expect(placed.get("c")).toMatchObject({ traceId: trace, parentSpanId: invokeSpanId("b", b.createdAt, "c"), links: [] });
  expect(placed.get("below")).toMatchObject({ traceId: trace, parentSpanId: invokeSpanId("b", b.createdAt, "below"), links: [] });
});

test("the root of a circle is the run that was created first, whatever its id", () => {
  const late = runBy("a", 9, { id: "b", createdAt: 3 });
  const early = runBy("b", 3, { id: "a", createdAt: 9 });
  const placementOf = placeAll([late, early], settingsWith());
  expect([placementOf(late), placementOf(early)].map((one) => one.traceId)).toEqual(Array(2).fill(traceId("b", early.createdAt)));
  expect(placementOf(early).parentSpanId).toBeUndefined();
});

test("where invoked runs are to link, each of a circle links to the Invoke step in its invoker's own trace", () => {
  const placementOf = placeAll([a, b, c], settingsWith({ invoked_runs: "link" }));
  expect([a, b, c].map((run) => placementOf(run).links)).toMatchObject([
    [{ traceId: traceId("c", c.createdAt), spanId: invokeSpanId("c", c.createdAt, "a") }],
    [{ traceId: traceId("a", a.createdAt), spanId: invokeSpanId("a", a.createdAt, "b") }],
    [{ traceId: traceId("b", b.createdAt), spanId: invokeSpanId("b", b.createdAt, "c") }],
  ]);
});

test("a run that is said to have invoked itself is a root of its own", () => {
  const self = runBy("self", 5, { id: "self", createdAt: 5 });
  const placement = placeAll([self], settingsWith())(self);
  expect(placement).toMatchObject({ traceId: traceId("self", self.createdAt), links: [{ traceId: traceId("self", self.createdAt) }] });
  expect(placement.parentSpanId).toBeUndefined();
});
