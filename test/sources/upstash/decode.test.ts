import { expect, test } from "vitest";
import type { Step, WorkflowRun } from "../../../src/model/run.ts";
import { bodyKind, decodeEvent, decodeEventsBody, decodeRun, decodeRunsBody } from "../../../src/sources/upstash/decode.ts";
import { fixture, wireRun, wireRunOfStep } from "./fixture.ts";

function runOf(entry: unknown): WorkflowRun {
  const decoded = decodeRun(entry);
  if (!decoded.ok) throw new Error(decoded.reason);
  return decoded.run;
}

function stepOf(fields: unknown): Step {
  return runOf(wireRunOfStep(fields)).groups[0]!.steps[0]!;
}

test("the published sample becomes one run with its initial step and two parallel ones, and nothing is odd", () => {
  const page = decodeRunsBody(JSON.parse(fixture("runs-documented.json")));
  expect(page.cursor).toBe("1686652644442-12");
  expect(page.unreadable).toEqual([]);
  const [run] = page.runs;
  expect(run).toMatchObject({
    id: "wfr_rj0Upr1rvdzGfz96fXNHh",
    createdAt: 1736340463061,
    completedAt: 1736340464684,
    state: "RUN_SUCCESS",
  });
  expect(run?.groups.map(({ type, steps }) => [type, steps.length])).toEqual([
    ["sequential", 1],
    ["parallel", 2],
  ]);
  expect(run?.groups[1]?.steps[1]).toMatchObject({ id: 2, name: "external call 2", type: "Run", out: "2", concurrent: 2, errors: [] });
  expect(run?.oddities).toEqual([]);
});

test("the engine's six runs and 127 events are read without anything odd", () => {
  const page = decodeRunsBody(JSON.parse(fixture("engine-runs.json")));
  expect(page).toMatchObject({ unreadable: [], cursor: undefined });
  expect(page.runs.map(({ oddities }) => oddities)).toEqual([[], [], [], [], [], []]);
  expect(page.runs[0]).toMatchObject({
    labels: ["l1", "l2"],
    failureFunction: { state: "CALLBACK_SUCCESS", failStatus: 500, errors: [], responseStatus: 200 },
  });
  expect(page.runs[0]?.groups.at(-1)?.steps[0]).toMatchObject({ name: "bad", type: "", errors: [{ status: 500 }, { status: 500 }] });
  expect(decodeEventsBody(JSON.parse(fixture("engine-events.json")))).toMatchObject({ events: { length: 127 }, unreadable: [] });
});

test("the published message log becomes events", () => {
  const page = decodeEventsBody(JSON.parse(fixture("message-logs-documented.json")));
  expect(page.cursor).toBeUndefined();
  expect(page.events).toEqual([
    {
      id: "wfr_6MXE3GfddpBMWJM7s5WSRPqwcFm8",
      createdAt: 1738788333105,
      time: 1738788333107,
      state: "CREATED",
      url: "http://my-workflow-server.com/workflowEndpoint",
      messageId: expect.stringMatching(/^msg_2KxeAKGVEjw/),
      step: expect.objectContaining({ name: "init", type: "Initial", callType: "step", concurrent: 1, createdAt: 1738788333106 }),
      nextDeliveryTime: 1738788333106,
    },
    expect.objectContaining({ state: "RUN_STARTED", time: 1738788333107 }),
  ]);
});

