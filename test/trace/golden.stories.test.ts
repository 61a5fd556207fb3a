import { expect, test } from "vitest";
import type { Headers, WorkflowRun } from "../../src/model/run.ts";
import { mapFailureFunction } from "../../src/trace/map-failure.ts";
import { ownPlacement } from "../../src/trace/placement.ts";
import { waterfall } from "../../src/trace/waterfall.ts";
import { aRun, at, error, group, initial, next, settingsWith, step, T0 } from "../support/run-builder.ts";
import { CALLER_SPAN, CALLER_TRACE, caller, exported, golden, page, type Sections, story, traceparent } from "../support/story.ts";
import { told } from "../support/told-trace.ts";

/** Where runs lie and how their traces hang together. */

const invokes = (name: string, id: string, from: number, to: number) =>
  group(step("Invoke", name, to, { id: 1, invoked: { id, createdAt: at(from) } }));
const invokedBy = (id: string, createdAt: number) => ({ invoker: { id, createdAt: at(createdAt) } });
const line = (headers: Headers = {}) => [
  aRun(1_000, [], { id: "wfr_top", groups: [group(initial({ headers })), invokes("ask middle", "wfr_middle", 100, 950)] }),
  aRun(900, [invokes("ask leaf", "wfr_leaf", 200, 850)], { id: "wfr_middle", createdAt: at(100), ...invokedBy("wfr_top", 0) }),
  aRun(800, [group(step("Run", "work", 750, { id: 1 }))], { id: "wfr_leaf", createdAt: at(200), ...invokedBy("wfr_middle", 100) }),
];

test("three levels of invoked runs, nested and linked, also where the top joined its caller's trace", async () => {
  const nest = settingsWith();
  const link = settingsWith({ invoked_runs: "link" });
  const joining = (invoked_runs: string) => settingsWith({ invoked_runs, trace_context: "join" });
  const sections: Sections = [
    ["invoked_runs: nest", story(line(), nest)],
    ["invoked_runs: nest, the leaf exported first", story(line().reverse(), nest)],
    [
      "invoked_runs: nest, the middle gone",
      story(
        line().filter(({ id }) => id !== "wfr_middle"),
        nest,
        { runs: line() },
      ),
    ],
    ["invoked_runs: link", story(line(), link)],
    ["invoked_runs: nest, trace_context: join", story(line(caller), joining("nest"))],
    ["invoked_runs: link, trace_context: join", story(line(caller), joining("link"))],
  ];
  await expect(page(sections)).toMatchFileSnapshot(golden("invoked runs"));
});

test("a caller's trace: link, join and ignore, for every kind of header", async () => {
  const headers: Record<string, Headers> = {
    "a sampled caller with trace state": caller,
    "a caller that was not sampled": { traceparent: [traceparent("00")] },
    "a later version with more": { traceparent: [`01-${CALLER_TRACE}-${CALLER_SPAN}-01-more`] },
    "version 00 with more": { traceparent: [`${traceparent("01")}-more`] },
    "an all-zero trace id": { traceparent: [`00-${"0".repeat(32)}-${CALLER_SPAN}-01`] },
    "upper case": { traceparent: [traceparent("01").toUpperCase()] },
    "two of them": { traceparent: [traceparent("01"), traceparent("01")] },
    "two of them, in two cases": { traceparent: [traceparent("01")], Traceparent: [traceparent("01")] },
    "a sampled caller, trace state invalid": { traceparent: [traceparent("01")], tracestate: ["vendor=1,vendor=2"] },
  };
  const sections = Object.entries(headers).flatMap(([kind, sent]) =>
    ["link", "join", "ignore"].map((trace_context) => {
      const run = aRun(500, [], { groups: [group(initial({ headers: sent })), group(step("Run", "work", 400, { id: 1 }))] });
      return [`trace_context: ${trace_context}, ${kind}`, story([run], settingsWith({ trace_context }))] as const;
    }),
  );
  await expect(page(sections)).toMatchFileSnapshot(golden("callers trace"));
});

test("a failure function that settles after its run was sent: its span alone", async () => {
  const settings = settingsWith();
  const run = (state: string, over = {}) =>
    aRun(500, [next({ errors: [error(499, 500)] })], { state: "RUN_FAILED", failureFunction: { state, errors: [], ...over } });
  const answered = { responseStatus: 200, responseHeaders: { date: [new Date(at(4_000)).toUTCString()] } };
  const retried = [error(700, 503), error(2_500, undefined, "connection refused")];
  const runs: Record<string, [WorkflowRun, number?]> = {
    "CALLBACK_INPROGRESS: no span yet": [run("CALLBACK_INPROGRESS", { errors: retried })],
    "CALLBACK_SUCCESS at the third attempt": [run("CALLBACK_SUCCESS", { ...answered, errors: retried })],
    CALLBACK_FAIL: [run("CALLBACK_FAIL", { errors: retried, maxRetries: 1, dlqId: "dlq_f" })],
    "its second repetition, which succeeds": [run("CALLBACK_SUCCESS", answered), 2],
    CALLBACK_CANCELED: [run("CALLBACK_CANCELED")],
    "DELIVERED (early 2025)": [run("DELIVERED", answered)],
  };
  const sections = Object.entries(runs).map(([title, [one, n]]) => {
    const mapped = mapFailureFunction(one, ownPlacement(one, settings), settings, {}, n);
    return [title, told([mapped], { runs: [one], attributes: /failure|error|exception|attempt|http/ })] as const;
  });
  await expect(page(sections)).toMatchFileSnapshot(golden("failure function alone"));
});

