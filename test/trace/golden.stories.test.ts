import { expect, test } from "vitest";
import type { CallDetails, Headers, Step, WorkflowRun } from "../../src/model/run.ts";
import { addMarks, eventLinks, factsOf, marksOf } from "../../src/pipeline/marks.ts";
import type { Mark } from "../../src/state/store.ts";
import type { MappingSettings } from "../../src/trace/config.ts";
import { withEventLinks } from "../../src/trace/event-links.ts";
import { mapFailureFunction } from "../../src/trace/map-failure.ts";
import { mapRun } from "../../src/trace/map-run.ts";
import { nameRun } from "../../src/trace/naming.ts";
import { placeAll } from "../../src/trace/place-all.ts";
import { ownPlacement } from "../../src/trace/placement.ts";
import type { MappedRun } from "../../src/trace/span.ts";
import { waterfall } from "../../src/trace/waterfall.ts";
import { aRun, at, error, group, initial, next, settingsWith, step, T0 } from "../support/run-builder.ts";
import { type Telling, told } from "../support/told-trace.ts";

/** What a trace says beyond a single run, told in words and held against trace-model.md by hand; never written in CI. */
const golden = (name: string) => `../golden/stories/${name.replaceAll(" ", "-")}.txt`;

type Sections = readonly (readonly [title: string, text: string])[];
const page = (sections: Sections) => sections.map(([title, text]) => `== ${title} ==\n\n${text}\n`).join("\n");

/** As the daemon exports them, one after the other. */
function exported(runs: readonly WorkflowRun[], settings: MappingSettings): MappedRun[] {
  const placementOf = placeAll(runs, settings);
  const marks = new Map<string, readonly Mark[]>();
  return runs.map((run) => {
    const mapped = withEventLinks(mapRun(run, placementOf(run), settings, factsOf(run, marks)), eventLinks(marks, run));
    addMarks(marks, marksOf(run, mapped, settings));
    return mapped;
  });
}

const story = (runs: readonly WorkflowRun[], settings: MappingSettings, telling: Partial<Telling> = {}) =>
  told(exported(runs, settings), { runs, ...telling });

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const SPAN = "b7ad6b7169203331";
const traceparent = (flags: string) => `00-${TRACE}-${SPAN}-${flags}`;
const caller: Headers = { Traceparent: [traceparent("01")], Tracestate: ["vendor=1"] };

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
    "a later version with more": { traceparent: [`01-${TRACE}-${SPAN}-01-more`] },
    "version 00 with more": { traceparent: [`${traceparent("01")}-more`] },
    "an all-zero trace id": { traceparent: [`00-${"0".repeat(32)}-${SPAN}-01`] },
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
  const out = '{"eventId":"order-7","eventData":{"ok":true},"notifyResponse":[]}';
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

/** A Call's result as the SDK writes it: the body as text with one character per byte. */
const oneCharPerByte = (text: string) => Buffer.from(text).toString("latin1");
const llm = (
  name: string,
  url: string,
  request: object,
  response: object | undefined,
  over: Partial<CallDetails> = {},
  out?: string,
): Step => {
  const call = { url, method: "POST", requestBody: JSON.stringify(request), responseStatus: 200, ...over };
  return step("Call", name, 100, {
    call: { ...call, ...(response && { responseBody: JSON.stringify(response) }) },
    ...(out !== undefined && { out }),
  });
};