test("every field of every kind of step arrives", () => {
  const step = stepOf({
    stepId: 3,
    stepName: "charge",
    stepType: "Call",
    callType: "step",
    messageId: "msg_1",
    state: "STEP_SUCCESS",
    createdAt: 5,
    concurrent: 1,
    out: '"x"',
    headers: { A: ["1"] },
    retries: 3,
    retryDelay: "1000",
    nextDeliveryTime: 6,
    errors: [{ error: "boom", body: "b", headers: { B: ["2"] }, status: 503, time: 7 }],
    callUrl: "https://pay.example.com",
    callMethod: "POST",
    callHeaders: { C: ["3"] },
    callBody: "{}",
    callResponseStatus: 200,
    callResponseBody: "ok",
    callResponseHeaders: { Date: ["d"] },
    sleepFor: 1000,
    sleepUntil: 1_736_340_463_061,
    waitEventId: "e",
    waitTimeoutDeadline: 1_736_340_463_061,
    waitTimeoutDuration: "120s",
    waitTimeout: true,
    invokedWorkflowRunId: "wfr_2",
    invokedWorkflowUrl: "https://child.example.com",
    invokedWorkflowCreatedAt: 8,
    invokedWorkflowRunBody: "body",
    invokedWorkflowRunHeaders: { D: ["4"] },
  });
  expect(step).toEqual({
    id: 3,
    name: "charge",
    type: "Call",
    callType: "step",
    messageId: "msg_1",
    state: "STEP_SUCCESS",
    createdAt: 5,
    concurrent: 1,
    out: '"x"',
    headers: { A: ["1"] },
    retries: 3,
    retryDelay: "1000",
    nextDeliveryTime: 6,
    errors: [{ message: "boom", body: "b", headers: { B: ["2"] }, status: 503, time: 7 }],
    call: {
      url: "https://pay.example.com",
      method: "POST",
      requestHeaders: { C: ["3"] },
      requestBody: "{}",
      responseStatus: 200,
      responseBody: "ok",
      responseHeaders: { Date: ["d"] },
    },
    sleepFor: { value: 1000, unit: "unknown" },
    sleepUntil: 1_736_340_463_061,
    wait: { eventId: "e", deadline: 1_736_340_463_061, duration: 120_000, timedOut: true },
    invoked: { id: "wfr_2", url: "https://child.example.com", createdAt: 8, body: "body", headers: { D: ["4"] } },
  });
});

test("what belongs to the run beside its steps arrives", () => {
  const run = runOf(
    wireRun({
      workflowRunCallerIp: "203.0.113.9",
      workflowRunResponse: '"done"',
      labels: ["a", "", "b"],
      flowControlKey: "k",
      dlqId: "dlq_1",
      invoker: { workflowRunId: "wfr_0", workflowUrl: "https://parent.example.com", workflowRunCreatedAt: 4 },
      failureFunction: { state: "CALLBACK_FAIL", messageId: "msg_9", url: "u", maxRetries: 3, failResponse: "f", dlqId: "d", errors: [{}] },
    }),
  );
  expect(run).toMatchObject({
    callerIp: "203.0.113.9",
    response: '"done"',
    labels: ["a", "b"],
    flowControlKey: "k",
    dlqId: "dlq_1",
    invoker: { id: "wfr_0", url: "https://parent.example.com", createdAt: 4 },
    failureFunction: { state: "CALLBACK_FAIL", maxRetries: 3, failResponse: "f", dlqId: "d", errors: [{ message: "" }] },
    oddities: [],
  });
});

test("fields that are zero, false, empty or null mean the same as fields that are left out", () => {
  const bare = runOf({ workflowRunId: "wfr_1", workflowRunCreatedAt: 9 });
  const padded = runOf({
    workflowRunId: "wfr_1",
    workflowRunCreatedAt: 9,
    workflowUrl: "",
    workflowState: null,
    workflowRunCompletedAt: 0,
    workflowRunCallerIp: "",
    workflowRunResponse: "",
    label: "",
    labels: null,
    flowControlKey: "",
    dlqId: "",
    invoker: { workflowRunId: "" },
    failureFunction: {},
    steps: null,
  });
  expect(padded).toEqual(bare);
  expect(bare).toMatchObject({ url: "", state: "", labels: [], groups: [], oddities: [] });
  expect(
    stepOf({
      stepId: 0,
      callResponseStatus: 0,
      callBody: "",
      waitTimeout: false,
      invokedWorkflowCreatedAt: 0,
      sleepUntil: 0,
      sleepFor: "",
    }),
  ).toEqual(stepOf({}));
  expect(runOf(wireRun({ failureFunction: null })).failureFunction).toBeUndefined();
});

test("a completed time that is not set does not end a run in an unknown state", () => {
  expect(runOf(wireRun({ workflowRunCompletedAt: 0 })).completedAt).toBeUndefined();
});

