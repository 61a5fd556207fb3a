import { expect, test } from "vitest";
import type { DeliveryError, Step, WorkflowRun } from "../../src/model/run.ts";
import type { MappingSettings } from "../../src/trace/config.ts";
import { failureSpanId, runSpanContext } from "../../src/trace/ids.ts";
import { mapFailureFunction } from "../../src/trace/map-failure.ts";
import { mapRun, type RunFacts } from "../../src/trace/map-run.ts";
import { ownPlacement } from "../../src/trace/placement.ts";
import type { Span } from "../../src/trace/span.ts";
import { event, info, init, message } from "../support/message-log.ts";
import { aRun, at, error, group, initial, next, settingsWith, step, T0 } from "../support/run-builder.ts";

function map(run: WorkflowRun, settings: MappingSettings = settingsWith(), facts?: RunFacts) {
  const mapped = mapRun(run, ownPlacement(run, settings), settings, facts);
  const [root, ...others] = mapped.spans;
  if (root === undefined) throw new Error("a run without a span");
  return { ...mapped, root, others };
}

const oneStep = (one: Step, over: Partial<WorkflowRun> = {}) => map(aRun(2_000, [group(one)], over)).others[0]!;

test("a failed run has the last error as its message; where none is known it has none", () => {
  const failed = aRun(900, [next({ errors: [error(300, 503, "first"), error(800, 500, "last")] })], { state: "RUN_FAILED" });
  expect(map(failed).root).toMatchObject({ status: { code: "error", message: "last" }, attributes: { "error.type": "500" } });
  expect(map(aRun(900, [], { state: "RUN_FAILED" })).root).toMatchObject({
    status: { code: "error" },
    attributes: { "error.type": "_OTHER" },
  });
});

test("a call that failed without an error of its own is told by its answer's status, and so is its run", () => {
  const call = (responseStatus?: number) => step("Call", "c", 500, { state: "STEP_FAILED", call: { responseStatus } });
  const failed = (...steps: readonly Step[]) => {
    const { root, others } = map(aRun(2_000, [group(...steps)], { state: "RUN_FAILED" }));
    return [root, ...others].map((span) => [span.status, span.attributes["error.type"], span.events.map(({ name }) => name)]);
  };
  const told = (type: string, events: readonly string[] = []) => [{ code: "error" }, type, events];
  const started = ["upstash.workflow.started"];
  expect(failed(call(503))).toEqual([told("503", started), told("503")]);
  expect(failed(call(200))).toEqual([told("_OTHER", started), told("_OTHER")]);
  expect(failed(call())).toEqual([told("_OTHER", started), told("_OTHER")]);
  const recovered = step("Run", "r", 600, { errors: [error(550, 500)] });
  expect(failed(call(503), recovered)[0]).toEqual(told("503", started));
  const own = { ...call(503), errors: [error(450, 429, "slow down")] };
  expect(failed(own)[1]).toEqual([{ code: "error", message: "slow down" }, "429", ["exception"]]);
});

test("the error of the step that failed counts, not a later one of a sibling that recovered", () => {
  const siblings = group(
    step("Run", "bad", 5, { state: "STEP_FAILED", errors: [error(500, 500, "bad")] }),
    step("Run", "good", 800, { errors: [error(700, 502, "recovered")] }),
  );
  expect(map(aRun(900, [siblings], { state: "RUN_FAILED" })).root.status.message).toBe("bad");
  const [, good] = siblings.steps;
  expect(map(aRun(900, [group(good!)], { state: "RUN_FAILED" })).root.status.message).toBe("recovered");
});

test("a retry that recovered makes neither step nor run an error", () => {
  const { root, others } = map(aRun(2_000, [group(step("Run", "flaky", 1_500, { errors: [error(500, 500)] }))]));
  expect([root.status, others[0]?.status]).toEqual([{ code: "unset" }, { code: "unset" }]);
  expect(others[0]?.attributes["upstash.workflow.step.attempts"]).toBe(2);
  expect(root.attributes["upstash.workflow.run.steps.retried"]).toBe(1);
});

test("a canceled run and a canceled step are no errors", () => {
  const { root, others } = map(aRun(2_000, [next({ state: "STEP_CANCELED" })], { state: "RUN_CANCELED" }));
  expect([root.status, others[0]?.status]).toEqual([{ code: "unset" }, { code: "unset" }]);
  expect(root.events.at(-1)).toEqual({ name: "upstash.workflow.canceled", time: at(2_000), attributes: {} });
  expect(root.attributes).toMatchObject({ "upstash.workflow.run.steps.canceled": 1, "upstash.workflow.run.steps.failed": 0 });
});