test("a resumed run: what it carries over are events, it links to the run it resumes, and nothing counts twice", async () => {
  const charge = step("Run", "charge", 300, { id: 1, messageId: "msg_charge" });
  const begun = group(initial({ messageId: "msg_begun" }));
  const failed = aRun(1_000, [], {
    id: "wfr_failed",
    state: "RUN_FAILED",
    groups: [begun, group(charge), next({ name: "ship", errors: [error(990, 500)] })],
  });
  const resumed = aRun(9_000, [], {
    id: "wfr_resumed",
    createdAt: at(8_000),
    groups: [begun, group(charge), group(step("Run", "ship", 8_900, { id: 2, messageId: "msg_ship" }))],
  });
  const shown = /steps\.|resumed_from|step\.(name|type|message|created_at)|critical_path\.(run|unknown)/;
  const text = story([failed, resumed], settingsWith({ invoked_runs: "link" }), { attributes: shown });
  await expect(text).toMatchFileSnapshot(golden("resumed run"));
});

test("a wait and the notify that woke it: the later exported links to the other", async () => {
  const wait = { eventId: "order-7", deadline: at(60_010), duration: 60_000, timedOut: false };
  const waiting = aRun(1_000, [group(step("Wait", "approval", 900, { id: 1, wait }))], { id: "wfr_waiting" });
  const out = '{"eventId":"order-7","eventData":{"ok":true},"notifyResponse":[{"messageId":"msg_woken","error":""}]}';
  const notifying = aRun(920, [group(step("Notify", "approve", 880, { id: 1, out }))], { id: "wfr_notifying" });
  const capturing = settingsWith({ capture: { outputs: true } });
  const shown = { attributes: /event\.id|step\.output$/ };
  const sections: Sections = [
    ["the wait first", story([waiting, notifying], capturing, shown)],
    ["the notify first", story([notifying, waiting], capturing, shown)],
    ["outputs not captured", story([waiting, notifying], settingsWith(), shown)],
  ];
  await expect(page(sections)).toMatchFileSnapshot(golden("notify and wait"));
});

test("the critical path: which steps make up the run's duration, and how much of it each kind is", async () => {
  const pay = { url: "https://api.example.com/pay", method: "POST", responseStatus: 200 };
  const run = aRun(20_000, [
    group(step("Run", "prepare", 1_000, { id: 1 })),
    group(
      step("Run", "short branch", 1_500, { id: 2 }),
      step("Call", "long branch", 4_000, { id: 3, call: pay }),
      step("Run", "middle branch", 3_999, { id: 4 }),
    ),
    group(step("SleepFor", "cool down", 4_010, { id: 5, sleepFor: { value: 10, unit: "unknown" } })),
    group(step("Run", "flaky", 18_000, { id: 6, errors: [error(15_000, 500)] })),
    group(step("Wait", "approval", 19_500, { id: 7, wait: { eventId: "e", deadline: at(78_000), duration: 60_000, timedOut: false } })),
  ]);
  const mapped = exported([run], settingsWith());
  const text = told(mapped, { runs: [run], attributes: /critical/ });
  const drawn = waterfall(mapped, { color: false, width: 100 });
  await expect(
    page([
      ["show", drawn],
      ["spans", text],
    ]),
  ).toMatchFileSnapshot(golden("critical path"));
});

test("a run too large for one trace goes on in another, linked both ways; its Invoke steps stay", async () => {
  const steps = Array.from({ length: 14 }, (_, i) => {
    const invoked = i % 7 === 6 ? { invoked: { id: `wfr_child${i}` } } : {};
    return group(step(i % 7 === 6 ? "Invoke" : "Run", `step ${i + 1}`, (i + 1) * 1_000, { id: i + 1, ...invoked }));
  });
  const run = aRun(15_000, steps);
  const children = [6, 13].map((i) => ({ id: `wfr_child${i}`, createdAt: T0 }));
  const mapped = exported([run], settingsWith({ max_spans_per_trace: 10 }));
  await expect(told(mapped, { runs: [run, ...children] })).toMatchFileSnapshot(golden("continued"));
});
