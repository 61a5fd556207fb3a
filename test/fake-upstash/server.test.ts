import { afterEach, expect, test } from "vitest";
import { type FakeUpstash, type FakeUpstashOptions, startFakeUpstash } from "../../src/fake-upstash/server.ts";
import type { WireEvent, WireRun } from "../../src/fake-upstash/wire.ts";

const T0 = 1_795_319_476_000;
const started: FakeUpstash[] = [];
afterEach(async () => {
  for (const fake of started.splice(0)) await fake.close();
});

async function start(options: FakeUpstashOptions = {}): Promise<FakeUpstash> {
  const fake = await startFakeUpstash({ now: () => T0, ...options });
  started.push(fake);
  return fake;
}

function run(n: number, more: Partial<WireRun> = {}): WireRun {
  return {
    workflowRunId: `wfr_${n}`,
    workflowUrl: "https://shop.example.com/wf",
    workflowState: "RUN_SUCCESS",
    workflowRunCreatedAt: T0 - 100_000 + n * 1_000,
    workflowRunCompletedAt: T0 - 100_000 + n * 1_000 + 500,
    steps: [],
    ...more,
  };
}

function event(n: number, more: Partial<WireEvent> = {}): WireEvent {
  const of = run(n);
  return {
    time: of.workflowRunCreatedAt,
    state: "RUN_STARTED",
    workflowRunId: of.workflowRunId,
    workflowUrl: of.workflowUrl,
    workflowCreatedAt: of.workflowRunCreatedAt,
    ...more,
  };
}

type Body = { cursor?: string | null; runs?: WireRun[]; events?: WireEvent[]; error?: string };

async function get(fake: FakeUpstash, path: string, headers: Record<string, string> = { authorization: `Bearer ${fake.token}` }) {
  const response = await fetch(fake.url + path, { headers });
  return { status: response.status, headers: response.headers, body: (await response.json()) as Body };
}

const ids = (body: Body) => (body.runs ?? body.events ?? []).map((each) => each.workflowRunId.slice(4));
const listed = async (fake: FakeUpstash, query: string) => ids((await get(fake, `/v2/workflows/logs?${query}`)).body);
const streamed = async (fake: FakeUpstash, query: string) => ids((await get(fake, `/v2/workflows/messageLogs?${query}`)).body);

test("pages of at most ten runs, newest created first, linked by cursors until every run was listed once", async () => {
  const fake = await start();
  for (let n = 1; n <= 25; n++) fake.store.putRun(run(n));
  const seen: string[] = [];
  const sizes: number[] = [];
  let cursor: string | null | undefined;
  do {
    const { body } = await get(fake, `/v2/workflows/logs?count=1000${cursor ? `&cursor=${cursor}` : ""}`);
    seen.push(...ids(body));
    sizes.push(body.runs?.length ?? -1);
    cursor = body.cursor;
  } while (cursor);
  expect(sizes).toEqual([10, 10, 5]);
  expect(seen).toEqual(Array.from({ length: 25 }, (_, index) => String(25 - index)));
  expect(fake.requests.map((request) => request.status)).toEqual([200, 200, 200]);
});

test("a cursor looks like a time and a number, and keeps its place when newer runs appear", async () => {
  const fake = await start();
  for (let n = 1; n <= 4; n++) fake.store.putRun(run(n));
  const first = await get(fake, "/v2/workflows/logs?count=2");
  expect(first.body.cursor).toMatch(/^\d{13}-\d+$/);
  fake.store.putRun(run(9));
  expect(await listed(fake, `count=2&cursor=${first.body.cursor}`)).toEqual(["2", "1"]);
});

test.each([
  ["missing", undefined],
  ["empty", ""],
  ["null", null],
] as const)("the last page says so with a cursor that is %s", async (endMarker, cursor) => {
  const fake = await start({ endMarker });
  fake.store.putRun(run(1));
  expect((await get(fake, "/v2/workflows/logs")).body).toEqual({ runs: [run(1)], ...(cursor === undefined ? {} : { cursor }) });
});