test("a call that was answered with an error is one, though its run succeeded", () => {
  const { root, others } = map(aRun(2_000, [group(step("Call", "c", 500, { call: { responseStatus: 502 } }))]));
  expect(others[0]).toMatchObject({ status: { code: "error" }, attributes: { "error.type": "502", "http.response.status_code": 502 } });
  expect(root.status).toEqual({ code: "unset" });
  expect(oneStep(step("Call", "c", 500, { call: { responseStatus: 399 } })).status).toEqual({ code: "unset" });
  expect(oneStep(step("Call", "c", 500, { call: { responseStatus: 400 } })).status).toEqual({ code: "error" });
});

test("a delivery whose state the log leaves out is what failed in a failed run, and nothing in another", () => {
  const open = next({ state: "", errors: [error(500, 500)] });
  expect(map(aRun(900, [open], { state: "RUN_FAILED" })).others[0]).toMatchObject({
    name: "delivery",
    role: "delivery",
    status: { code: "error" },
  });
  expect(map(aRun(900, [open])).others[0]?.status).toEqual({ code: "unset" });
});

test("steps are counted without Initial and without what was carried over", () => {
  const run = aRun(
    900,
    [
      group(step("Run", "old", -5_000)),
      group(step("Run", "a", 100), step("Run", "b", 5, { state: "STEP_RETRY" })),
      next({ errors: [error(800, 500)] }),
    ],
    {
      state: "RUN_FAILED",
    },
  );
  expect(map(run).root.attributes).toMatchObject({
    "upstash.workflow.run.steps.total": 3,
    "upstash.workflow.run.steps.failed": 1,
    "upstash.workflow.run.steps.retried": 1,
  });
});

test("a step carried over is an event at the run's start that says when it was made", () => {
  const { root } = map(aRun(900, [group(step("Run", "old", -5_123, { id: 1, messageId: "msg_1" }))]));
  expect(root.events[1]).toEqual({
    name: "upstash.workflow.step.carried",
    time: T0,
    attributes: {
      "upstash.workflow.step.id": 1,
      "upstash.workflow.step.name": "old",
      "upstash.workflow.step.type": "Run",
      "upstash.workflow.step.message.id": "msg_1",
      "upstash.workflow.step.created_at": "2023-11-14T22:13:15.000Z",
    },
  });
});

test("a run that is known to resume another names it and links to it", () => {
  const resumedFrom = { id: "wfr_before", createdAt: T0 - 10_000 };
  const { root } = map(aRun(900, []), settingsWith(), { resumedFrom });
  expect(root.attributes["upstash.workflow.run.resumed_from.id"]).toBe("wfr_before");
  expect(root.links).toEqual([{ ...runSpanContext("wfr_before", T0 - 10_000), attributes: {} }]);
  const elsewhere = map(aRun(900, []), settingsWith(), { resumedFrom: { ...resumedFrom, traceId: "1".repeat(32) } });
  expect(elsewhere.root.links[0]?.traceId).toBe("1".repeat(32));
});

test("triggered runs are consumers, or servers on request; invoked ones always servers", () => {
  const invoked = aRun(900, [], { invoker: { id: "wfr_parent" } });
  expect(map(aRun(900, [])).root.kind).toBe("consumer");
  expect(map(aRun(900, []), settingsWith({ run_kind: "server" })).root.kind).toBe("server");
  expect(map(invoked).root).toMatchObject({ kind: "server", attributes: { "upstash.workflow.run.invoker.id": "wfr_parent" } });
});

test("names are cut to 128 characters, the attribute is whole; an empty one is the step's type", () => {
  const long = oneStep(step("Run", "x".repeat(1_500), 100));
  expect(long.name).toBe("x".repeat(128));
  expect(long.attributes["upstash.workflow.step.name"]).toBe("x".repeat(1_500));
  expect(oneStep(step("Notify", "", 100)).name).toBe("Notify");
  expect(oneStep(step("", "", 100)).name).toBe("step");
});

test("no secret of the log gets into a span", () => {
  const secret = "sk_live_51HxKQ2eZvKYlo2C0aBcDeFgH";
  const run = aRun(900, [group(step("Run", `pay with ${secret}`, 100)), next({ errors: [error(800, 500, `Bearer ${secret}`)] })], {
    id: `order-${secret}`,
    state: "RUN_FAILED",
    url: `https://user:${secret}@shop.example.com/api/orders?token=${secret}`,
    labels: [secret],
    flowControlKey: secret,
  });
  expect(JSON.stringify(map(run).spans)).not.toContain(secret);
});

