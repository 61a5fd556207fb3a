import { expect, test } from "vitest";
import type { MessageEvent } from "../../src/model/event.ts";
import type { WorkflowRun } from "../../src/model/run.ts";
import { partSpanId, stepSpanId } from "../../src/trace/ids.ts";
import { mapRun } from "../../src/trace/map-run.ts";
import { ownPlacement } from "../../src/trace/placement.ts";
import { event, info, init, message } from "../support/message-log.ts";
import { aRun, at, group, settingsWith, step, T0 } from "../support/run-builder.ts";

function map(run: WorkflowRun, events: readonly MessageEvent[], traces: object = {}) {
  const settings = settingsWith(traces);
  const { spans } = mapRun(run, ownPlacement(run, settings), settings, { events });
  return { spans, root: spans[0]!, named: (name: string) => spans.find((span) => span.name === name)! };
}

const run = aRun(9_000, [
  group(step("Run", "a", 100, { id: 1, messageId: "m1" })),
  group(step("Run", "b", 8_000, { id: 2, messageId: "m2" })),
]);
const retried = [
  ...init(),
  ...message(
    "m1",
    info("Run", "a", { id: 1 }),
    [100, "CREATED"],
    [3_100, "ACTIVE"],
    [3_200, "ERROR", { error: "503 busy, token=canary", responseStatus: 503 }],
    [3_200, "RETRY", { nextDeliveryTime: at(5_000) }],
    [7_000, "ACTIVE"],
    [8_003, "DELIVERED"],
  ),
  ...message("m2", info("Run", "b", { id: 2 }), [8_000, "CREATED"], [8_002, "ACTIVE"]),
  event(9_000, "RUN_SUCCESS"),
];

test("queued, attempt and backoff are children of their step, named and numbered, with ids of their own", () => {
  const { spans } = map(run, retried);
  const parent = stepSpanId("wfr_order", T0, 2);
  const parts = spans.filter((span) => span.role === "part");
  expect(parts.map((span) => [span.name, span.start - T0, span.end - T0])).toEqual([
    ["queued", 100, 3_100],
    ["attempt 1", 3_100, 3_200],
    ["backoff", 3_200, 5_000],
    ["queued", 5_000, 7_000],
    ["attempt 2", 7_000, 8_000],
  ]);
  expect(parts.map((span) => span.spanId)).toEqual([
    partSpanId("queued", "wfr_order", T0, 2, 1),
    partSpanId("attempt", "wfr_order", T0, 2, 1),
    partSpanId("backoff", "wfr_order", T0, 2, 1),
    partSpanId("queued", "wfr_order", T0, 2, 2),
    partSpanId("attempt", "wfr_order", T0, 2, 2),
  ]);
  for (const part of parts)
    expect(part).toMatchObject({ parentSpanId: parent, kind: "internal", attributes: { "upstash.workflow.time.source": "log" } });
  expect(spans.findIndex((span) => span.spanId === parent) + 1).toBe(spans.indexOf(parts[0]!));
});

test("an attempt that failed says so; step and run do not, for they recovered", () => {
  const { root, named } = map(run, retried);
  expect(named("attempt 1")).toMatchObject({
    status: { code: "error", message: expect.stringContaining("503 busy") },
    attributes: { "upstash.workflow.attempt.number": 1, "http.response.status_code": 503, "error.type": "503" },
  });
  expect(JSON.stringify(named("attempt 1"))).not.toContain("canary");
  expect(named("attempt 2")).toMatchObject({ status: { code: "unset" }, attributes: { "upstash.workflow.attempt.number": 2 } });
  expect([named("b").status, root.status]).toEqual([{ code: "unset" }, { code: "unset" }]);
  expect(named("b").events).toMatchObject([{ name: "upstash.workflow.attempt.failed", time: at(3_200) }]);
});

test("attempts, retried steps and the critical path are those that really were", () => {
  const { root, named } = map(run, retried);
  expect(named("b").attributes).toMatchObject({ "upstash.workflow.step.attempts": 2 });
  expect(named("a").attributes).toMatchObject({ "upstash.workflow.step.attempts": 1 });
  expect(root.attributes).toMatchObject({
    "upstash.workflow.run.steps.retried": 1,
    "upstash.workflow.critical_path.run.duration": 0.098 + 0.1,
    "upstash.workflow.critical_path.retry.duration": 4.8,
    "upstash.workflow.critical_path.unknown.duration": 0.002 + 3 + 1,
  });
});

test("min_queue is what the user says", () => {
  const queued = [
    ...init(),
    ...message("m1", info("Run", "a", { id: 1 }), [100, "CREATED"], [3_100, "ACTIVE"]),
    ...message("m2", info("Run", "b", { id: 2 }), [8_000, "CREATED"]),
  ];
  expect(map(run, queued).named("queued")).toMatchObject({ start: at(100), end: at(3_100) });
  const { spans, named } = map(run, queued, { min_queue: "3s" });
  expect(spans.filter((span) => span.role === "part")).toEqual([]);
  expect(named("b").start).toBe(at(3_100));
});