test("an expired cursor and one that was never handed out are answered with 400 and the reason", async () => {
  let now = T0;
  const fake = await start({ now: () => now, cursorTtlMs: 60_000 });
  for (let n = 1; n <= 3; n++) fake.store.putRun(run(n));
  const { body } = await get(fake, "/v2/workflows/logs?count=1");
  now += 60_001;
  expect(await get(fake, `/v2/workflows/logs?cursor=${body.cursor}`)).toMatchObject({ status: 400, body: { error: "cursor expired" } });
  expect(await get(fake, "/v2/workflows/logs?cursor=1-1")).toMatchObject({ status: 400, body: { error: "invalid cursor" } });
});

test("the path of the official client answers like the documented one", async () => {
  const fake = await start();
  fake.store.putRun(run(1));
  const [documented, client] = [await get(fake, "/v2/workflows/logs"), await get(fake, "/v2/workflows/events?groupBy=workflowRunId")];
  expect(client.body).toEqual(documented.body);
});

test("every filter keeps what it names", async () => {
  const fake = await start();
  fake.store.putRun(run(1, { workflowUrl: "https://shop.example.com/wf/other" }));
  fake.store.putRun(run(2, { label: "a", labels: ["a", "b"] }));
  fake.store.putRun(run(3, { label: "c", flowControlKey: "user-1", workflowRunCallerIp: "192.0.2.7" }));
  fake.store.putRun(run(4, { workflowState: "RUN_FAILED", steps: [{ type: "next", steps: [{ state: "STEP_FAILED" }] }] }));
  expect(await listed(fake, "workflowRunId=wfr_3")).toEqual(["3"]);
  expect(await listed(fake, "workflowUrl=https://shop.example.com/wf")).toEqual(["4", "3", "2"]);
  expect(await listed(fake, `workflowCreatedAt=${run(2).workflowRunCreatedAt}`)).toEqual(["2"]);
  expect(await listed(fake, "label=b&label=c")).toEqual(["3", "2"]);
  expect(await listed(fake, "flowControlKey=user-1")).toEqual(["3"]);
  expect(await listed(fake, "callerIp=192.0.2.7")).toEqual(["3"]);
  expect(await listed(fake, "state=RUN_FAILED")).toEqual(["4"]);
  expect(await listed(fake, "state=STEP_FAILED")).toEqual(["4"]);
  expect(await get(fake, "/v2/workflows/logs?fromDate=yesterday")).toMatchObject({
    status: 400,
    body: { error: "invalid fromDate: not a number" },
  });
});

test("workflowRuns names runs by id and creation and switches every other filter off", async () => {
  const fake = await start();
  for (let n = 1; n <= 3; n++) fake.store.putRun(run(n));
  fake.store.putRun(run(1, { workflowRunCreatedAt: T0 - 5 })); // the same id again
  const key = (n: number) => `wfr_${n}@${run(n).workflowRunCreatedAt}`;
  expect(await listed(fake, `workflowRuns=${key(1)},${key(3)},wfr_2@7&state=RUN_FAILED&label=none`)).toEqual(["3", "1"]);
  expect((await get(fake, "/v2/workflows/logs?workflowRuns=wfr_1")).status).toBe(400);
});

test.each([
  ["creation", { early: ["1"], middle: ["2"], late: [] }],
  ["event", { early: ["1"], middle: ["2"], late: ["1"] }],
  ["last-event", { early: [], middle: ["2"], late: ["1"] }],
] as const)("fromDate and toDate, inclusive, under the reading %s", async (runs, expected) => {
  const fake = await start({ dates: { runs } });
  fake.store.putRun(run(1, { workflowRunCreatedAt: T0 - 9_000, workflowRunCompletedAt: T0 - 1_000 }));
  fake.store.putRun(run(2, { workflowRunCreatedAt: T0 - 4_000, workflowRunCompletedAt: T0 - 2_000 }));
  expect(await listed(fake, `toDate=${T0 - 9_000}`)).toEqual(expected.early);
  expect(await listed(fake, `fromDate=${T0 - 4_000}&toDate=${T0 - 2_000}`)).toEqual(expected.middle);
  expect(await listed(fake, `fromDate=${T0 - 1_000}`)).toEqual(expected.late);
});