test("a wait, a sleep and an invocation carry what they were asked for", () => {
  const wait = { eventId: "order-7", deadline: at(61_000), duration: 60_000, timedOut: true };
  expect(oneStep(step("Wait", "w", 100, { wait })).attributes).toMatchObject({
    "upstash.workflow.step.wait.event.id": "order-7",
    "upstash.workflow.step.wait.timeout": 60,
    "upstash.workflow.step.wait.timed_out": true,
  });
  expect(oneStep(step("SleepUntil", "s", 100, { sleepUntil: T0 })).attributes["upstash.workflow.step.sleep.until"]).toBe(
    "2023-11-14T22:13:20.123Z",
  );
  expect(
    oneStep(step("SleepFor", "s", 100, { sleepFor: { value: 1, unit: "unknown" } })).attributes["upstash.workflow.step.sleep.duration"],
  ).toBe(1);
  const invoked = { id: "wfr_child", url: "https://shop.example.com/child?token=s3cr3t" };
  expect(oneStep(step("Invoke", "i", 100, { invoked }))).toMatchObject({
    kind: "client",
    attributes: {
      "upstash.workflow.step.invoked.run.id": "wfr_child",
      "upstash.workflow.step.invoked.url": "https://shop.example.com/child?token=REDACTED",
    },
  });
});

test("an LLM call lies in a scope of its own", () => {
  const call = {
    url: "https://api.openai.com/v1/chat/completions",
    method: "POST",
    requestBody: '{"model":"gpt-5"}',
    responseStatus: 200,
    responseBody: '{"model":"gpt-5-2026","usage":{"prompt_tokens":7,"completion_tokens":3}}',
  };
  const run = aRun(900, [group(step("Call", "ask", 500, { call }))]);
  expect(map(run, settingsWith({ gen_ai: true })).others[0]).toMatchObject({
    scope: "gen_ai",
    attributes: { "gen_ai.request.model": "gpt-5", "gen_ai.usage.input_tokens": 7, "url.full": call.url },
  });
  expect(map(run).others[0]?.scope).toBe("workflow");
});

test("the failure function's span by itself, and its repetitions", () => {
  const failureFunction = { state: "CALLBACK_FAIL", errors: [error(950, 500, "again")] };
  const run = aRun(900, [next({ errors: [error(899, 500)] })], { state: "RUN_FAILED", failureFunction });
  const settings = settingsWith();
  const alone = mapFailureFunction(run, ownPlacement(run, settings), settings);
  expect(alone).toEqual({ resource: map(run).resource, spans: [map(run).others.at(-1)] });
  expect(alone.spans[0]).toMatchObject({
    start: at(900),
    end: at(950),
    status: { code: "error", message: "again" },
    attributes: { "error.type": "500", "http.response.status_code": 500 },
  });
  expect(mapFailureFunction(run, ownPlacement(run, settings), settings, {}, 2).spans[0]?.spanId).toBe(failureSpanId(run.id, T0, 2));
  const open = { ...run, failureFunction: { state: "CALLBACK_INPROGRESS", errors: [] } };
  expect(mapFailureFunction(open, ownPlacement(open, settings), settings).spans).toEqual([]);
});

test("the failure function's span begins where the message log says that the run ended, and ends where it says that it was done", () => {
  const failureFunction = {
    state: "CALLBACK_SUCCESS",
    messageId: "msg_failure",
    errors: [],
    responseHeaders: { Date: [new Date(at(30_000)).toUTCString()] },
  };
  const run = aRun(900, [next({ errors: [error(899, 500)] })], { state: "RUN_FAILED", failureFunction });
  const own = message("msg_failure", info("", ""), [1_000, "CREATED"], [1_200, "ACTIVE"], [1_437, "DELIVERED"]);
  const events = [...init([1, "CREATED"], [2, "ACTIVE"], [899, "FAILED"]), event(950, "RUN_FAILED"), ...own];
  const settings = settingsWith();
  const alone = mapFailureFunction(run, ownPlacement(run, settings), settings, { events });
  expect(alone.spans).toMatchObject([{ name: "failure function", start: at(950), end: at(1_437) }]);
  const whole = map(run, settings, { events });
  expect(alone).toEqual({ resource: whole.resource, spans: [whole.others.at(-1)] });
  expect(whole.root.end).toBe(at(950));
  const lost = events.filter(({ messageId }) => messageId !== "msg_failure");
  expect(map(run, settings, { events: lost }).others.at(-1)).toMatchObject({ start: at(950), end: Math.floor(at(30_000) / 1_000) * 1_000 });
});