test("a call's last answer is its result: its last attempt is an error where the call is", () => {
  const call = aRun(9_000, [group(step("Call", "pay", 900, { id: 1, messageId: "m1", call: { responseStatus: 404 } }))]);
  const request = message(
    "out",
    info("Call", "pay", { id: 1, callType: "toCallback" }),
    [5, "CREATED"],
    [6, "ACTIVE"],
    [50, "DELIVERED"],
    [90, "ACTIVE"],
    [890, "DELIVERED"],
  );
  const { named } = map(call, [...init(), ...request]);
  expect(named("attempt 1")).toMatchObject({ status: { code: "error" }, attributes: { "error.type": "_OTHER" } });
  expect(named("attempt 2")).toMatchObject({ status: { code: "error" }, attributes: { "error.type": "404" } });
  expect(named("pay")).toMatchObject({ kind: "client", attributes: { "upstash.workflow.step.attempts": 2 } });
});

test("a delivery that is no step's has a span and parts of its own, counts as no step, and is charged to the path", () => {
  const sleep = aRun(9_000, [group(step("SleepUntil", "nap", 5_000, { id: 1, messageId: "m1", sleepUntil: at(8_900) }))]);
  const log = [
    ...init([1, "CREATED"], [2, "ACTIVE"], [1_002, "ERROR"], [4_000, "ACTIVE"], [5_002, "DELIVERED"]),
    ...message("m1", info("SleepUntil", "nap", { id: 1 }), [5_000, "CREATED", { nextDeliveryTime: at(8_900) }], [8_900, "ACTIVE"]),
    event(9_000, "RUN_SUCCESS"),
  ];
  const { root, spans, named } = map(sleep, log);
  expect(named("delivery")).toMatchObject({
    role: "delivery",
    start: at(2),
    end: at(5_000),
    spanId: stepSpanId("wfr_order", T0, "1.0.request"),
    attributes: {
      "upstash.workflow.step.attempts": 2,
      "upstash.workflow.step.message.id": "msg_initial",
      "upstash.workflow.time.source": "log",
    },
    events: [{ name: "upstash.workflow.attempt.failed" }],
  });
  expect(spans.filter((span) => span.parentSpanId === named("delivery").spanId).map(({ name }) => name)).toEqual([
    "attempt 1",
    "backoff",
    "attempt 2",
  ]);
  expect(root.attributes).toMatchObject({
    "upstash.workflow.run.steps.total": 1,
    "upstash.workflow.critical_path.run.duration": 1,
    "upstash.workflow.critical_path.retry.duration": 3.998,
    "upstash.workflow.critical_path.sleep.duration": 3.9,
  });
});

test("a delivery of a sibling that nothing waited for is not on the critical path", () => {
  const siblings = aRun(6_000, [
    group(step("Run", "long", 5_000, { id: 1, messageId: "r1" }), step("Call", "quick", 2_600, { id: 2, messageId: "r2" })),
  ]);
  const about = (callType: string) => info("Call", "quick", { id: 2, concurrent: 2, callType });
  const { root, named } = map(siblings, [
    ...init(),
    ...message("p1", info("Run", "long", { concurrent: 2 }), [10, "CREATED"], [11, "ACTIVE"], [5_001, "DELIVERED"]),
    ...message("p2", info("Call", "quick", { concurrent: 2 }), [10, "CREATED"], [10, "ACTIVE"], [900, "ERROR"], [1_900, "ACTIVE"]),
    ...message("out", about("toCallback"), [2_000, "CREATED"], [2_001, "ACTIVE"], [2_500, "DELIVERED"]),
    ...message("r1", info("Run", "long", { id: 1, concurrent: 2 }), [5_000, "CREATED"]),
    ...message("r2", about("step"), [2_600, "CREATED"]),
  ]);
  expect(named("delivery")).toMatchObject({ start: at(10), end: at(2_000) });
  expect(root.attributes).toMatchObject({
    "upstash.workflow.critical_path.run.duration": 4.989,
    "upstash.workflow.critical_path.retry.duration": 0,
  });
});

test("parts stay with their step where a run goes on in another trace, and an Invoke's parts have its step's key", () => {
  const steps = Array.from({ length: 8 }, (_, i) => group(step("Run", `s${i}`, 100 + i * 100, { id: i + 1, messageId: `m${i}` })));
  const log = steps.flatMap((_, i) =>
    message(
      `m${i}`,
      info("Run", `s${i}`, { id: i + 1 }),
      [100 + i * 100, "CREATED"],
      [101 + i * 100, "ACTIVE"],
      [120 + i * 100, "ERROR"],
      [150 + i * 100, "ACTIVE"],
    ),
  );
  const { spans } = map(aRun(1_000, steps), [...init(), ...log], { max_spans_per_trace: 10 });
  expect(new Set(spans.map((span) => span.traceId)).size).toBeGreaterThan(1);
  for (const part of spans.filter((span) => span.role === "part")) {
    expect(spans.find((span) => span.spanId === part.parentSpanId)?.traceId).toBe(part.traceId);
  }
});