test("numbers as strings are numbers, and the run says what was mended", () => {
  const run = runOf(
    wireRun({
      workflowRunCreatedAt: "1736340463061",
      steps: [{ type: "sequential", steps: [{ stepId: "2", createdAt: " 1736340463064 ", callResponseStatus: "503" }] }],
    }),
  );
  expect(run.createdAt).toBe(1736340463061);
  expect(run.groups[0]?.steps[0]).toMatchObject({ id: 2, createdAt: 1736340463064, call: { responseStatus: 503 } });
  expect([...run.oddities].sort()).toEqual([
    "steps.steps.callResponseStatus:string",
    "steps.steps.createdAt:string",
    "steps.steps.stepId:string",
    "workflowRunCreatedAt:string",
  ]);
});

test("one field of the wrong type loses that field alone, and is named without its value", () => {
  const run = runOf(
    wireRun({
      label: { canary: 1 },
      invoker: "canary",
      steps: [
        {
          type: "sequential",
          steps: [{ stepName: ["canary"], stepType: "Run", createdAt: "canary", callUrl: {}, waitTimeout: "canary", errors: "canary" }],
        },
        "canary",
        { type: "sequential", steps: ["canary", { stepName: "kept", state: "STEP_SUCCESS" }] },
        { type: "sequential", steps: { canary: 1 } },
      ],
    }),
  );
  expect(run.groups.map(({ steps }) => steps.map(({ name, type }) => `${name}/${type}`))).toEqual([["/Run"], ["kept/"], []]);
  expect([...run.oddities].sort()).toEqual([
    "invoker:dropped",
    "label:dropped",
    "steps.steps.callUrl:dropped",
    "steps.steps.createdAt:dropped",
    "steps.steps.errors:dropped",
    "steps.steps.stepName:dropped",
    "steps.steps.waitTimeout:dropped",
    "steps.steps:dropped",
    "steps:dropped",
  ]);
});

test("scalars that only changed their type are turned back", () => {
  expect(runOf(wireRun({ workflowRunId: 42 })).id).toBe("42");
  expect(runOf(wireRun({ labels: "billing" })).labels).toEqual(["billing"]);
  expect(runOf(wireRun({ labels: [7, null, true] }))).toMatchObject({ labels: ["7", "true"], oddities: ["labels:dropped"] });
  expect(stepOf({ waitEventId: "e", waitTimeout: "true" }).wait?.timedOut).toBe(true);
  expect(stepOf({ waitEventId: "e", waitTimeout: 1 }).wait?.timedOut).toBe(true);
  expect(stepOf({ waitEventId: "e", waitTimeout: 0 }).wait?.timedOut).toBe(false);
  expect(stepOf({ waitEventId: "e", waitTimeout: "false" }).wait?.timedOut).toBe(false);
});

test("both names of the creation time are understood, the grouped log's first", () => {
  expect(runOf({ workflowRunId: "a", workflowCreatedAt: 5 }).createdAt).toBe(5);
  expect(runOf({ workflowRunId: "a", workflowCreatedAt: 5, workflowRunCreatedAt: 6 }).createdAt).toBe(6);
  expect(runOf(wireRun({ invoker: { workflowRunId: "p", workflowCreatedAt: 7 } })).invoker).toEqual({ id: "p", createdAt: 7 });
});

test("times are whole milliseconds that OTLP can carry; others are dropped", () => {
  expect(runOf(wireRun({ workflowRunCompletedAt: 1_736_340_464_684.9 })).completedAt).toBe(1_736_340_464_684);
  for (const time of [-1, 1e18, "-5", 18_446_744_073_710, JSON.parse("1e999")]) {
    const run = runOf(wireRun({ workflowRunCompletedAt: time }));
    expect(run.completedAt).toBeUndefined();
    expect(run.oddities).toContain("workflowRunCompletedAt:dropped");
  }
  expect(runOf(wireRun({ workflowRunCreatedAt: 9_999_999_999_999 })).createdAt).toBe(9_999_999_999_999); // the year 2286
});