test("a failure function that failed without errors is told by its response's status, else by nothing", () => {
  const failed = (responseStatus?: number) =>
    map(
      aRun(900, [], {
        state: "RUN_FAILED",
        failureFunction: { state: "CALLBACK_FAIL", errors: [], ...(responseStatus && { responseStatus }) },
      }),
    ).others.at(-1);
  expect(failed(502)).toMatchObject({ status: { code: "error" }, attributes: { "error.type": "502", "http.response.status_code": 502 } });
  expect(failed()?.attributes["error.type"]).toBe("_OTHER");
});

test("a failure function that failed is told by its last error, which its response's status only completes", () => {
  const failed = (responseStatus: number, ...errors: readonly DeliveryError[]) =>
    map(aRun(900, [], { state: "RUN_FAILED", failureFunction: { state: "CALLBACK_FAIL", errors, responseStatus } })).others.at(-1);
  const statuses = (span: Span | undefined) => [
    span?.attributes["http.response.status_code"],
    span?.attributes["error.type"],
    span?.events.at(-1)?.attributes["exception.type"],
  ];
  expect(statuses(failed(503, error(950, 502), error(960, 500)))).toEqual([500, "500", "500"]);
  expect(statuses(failed(503, error(950, undefined, "500 Internal Server Error")))).toEqual([500, "500", "500"]);
  expect(statuses(failed(503, error(950, 502), error(960)))).toEqual([503, "503", "503"]);
  expect(failed(503, error(950, 502), error(960))?.events[0]?.attributes["error.type"]).toBe("502");
  expect(statuses(failed(0, error(950, undefined, "connection refused")))).toEqual([undefined, "connection", "connection"]);
});

test("the resource: a rule's words, else the user's resource, else what the host suggests", () => {
  const resource = {
    "service.name": "mine",
    "deployment.environment.name": "theirs",
    "k8s.namespace.name": "shop",
    replicas: 2,
    broken: Number.NaN,
  };
  const rules = {
    workflows: [{ match: { url: "*" }, set: { service_name: "rule", service_namespace: "retail", environment: "staging" } }],
  };
  const run = aRun(900, []);
  expect(map(run).resource).toEqual({ "service.name": "shop.example.com" });
  expect(map(run, settingsWith({}, { environment: "production" })).resource).toEqual({
    "service.name": "shop.example.com",
    "deployment.environment.name": "production",
  });
  expect(map(run, settingsWith({}, { resource })).resource).toEqual({
    "service.name": "mine",
    "deployment.environment.name": "theirs",
    "k8s.namespace.name": "shop",
    replicas: 2,
  });
  expect(map(run, settingsWith({}, { resource, ...rules })).resource).toMatchObject({
    "service.name": "rule",
    "service.namespace": "retail",
    "deployment.environment.name": "staging",
  });
});

test("a rule's attributes lie on the run's span and never take the place of its own", () => {
  const attributes = { team: "payments", "upstash.workflow.run.id": "forged", weight: 1.5 };
  const { root } = map(aRun(900, []), settingsWith({}, { workflows: [{ match: { url: "*" }, set: { attributes } }] }));
  expect(root.attributes).toMatchObject({ team: "payments", weight: 1.5, "upstash.workflow.run.id": "wfr_order" });
});

test("lean spans keep 32 attributes, identity first", () => {
  const attributes = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`extra.${i}`, i]));
  const settings = settingsWith({ attributes: "lean" }, { workflows: [{ match: { url: "*" }, set: { attributes } }] });
  const { root } = map(aRun(900, []), settings);
  expect(Object.keys(root.attributes)).toHaveLength(32);
  expect(root.attributes).toMatchObject({ "upstash.workflow.run.id": "wfr_order", "upstash.workflow.name": "/api/orders" });
});

test("payloads are exported only on request, cut, with their size beside them", () => {
  const groups = [group(initial({ out: '{"order":7}' })), group(step("Run", "a", 100, { out: "x".repeat(100) }))];
  const run = aRun(900, [], { groups, response: '"done"' });
  for (const span of map(run).spans) expect(Object.keys(span.attributes).filter((name) => /body|output/.test(name))).toEqual([]);
  const capture = { outputs: true, run_request: true, run_response: true, max_bytes: 16 };
  const { root, others } = map(run, settingsWith({ capture }));
  expect(root.attributes).toMatchObject({
    "upstash.workflow.run.request.body": '{"order":7}',
    "upstash.workflow.run.request.body.size": 11,
    "upstash.workflow.run.response.body": '"done"',
  });
  expect(others[0]?.attributes).toMatchObject({ "upstash.workflow.step.output": "x".repeat(16), "upstash.workflow.step.output.size": 100 });
});