test("trimBody=0 drops every body and nothing else, N cuts to N bytes, -1 is an option", async () => {
  const fake = await start();
  const step = { stepName: "s", state: "STEP_FAILED", out: "abcdef", callBody: "x", errors: [{ error: "e", body: "b", time: 1 }] };
  fake.store.putRun(run(1, { workflowRunResponse: "response", steps: [{ type: "sequential", steps: [step] }] }));
  const bodies = async (trimBody: string) => {
    const [found] = (await get(fake, `/v2/workflows/logs?trimBody=${trimBody}`)).body.runs ?? [];
    return { response: found?.workflowRunResponse, step: found?.steps[0]?.steps[0] };
  };
  expect(await bodies("0")).toEqual({
    response: undefined,
    step: { stepName: "s", state: "STEP_FAILED", errors: [{ error: "e", time: 1 }] },
  });
  expect(await bodies("3")).toMatchObject({ response: "res", step: { stepName: "s", out: "abc" } });
  expect((await bodies("-1")).response).toBe("response");
  fake.options.trimMinusOne = "drop";
  expect((await bodies("-1")).response).toBeUndefined();
});

test("a token that is wrong, missing or rotated away is answered with 401", async () => {
  const fake = await start({ token: "one" });
  const path = "/v2/workflows/logs";
  expect(await get(fake, path, {})).toMatchObject({ status: 401, body: { error: "unauthorized: invalid token" } });
  expect((await get(fake, path, { authorization: "Bearer one" })).status).toBe(200);
  fake.options.token = "two";
  expect((await get(fake, path, { authorization: "Bearer one" })).status).toBe(401);
  expect((await get(fake, path)).status).toBe(200);
});

test("past the limit of a second: 429 with the three burst headers, until the window turns", async () => {
  let now = T0 + 250;
  const fake = await start({ now: () => now, rateLimit: { perSecond: 3, retryAfter: "1" } });
  const answers = [];
  for (let n = 0; n < 4; n++) answers.push(await get(fake, "/v2/workflows/logs"));
  expect(answers.map((answer) => answer.status)).toEqual([200, 200, 200, 429]);
  expect(answers.map((answer) => answer.headers.get("Burst-RateLimit-Remaining"))).toEqual(["2", "1", "0", "0"]);
  expect(answers[3]?.headers.get("Burst-RateLimit-Limit")).toBe("3");
  expect(answers[3]?.headers.get("Burst-RateLimit-Reset")).toBe(String(T0 / 1_000 + 1));
  expect(answers[3]?.headers.get("Retry-After")).toBe("1");
  now = T0 + 1_000;
  expect((await get(fake, "/v2/workflows/logs")).status).toBe(200);
});

test("what somebody else uses of the budget is gone from it", async () => {
  let now = T0;
  const fake = await start({ now: () => now, rateLimit: { perSecond: 10, foreignPerSecond: 8 } });
  expect((await get(fake, "/v2/workflows/logs")).headers.get("Burst-RateLimit-Remaining")).toBe("9");
  now = T0 + 500;
  expect((await get(fake, "/v2/workflows/logs")).headers.get("Burst-RateLimit-Remaining")).toBe("4");
});

test("the daily limit refuses too, and has headers of its own", async () => {
  const fake = await start({ rateLimit: { perDay: 1 } });
  expect((await get(fake, "/v2/workflows/logs")).headers.get("RateLimit-Remaining")).toBe("0");
  expect((await get(fake, "/v2/workflows/logs")).status).toBe(429);
});

test("the Date header is the API's clock", async () => {
  const fake = await start();
  expect((await get(fake, "/v2/workflows/logs")).headers.get("date")).toBe(new Date(T0).toUTCString());
});