test("header values are a string or a list of strings; a value that is neither loses that header alone", () => {
  const text = '{"One":"a","Many":["a","b"],"Mixed":[1,"b"],"Empty":[],"Bad":5,"__proto__":["x"]}';
  const run = runOf(wireRunOfStep({ headers: JSON.parse(text) }));
  const headers = run.groups[0]?.steps[0]?.headers;
  expect(headers).toEqual({ One: ["a"], Many: ["a", "b"], Mixed: ["b"] });
  expect(Object.getPrototypeOf(headers)).toBe(Object.prototype);
  expect(run.oddities).toEqual(["steps.steps.headers:dropped"]);
  for (const headers of ["REDACTED:abc", ["a"]]) expect(stepOf({ headers }).headers).toBeUndefined();
});

test("bodies stay as they came: redacted, base64, plain, with null bytes and lone surrogates", () => {
  for (const out of ["REDACTED:5feceb66ffc86f38d952786c6d696c79", "eyJhIjoxfQ==", '{"a":1}', "plain\u0000text", "\ud800"]) {
    expect(stepOf({ out })).toMatchObject({ out });
  }
});

test("a body that came as parsed JSON is written as JSON again", () => {
  const run = runOf(wireRunOfStep({ out: { a: [1] }, callUrl: "u", callBody: 5, callResponseBody: false }));
  expect(run.groups[0]?.steps[0]).toMatchObject({ out: '{"a":[1]}', call: { requestBody: "5", responseBody: "false" } });
  expect(run.oddities).toEqual(["steps.steps.out:object", "steps.steps.callBody:number", "steps.steps.callResponseBody:boolean"]);
});

test("a body nested too deeply to be written is dropped and noted", () => {
  const run = runOf(wireRunOfStep({ out: JSON.parse(`${"[".repeat(200_000)}${"]".repeat(200_000)}`) }));
  expect(run.groups[0]?.steps[0]?.out).toBeUndefined();
  expect(run.oddities).toContain("steps.steps.out:dropped");
});

test("sleeps keep a bare number's unit open and understand durations", () => {
  const cases: readonly (readonly [unknown, unknown])[] = [
    [5000, { value: 5000, unit: "unknown" }],
    ["5000", { value: 5000, unit: "unknown" }],
    [0.4, { value: 0.4, unit: "unknown" }],
    ["3d", { value: 259_200_000, unit: "ms" }],
    ["90m", { value: 5_400_000, unit: "ms" }],
    ["500ms", { value: 500, unit: "ms" }],
    ["1.5s", { value: 1500, unit: "ms" }],
  ];
  for (const [sleepFor, expected] of cases) expect(stepOf({ sleepFor }).sleepFor).toEqual(expected);
  for (const sleepFor of ["soon", -5, {}, `${"9".repeat(400)}h`]) {
    const run = runOf(wireRunOfStep({ sleepFor }));
    expect(run.groups[0]?.steps[0]?.sleepFor).toBeUndefined();
    expect(run.oddities).toEqual(["steps.steps.sleepFor:dropped"]);
  }
});

test("a wait's timeout is read in every form it is written in", () => {
  const forms = {
    "120s": 120_000,
    "1h": 3_600_000,
    "168h0m0s": 604_800_000,
    "1m30.5s": 90_500,
    "7d": 604_800_000,
    "1w": 604_800_000,
    "2µs": 0,
  };
  for (const [waitTimeoutDuration, duration] of Object.entries(forms)) {
    expect(stepOf({ waitTimeoutDuration }).wait?.duration).toBe(duration);
  }
  expect(stepOf({ waitTimeoutDuration: 60 }).wait?.duration).toBe(60_000);
  expect(stepOf({ waitTimeoutDuration: "later" }).wait).toEqual({ timedOut: false });
});

test("a moment to wake up at is read in seconds and in milliseconds", () => {
  expect(stepOf({ sleepUntil: 1_736_340_463 }).sleepUntil).toBe(1_736_340_463_000);
  expect(stepOf({ sleepUntil: "1736340463061" }).sleepUntil).toBe(1_736_340_463_061);
  expect(stepOf({ waitTimeoutDeadline: 1_736_340_463 }).wait?.deadline).toBe(1_736_340_463_000);
});

test("label stands in where labels are missing, and adds nothing where they are not", () => {
  expect(runOf(wireRun({ label: "billing" })).labels).toEqual(["billing"]);
  expect(runOf(wireRun({ label: "billing", labels: [] })).labels).toEqual(["billing"]);
  expect(runOf(wireRun({ label: "a", labels: ["a", "b"] })).labels).toEqual(["a", "b"]);
});