test("LLM calls: who was asked for what, tokens and finish reasons, and not a word of what was said", async () => {
  const openai = "https://api.openai.com/v1";
  const question = { model: "gpt-4o-mini", messages: [{ role: "user", content: "SAID" }] };
  const usage = { prompt_tokens: 12, completion_tokens: 34, total_tokens: 46 };
  const choices = [{ finish_reason: "stop", message: { content: "SAID ü" } }];
  const answer = { model: "gpt-4o-mini-2024-07-18", choices, usage };
  const wrapped = JSON.stringify({ status: 200, header: {}, body: oneCharPerByte(JSON.stringify(answer)) });
  const steps = [
    llm("chat", `${openai}/chat/completions`, question, answer),
    llm("chat, its answer only in out, one character per byte", `${openai}/chat/completions`, question, undefined, {}, wrapped),
    llm(
      "responses",
      `${openai}/responses`,
      { model: "gpt-4.1", input: "SAID" },
      { model: "gpt-4.1-2025-04-14", status: "completed", usage: { input_tokens: 5, output_tokens: 6 }, output: ["SAID"] },
    ),
    llm(
      "embeddings",
      `${openai}/embeddings`,
      { model: "text-embedding-3-small", input: "SAID" },
      { model: "text-embedding-3-small", usage: { prompt_tokens: 8, total_tokens: 8 }, data: [] },
    ),
    llm(
      "anthropic, with cached tokens",
      "https://api.anthropic.com/v1/messages",
      { model: "claude-sonnet-4-5", messages: question.messages },
      {
        model: "claude-sonnet-4-5-20250929",
        stop_reason: "end_turn",
        usage: { input_tokens: 3, cache_read_input_tokens: 100, cache_creation_input_tokens: 20, output_tokens: 7 },
      },
    ),
    llm(
      "a compatible host",
      "https://llm.example.com/v1/chat/completions",
      { ...question, model: "llama-3" },
      { ...answer, model: "llama-3-8b" },
    ),
    llm("streamed", `${openai}/chat/completions`, { ...question, stream: true }, undefined, { responseBody: 'data: {"choices":[]}\n\n' }),
    llm("refused", `${openai}/chat/completions`, question, { error: { message: "SAID" } }, { responseStatus: 429 }),
    llm("no LLM's host", "https://api.example.com/v1/chat/completions", question, answer),
    llm("another path", `${openai}/files`, question, answer),
  ];
  const run = aRun(
    2_000,
    steps.map((one, i) => group({ ...one, id: i + 1, createdAt: at(100 * (i + 1)) })),
  );
  const settings = settingsWith({ gen_ai: { hosts: { "llm.example.com": "openai" } } });
  const [, ...calls] = exported([run], settings)[0]!.spans;
  const text = told([{ resource: {}, spans: calls }], { runs: [run], attributes: /gen_ai|body|output$|http\.response|error\.type/ });
  expect(text).not.toContain("SAID");
  await expect(text).toMatchFileSnapshot(golden("llm calls"));
});

test("captured payloads: redacted as JSON, base64 of JSON, forms and text; REDACTED: passes; long ones are cut", async () => {
  const secret = { user: "ada", password: "hunter2", nested: [{ api_key: "k-123", max_tokens: 5 }], note: "Bearer abcdefghijklmnop" };
  const json = JSON.stringify(secret);
  const base64 = (text: string) => Buffer.from(text).toString("base64");
  const hash = `REDACTED:${"ab".repeat(32)}`;
  const outs: Record<string, string> = {
    JSON: json,
    "base64 of JSON": base64(json),
    "JSON in a string of JSON": JSON.stringify({ body: json }),
    "a form": "grant_type=password&username=ada&password=hunter2&client_secret=s3",
    "plain text": "the token=abc123 was sent with Authorization: Bearer abcdefghijklmnop, to https://ada:hunter2@example.com/?sig=1&x=2",
    "removed by Upstash": hash,
    "JSON with what Upstash removed": JSON.stringify({ token: hash, x: hash }),
    "the user's own key and pattern": '{"iban":"DE02120300000000202051","customer":"cust_12345678"}',
    "too long": "ä".repeat(100),
  };
  const steps = Object.entries(outs).map(([name, out], i) => group(step("Run", name, 100 * (i + 1), { id: i + 1, out })));
  const call: CallDetails = {
    url: "https://ada:hunter2@api.example.com/pay?token=abc&x=1",
    method: "POST",
    requestHeaders: { "X-Trace": ["7"], Authorization: ["Bearer abcdefghijklmnop"], "X-Other": ["not listed"] },
    requestBody: json,
    responseStatus: 200,
    responseHeaders: { "Content-Type": ["application/json"] },
    responseBody: "password=hunter2&ok=1",
  };
  const run = aRun(2_000, [], {
    response: json,
    groups: [group(initial({ out: json })), ...steps, group(step("Call", "pay", 1_900, { id: 20, call, out: json }))],
  });
  const capture = { outputs: true, call_bodies: true, run_request: true, run_response: true, max_bytes: 150 };
  const headers = { request_headers: ["x-trace", "AUTHORIZATION"], response_headers: ["content-type"] };
  const redact = { keys: ["iban"], patterns: ["cust_[0-9]{8}"] };
  const shown = { attributes: /body|output|header|url\.full/ };
  const text = story([run], settingsWith({ capture: { ...capture, ...headers }, redact }), shown);
  for (const leak of ["hunter2", "k-123", "abcdefghijklmnop", "DE0212", "cust_1", base64(json)]) expect(text).not.toContain(leak);
  const nothing = story([run], settingsWith(), shown);
  await expect(
    page([
      ["captured", text],
      ["by default", nothing],
    ]),
  ).toMatchFileSnapshot(golden("captured payloads"));
});