test("a run and its events are seen as they stood a lag ago, and nothing of the future is", async () => {
  let now = T0;
  const fake = await start({ now: () => now, lagMs: 2_000 });
  const { workflowRunCompletedAt: _, ...open } = run(1, { workflowState: "RUN_STARTED", workflowRunCreatedAt: T0 });
  fake.store.putRun(open, T0);
  fake.store.putRun({ ...open, workflowState: "RUN_SUCCESS", workflowRunCompletedAt: T0 + 5_000 }, T0 + 5_000);
  fake.store.putEvent(event(1, { time: T0 }));
  fake.store.putEvent(event(2, { time: T0 + 5_000 }));
  const seen = async () => [(await get(fake, "/v2/workflows/logs")).body.runs?.map((each) => each.workflowState), await streamed(fake, "")];
  expect(await seen()).toEqual([[], []]);
  now = T0 + 2_000;
  expect(await seen()).toEqual([["RUN_STARTED"], ["1"]]);
  now = T0 + 7_000;
  expect(await seen()).toEqual([["RUN_SUCCESS"], ["2", "1"]]);
});

test("retention takes what ended, never what is still open", async () => {
  const fake = await start({ retentionMs: 1_000 });
  const { workflowRunCompletedAt: _, ...open } = run(2, { workflowState: "RUN_STARTED" });
  fake.store.putRun(run(1));
  fake.store.putRun(open);
  fake.store.putEvent(event(1));
  expect(await listed(fake, "")).toEqual(["2"]);
  expect(await streamed(fake, "")).toEqual([]);
});

test("a deleted run is gone with its events", async () => {
  const fake = await start();
  for (const n of [1, 2]) {
    fake.store.putRun(run(n));
    fake.store.putEvent(event(n));
  }
  fake.store.deleteRun("wfr_1", run(1).workflowRunCreatedAt);
  expect([await listed(fake, ""), await streamed(fake, "")]).toEqual([["2"], ["2"]]);
});

test("the flat log: up to 1,000 events a page, newest first, with its own filters", async () => {
  const fake = await start();
  for (let n = 1; n <= 1_005; n++) fake.store.putEvent(event(1, { time: T0 - 2_000 + n, stepInfo: { messageId: `msg_${n}` } }));
  const first = await get(fake, "/v2/workflows/messageLogs?count=5000");
  expect(first.body.events?.length).toBe(1_000);
  expect(first.body.events?.[0]?.stepInfo?.messageId).toBe("msg_1005");
  const rest = await get(fake, `/v2/workflows/events?cursor=${first.body.cursor}`);
  expect(rest.body.events?.map((each) => each.stepInfo?.messageId)).toEqual(["msg_5", "msg_4", "msg_3", "msg_2", "msg_1"]);
  expect((await streamed(fake, "messageId=msg_7")).length).toBe(1);
  expect((await streamed(fake, `fromDate=${T0 - 1_500}&toDate=${T0 - 1_499}`)).length).toBe(2);
  expect((await streamed(fake, "state=RUN_FAILED")).length).toBe(0);
});

test("a message log that is off, empty, late or full of holes", async () => {
  const fake = await start();
  for (const n of [1, 2, 3]) fake.store.putEvent(event(n, { time: T0 - 4_000 + n * 1_000 }));
  fake.options.messageLog = { paths: [] };
  expect((await get(fake, "/v2/workflows/messageLogs")).status).toBe(404);
  expect((await get(fake, "/v2/workflows/events")).status).toBe(404);
  expect((await get(fake, "/v2/workflows/events?groupBy=workflowRunId")).status).toBe(200);
  fake.options.messageLog = { paths: ["events"] };
  expect((await get(fake, "/v2/workflows/messageLogs")).status).toBe(404);
  expect((await get(fake, "/v2/workflows/events")).status).toBe(200);
  fake.options.messageLog = { empty: true };
  expect(await streamed(fake, "")).toEqual([]);
  fake.options.messageLog = { lateMs: 1_500 };
  expect(await streamed(fake, "")).toEqual(["2", "1"]);
  fake.options.messageLog = { skip: (each) => each.workflowRunId === "wfr_2" };
  expect(await streamed(fake, "")).toEqual(["3", "1"]);
});

test("an unknown path is 404, another method 405", async () => {
  const fake = await start();
  expect((await get(fake, "/v2/workflows/nothing")).status).toBe(404);
  const answer = await fetch(`${fake.url}/v2/workflows/logs`, { method: "POST", headers: { authorization: `Bearer ${fake.token}` } });
  expect(answer.status).toBe(405);
});