test("unknown types, states and groups pass as they are", () => {
  const run = runOf(
    wireRun({
      workflowState: "RUN_PAUSED",
      steps: [{ type: "loop", steps: [{ stepType: "Teleport", state: "STEP_BEAMED", callType: "x" }] }],
    }),
  );
  expect(run.state).toBe("RUN_PAUSED");
  expect(run.groups[0]).toMatchObject({ type: "loop", steps: [{ type: "Teleport", state: "STEP_BEAMED", callType: "x" }] });
});

test("a group without a type is parallel if it holds more than one step", () => {
  const run = runOf(wireRun({ steps: [{ steps: [{}] }, { steps: [{}, {}] }, {}] }));
  expect(run.groups.map(({ type }) => type)).toEqual(["sequential", "parallel", "sequential"]);
  expect(run.oddities).toEqual(["steps.type:missing"]);
});

test("names in any script, empty, or thousands of characters long arrive whole", () => {
  for (const name of ["", "订单履行", "naïve 🚀", "x".repeat(50_000), "\ud800 lone", "nul\u0000"]) {
    expect(stepOf({ stepName: name }).name).toBe(name);
  }
});

test("the early failure function with its state DELIVERED, and one with only a message, are kept", () => {
  expect(runOf(wireRun({ failureFunction: { state: "DELIVERED" } })).failureFunction?.state).toBe("DELIVERED");
  expect(runOf(wireRun({ failureFunction: { messageId: "m" } })).failureFunction).toMatchObject({ state: "", messageId: "m" });
});

test("an entry that is no run is reported by position and neighbour, with a reason and what it says of itself; the others go on", () => {
  const entries = [
    "first",
    wireRun(),
    null,
    "canary",
    5,
    [],
    { workflowRunId: "canary", workflowRunCreatedAt: "soon", steps: [] },
    { workflowRunCreatedAt: 5 },
    wireRun({ workflowRunId: "b" }),
    0,
  ];
  const page = decodeRunsBody({ cursor: null, runs: entries });
  const beside = { id: "wfr_1", createdAt: page.runs[0]?.createdAt };
  expect(page.runs.map(({ id }) => id)).toEqual(["wfr_1", "b"]);
  expect(page.cursor).toBeUndefined();
  expect(page.unreadable).toEqual([
    { position: 0, beside, reason: "expected a run, an object", content: "first" },
    { position: 2, beside, reason: "expected a run, an object", content: null },
    { position: 3, beside, reason: "expected a run, an object", content: "canary" },
    { position: 4, beside, reason: "expected a run, an object", content: 5 },
    { position: 5, beside, reason: "expected a run, an object", content: [] },
    {
      position: 6,
      beside,
      reason: "workflowRunCreatedAt: expected a time in milliseconds",
      id: "canary",
      content: ["canary", "soon", undefined],
    },
    { position: 7, beside, reason: "workflowRunId: expected an id", content: { workflowRunCreatedAt: 5 } },
    { position: 9, beside: { ...beside, id: "b" }, reason: "expected a run, an object", content: 0 },
  ]);
});

test("an event without run, time or state is reported by position, and the others go on", () => {
  const event = { time: 5, state: "RUN_SUCCESS", workflowRunId: "a", workflowCreatedAt: "4", workflowUrl: null };
  const page = decodeEventsBody({
    cursor: 7,
    events: [event, 1, { ...event, workflowRunId: "" }, { ...event, time: 0 }, { ...event, state: "" }],
  });
  expect(page.cursor).toBe("7");
  const key = { id: "a", createdAt: 4 };
  expect(page.events).toEqual([{ id: "a", createdAt: 4, time: 5, state: "RUN_SUCCESS", url: "" }]);
  expect(page.unreadable).toEqual([
    { position: 1, beside: key, reason: "expected an event, an object", content: 1 },
    { position: 2, beside: key, reason: "workflowRunId: expected an id", content: { ...event, workflowRunId: "" } },
    { position: 3, beside: key, reason: "time: expected a time in milliseconds", key },
    { position: 4, beside: key, reason: "state: expected a state", key },
  ]);
  expect(decodeEvent({ ...event, workflowCreatedAt: undefined, workflowRunCreatedAt: 3 })).toMatchObject({ event: { createdAt: 3 } });
});