test("rules name runs, the first that matches wins, and some are dropped", async () => {
  const everything = {
    name: "order",
    service_name: "shop",
    service_namespace: "retail",
    environment: "staging",
    attributes: { team: "payments", tier: 1 },
    trace_context: "join",
    step_names: [{ match: "charge-*", name: "charge" }],
  };
  const settings = settingsWith(
    {},
    {
      environment: "production",
      workflows: [
        { match: { url: "https://*/internal/*" }, drop: true },
        { match: { url: "https://shop.example.com/api/*", label: "billing" }, set: everything },
        { match: { label: "vip" }, set: { name: "for a vip" } },
        { match: { url: "https://shop.example.com/*" }, set: { service_name: "shop" } },
      ],
    },
  );
  const runs: Record<string, { url: string; labels?: string[] }> = {
    "URL and label": { url: "https://shop.example.com/api/orders/12345678?x=1", labels: ["eu", "billing"] },
    "the label is missing": { url: "https://shop.example.com/api/orders/12345678" },
    "label alone": { url: "https://other.example.com/x", labels: ["vip"] },
    "the first of two": { url: "https://shop.example.com/api/x", labels: ["vip", "billing"] },
    dropped: { url: "https://shop.example.com/internal/job", labels: ["billing"] },
    "no rule, ids in the path": {
      url: "https://api.example.com/users/3f2504e0-4f89-11d3-9a0c-0305e82c3301/items/deadbeefdeadbeef/v2/99999",
    },
    "no rule, a host that collapses": { url: "https://shop-git-main-acme.vercel.app/api/workflow" },
    "no rule, a tunnel": { url: "https://1234-abcd.ngrok-free.app/api/workflow" },
  };
  const sections = Object.entries(runs).map(([title, over]) => {
    const headers = { Traceparent: [traceparent("01")] };
    const run = aRun(500, [], { ...over, groups: [group(initial({ headers })), group(step("Run", "charge-17", 400, { id: 1 }))] });
    if (nameRun(run, settings).dropped) return [title, "dropped"] as const;
    const [mapped] = exported([run], settings);
    const text = told([mapped!], { runs: [run], attributes: /workflow\.name|step\.name|team|tier/ });
    return [title, `resource ${JSON.stringify(mapped!.resource)}\n\n${text}`] as const;
  });
  await expect(page(sections)).toMatchFileSnapshot(golden("naming rules"));
});

test("attributes: full, and lean, which keeps 32 of a span, identity first", async () => {
  const many = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`user.attribute.${i}`, i]));
  const workflows = [{ match: { url: "*" }, set: { attributes: many } }];
  const run = aRun(500, [group(step("Run", "work", 400, { id: 1 }))], { labels: ["eu"], flowControlKey: "k", callerIp: "203.0.113.9" });
  const rootOf = (attributes: string) => Object.keys(exported([run], settingsWith({ attributes }, { workflows }))[0]!.spans[0]!.attributes);
  const [full, lean] = [rootOf("full"), rootOf("lean")];
  expect(lean).toHaveLength(32);
  const sections: Sections = [
    ["full", full.join("\n")],
    ["lean", lean.join("\n")],
  ];
  await expect(page(sections)).toMatchFileSnapshot(golden("attributes full and lean"));
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