test("an event keeps what a timeline and a run are made of", () => {
  const event = {
    time: 5,
    state: "ERROR",
    workflowRunId: "a",
    workflowCreatedAt: 4,
    messageId: "msg_own",
    stepInfo: { messageId: "msg_step", stepId: "2", stepName: "charge", stepType: "Run", createdAt: 3 },
    nextDeliveryTime: "9",
    headers: { "upstash-error-step-name": "thrower", Date: ["x"] },
    error: "500",
    responseStatus: 500,
    responseBody: "canary",
    invokerWorkflowRunId: "p",
    invokerWorkflowCreatedAt: 2,
    invokerWorkflowUrl: "https://app.example.com/p",
    workflowRunResponse: { ok: true },
  };
  const decoded = decodeEvent(event);
  expect(decoded).toMatchObject({
    event: {
      messageId: "msg_own",
      step: { messageId: "msg_step", id: 2, name: "charge", type: "Run", createdAt: 3 },
      nextDeliveryTime: 9,
      error: "500",
      responseStatus: 500,
      failedStepName: "thrower",
      invoker: { id: "p", createdAt: 2, url: "https://app.example.com/p" },
      runResponse: '{"ok":true}',
    },
  });
  expect(JSON.stringify(decoded)).not.toContain("canary");
  const read = (over: object) => {
    const outcome = decodeEvent({ ...event, messageId: undefined, headers: undefined, ...over });
    return outcome.ok ? outcome.event : outcome;
  };
  expect(read({})).toMatchObject({ messageId: "msg_step", failedStepName: undefined });
  expect(read({ responseHeaders: { "Upstash-Error-Step-Name": ["other"] } })).toMatchObject({ failedStepName: "other" });
  expect(read({ stepInfo: "junk", invokerWorkflowRunId: "" })).toMatchObject({ messageId: undefined, step: undefined, invoker: undefined });
  expect(read({ stepInfo: null, responseStatus: 0, error: "" })).toMatchObject({
    step: undefined,
    responseStatus: undefined,
    error: undefined,
  });
});

test("a body says what it is; an empty page may leave everything out", () => {
  expect(bodyKind({ runs: [] })).toBe("runs");
  expect(bodyKind({ events: [], cursor: "" })).toBe("events");
  for (const body of [{}, { cursor: "" }, { runs: null }, { events: null, cursor: null }]) expect(bodyKind(body)).toBe("empty");
  for (const body of [null, 5, "x", [], { error: "no" }, { runs: {} }, { events: 5 }, { messages: [] }])
    expect(bodyKind(body)).toBe("other");
  expect(decodeRunsBody({})).toEqual({ runs: [], unreadable: [], cursor: undefined });
});

test("a body of another shape is one unreadable entry", () => {
  for (const body of [null, [], { events: [] }, { error: "canary" }]) {
    expect(decodeRunsBody(body)).toEqual({ runs: [], unreadable: [{ position: 0, reason: "runs: expected a list", content: body }] });
  }
  expect(decodeEventsBody({ runs: [] }).unreadable).toEqual([{ position: 0, reason: "events: expected a list", content: { runs: [] } }]);
});

test("what is decoded is never changed", () => {
  const entry = wireRun({ workflowRunCreatedAt: "5", steps: [{ steps: [{ stepId: "1", createdAt: {} }, "x"] }] });
  const before = JSON.stringify(entry);
  runOf(entry);
  expect(JSON.stringify(entry)).toBe(before);
});

test("a page of a hundred thousand steps, all odd, is read", () => {
  const steps = Array.from({ length: 100_000 }, (_, index) => ({ stepId: String(index + 1), createdAt: "junk" }));
  const run = runOf(wireRun({ steps: [{ type: "parallel", steps }] }));
  expect(run.groups[0]?.steps.length).toBe(100_000);
  expect(run.groups[0]?.steps[99_999]?.id).toBe(100_000);
  expect([...run.oddities].sort()).toEqual(["steps.steps.createdAt:dropped", "steps.steps.stepId:string"]);
});
