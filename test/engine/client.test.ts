import { type Client, type WorkflowContext, WorkflowNonRetryableError } from "@upstash/workflow";
import { createWorkflow, serveMany } from "@upstash/workflow/cloudflare";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { WireRun } from "../../src/fake-upstash/wire.ts";
import { type HttpServer, serveHttp } from "../programs/http-server.ts";
import type { Workflows } from "../programs/program.ts";
import { clientOf } from "../programs/run-program.ts";
import { type Engine, type EngineOptions, startEngine } from "./engine.ts";

/** What somebody outside does with the official client, on an engine with an app. */
let engine: Engine;
let app: HttpServer;
let client: Client;
/** Bodies of the deliveries that the app got. */
let delivered: string[];
const HOUR = 3_600_000;

beforeEach(() => {
  vi.spyOn(console, "error").mockImplementation(() => {}); // the SDK and its client report every error there
});
afterEach(async () => {
  await app.close();
  await engine.close();
  vi.restoreAllMocks();
});

async function start(workflows: Workflows, options: EngineOptions = {}, env: Record<string, string> = {}): Promise<void> {
  engine = await startEngine(options);
  client = clientOf(engine);
  const served = serveMany(workflows);
  const own = { QSTASH_URL: engine.url, QSTASH_TOKEN: engine.token, ...env };
  delivered = [];
  app = await serveHttp(async (request) => {
    delivered.push(await request.clone().text());
    return served.fetch(request, own);
  }, engine.now);
}

const url = (name: string) => `${app.url}/wf/${name}`;
const runOf = (id: string): WireRun => engine.store.allRuns().find((run) => run.workflowRunId === id)!;
const stepsOf = (id: string) => runOf(id).steps.flatMap((group) => group.steps);

const waiting = () =>
  createWorkflow(async (context: WorkflowContext) => {
    const { eventData } = await context.waitForEvent("wait", "the event", { timeout: "2h" });
    return context.run("after", () => eventData);
  });
const sleeping = () =>
  createWorkflow(async (context: WorkflowContext) => {
    await context.sleep("sleep", "3h");
  });
const echo = () => createWorkflow(async (context: WorkflowContext) => context.run("echo", () => context.requestPayload));

/** Does something while a triggered run waits: after an hour. */
async function anHourAfter<T>(trigger: () => Promise<unknown>, act: () => Promise<T>): Promise<T> {
  const later = engine.clock.hold(async () => {
    await trigger();
    return { acting: engine.clock.after(HOUR, act) };
  });
  const result = await (await later).acting;
  await engine.idle();
  return result;
}

test("client.logs shows a run as it ended, by id, by label and by state", async () => {
  await start({ echo: echo() });
  const [first, second] = await client.trigger([
    { url: url("echo"), body: { n: 1 }, label: "odd" },
    { url: url("echo"), body: { n: 2 }, label: ["even", "second"] },
  ]);
  await engine.idle();
  const byId = await client.logs({ filter: { workflowRunId: first!.workflowRunId } });
  expect(byId.runs).toMatchObject([{ workflowState: "RUN_SUCCESS", workflowRunResponse: '{"n":1}', label: "odd" }]);
  const byLabel = await client.logs({ filter: { label: "second" } });
  expect(byLabel.runs.map((run) => run.workflowRunId)).toEqual([second!.workflowRunId]);
  expect((await client.logs({ filter: { state: "RUN_FAILED" } })).runs).toEqual([]);
});

test("client.getWaiters names who waits, client.notify wakes them, and nobody is left", async () => {
  await start({ waiting: waiting() });
  const told = await anHourAfter(
    () => client.trigger([{ url: url("waiting") }, { url: url("waiting") }]),
    async () => {
      const waiters = await client.getWaiters({ eventId: "the event" });
      return { waiters, notified: await client.notify({ eventId: "the event", eventData: { by: "Ada" } }) };
    },
  );
  expect(told.waiters.map((waiter) => waiter.url)).toEqual([url("waiting"), url("waiting")]);
  expect(told.notified.map((each) => each.messageId.slice(0, 4))).toEqual(["msg_", "msg_"]);
  expect(engine.store.allRuns().map((run) => run.workflowRunResponse)).toEqual(['{"by":"Ada"}', '{"by":"Ada"}']);
  expect(await client.getWaiters({ eventId: "the event" })).toEqual([]);
  expect(await client.notify({ eventId: "the event", eventData: "nobody" })).toBeNull();
});

test("client.cancel ends runs by id, by URL and by label, and says how many", async () => {
  await start({ sleeping: sleeping(), waiting: waiting() });
  const counts = await anHourAfter(
    async () => {
      await client.trigger([{ url: url("sleeping") }, { url: url("sleeping"), label: "doomed" }, { url: url("waiting") }]);
      await client.trigger({ url: url("waiting"), workflowRunId: "mine" });
    },
    async () => [
      await client.cancel({ filter: { label: "doomed" } }),
      await client.cancel("wfr_mine"),
      await client.cancel({ filter: { workflowUrlStartingWith: `${app.url}/wf/` } }),
      await client.cancel({ filter: { workflowUrl: url("waiting") } }),
    ],
  );
  expect(counts).toEqual([{ cancelled: 1 }, { cancelled: 1 }, { cancelled: 2 }, { cancelled: 0 }]);
  expect(new Set(engine.store.allRuns().map((run) => run.workflowState))).toEqual(new Set(["RUN_CANCELED"]));
  expect(stepsOf("wfr_mine").at(-1)).toMatchObject({ stepType: "Wait", state: "STEP_CANCELED" });
});

test("context.cancel ends its own run", async () => {
  const giveUp = createWorkflow(async (context: WorkflowContext) => {
    await context.run("look", () => {});
    await context.cancel();
  });
  await start({ giveUp });
  const { workflowRunId } = await client.trigger({ url: url("giveUp") });
  await engine.idle();
  expect(runOf(workflowRunId).workflowState).toBe("RUN_CANCELED");
});

test("an id that is live is not started again; one that has ended is, as a run of its own", async () => {
  await start({ sleeping: sleeping() });
  await anHourAfter(
    () => client.trigger({ url: url("sleeping"), workflowRunId: "mine" }),
    () => client.trigger({ url: url("sleeping"), workflowRunId: "mine" }),
  );
  expect(engine.store.allRuns().length).toBe(1);
  await client.trigger({ url: url("sleeping"), workflowRunId: "mine" });
  await engine.idle();
  const runs = engine.store.allRuns();
  expect(runs.map((run) => run.workflowRunId)).toEqual(["wfr_mine", "wfr_mine"]);
  expect(new Set(runs.map((run) => run.workflowRunCreatedAt)).size).toBe(2);
});

test("a caller's traceparent is on every delivery, and on the Initial step's headers in the log", async () => {
  const seen: (string | null)[] = [];
  const traced = createWorkflow(async (context: WorkflowContext) => {
    await context.run("one", () => void seen.push(context.headers.get("traceparent")));
    await context.run("two", () => void seen.push(context.headers.get("traceparent")));
  });
  await start({ traced });
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const { workflowRunId } = await client.trigger({ url: url("traced"), headers: { traceparent } });
  await engine.idle();
  expect(seen).toEqual([traceparent, traceparent]);
  expect(stepsOf(workflowRunId)[0]!.headers).toMatchObject({ Traceparent: [traceparent] });
});

test("what is to be redacted is in neither log", async () => {
  await start({ echo: echo() });
  const redact = { body: true as const, header: ["x-secret"] };
  await client.trigger({ url: url("echo"), body: { card: "4111" }, headers: { "x-secret": "hush", "x-open": "told" }, redact });
  await engine.idle();
  const logs = JSON.stringify([engine.store.allRuns(), engine.store.allEvents()]);
  expect(logs).not.toMatch(/4111|hush/);
  expect(logs).toMatch(/"X-Secret":\["REDACTED:[0-9a-f]{64}"\]/);
  expect(logs).toContain('"X-Open":["told"]');
});

test("an endpoint with other signing keys takes nothing from this engine", async () => {
  const env = { QSTASH_CURRENT_SIGNING_KEY: "sig_a", QSTASH_NEXT_SIGNING_KEY: "sig_b" };
  await start({ echo: echo() }, { signingKeys: { current: "sig_c", next: "sig_d" } }, env);
  const { workflowRunId } = await client.trigger({ url: url("echo"), retries: 0 });
  await engine.idle();
  expect(runOf(workflowRunId).workflowState).toBe("RUN_FAILED");
  expect(JSON.stringify(runOf(workflowRunId).failureFunction)).toContain("Failed to verify");
});

test("a key that has just been rotated in is taken too", async () => {
  const env = { QSTASH_CURRENT_SIGNING_KEY: "sig_a", QSTASH_NEXT_SIGNING_KEY: "sig_b" };
  await start({ echo: echo() }, { signingKeys: { current: "sig_b", next: "sig_c" } }, env);
  const { workflowRunId } = await client.trigger({ url: url("echo"), body: 1 });
  await engine.idle();
  expect(runOf(workflowRunId).workflowState).toBe("RUN_SUCCESS");
});

test("a wrong token is refused, on the publishing side and on the logs'", async () => {
  await start({ echo: echo() });
  const stranger = clientOf({ url: engine.url, token: "wrong" });
  await expect(stranger.trigger({ url: url("echo") })).rejects.toThrow("unauthorized");
  await expect(stranger.logs()).rejects.toThrow("unauthorized");
  expect(engine.store.allRuns()).toEqual([]);
});

test("nothing but this machine is ever asked", async () => {
  const far = createWorkflow(async (context: WorkflowContext) => (await context.call("far", { url: "https://example.com/" })).status);
  await start({ far });
  const { workflowRunId } = await client.trigger({ url: url("far") });
  await engine.idle();
  expect(runOf(workflowRunId).workflowRunResponse).toBe("0");
});

test("deliveries of more messages than are sent come empty, and the SDK fetches its steps", async () => {
  await start({ echo: echo() }, { lazyFetchAbove: 1 });
  const { workflowRunId } = await client.trigger({ url: url("echo"), body: "hello" });
  await engine.idle();
  expect(delivered.map((body) => body === "")).toEqual([false, true]);
  expect(runOf(workflowRunId).workflowRunResponse).toBe('"hello"');
});

/** Ten minutes, less what a message needs from being let in to being logged. */
const ALMOST = 600_000 - 100;

test("flow control lets so many deliveries start in a period", async () => {
  await start({ echo: echo() });
  const flowControl = { key: "slow", rate: 1, period: "10m" } as const;
  await client.trigger([
    { url: url("echo"), flowControl },
    { url: url("echo"), flowControl },
  ]);
  await engine.idle();
  const active = engine.store.allEvents().filter((event) => event.state === "ACTIVE");
  const gaps = active.slice(1).map((event, index) => event.time - active[index]!.time);
  expect(active.length).toBe(4);
  expect(gaps.every((gap) => gap >= ALMOST)).toBe(true);
  const [first, second] = engine.store.allRuns().map((run) => run.steps[0]!.steps[0]!);
  expect(first!.nextDeliveryTime).toBeUndefined();
  expect(second!.nextDeliveryTime! - second!.createdAt!).toBeGreaterThanOrEqual(ALMOST);
});

test("a failed run is listed as dead, resumed with the steps it had, and restarted from its beginning", async () => {
  let healthy = false;
  const fragile = createWorkflow(async (context: WorkflowContext) => {
    const kept = await context.run("kept", () => "kept");
    return context.run("fragile", () => {
      if (!healthy) throw new WorkflowNonRetryableError("broken");
      return kept;
    });
  });
  await start({ fragile });
  const { workflowRunId } = await client.trigger({ url: url("fragile") });
  await client.trigger({ url: url("fragile") });
  await engine.idle();
  healthy = true;
  const { messages } = await client.dlq.list();
  const [newer, older] = messages;
  expect([older!.workflowRunId, older!.dlqId]).toEqual([workflowRunId, runOf(workflowRunId).dlqId]);
  const resumed = await client.dlq.resume({ dlqId: older!.dlqId });
  const restarted = await client.dlq.restart({ dlqId: newer!.dlqId });
  await engine.idle();
  expect(runOf(resumed.workflowRunId)).toMatchObject({ workflowState: "RUN_SUCCESS", workflowRunResponse: '"kept"' });
  const [initial, kept, again] = stepsOf(resumed.workflowRunId);
  expect([initial!.messageId, kept!.messageId]).toEqual(
    stepsOf(workflowRunId)
      .slice(0, 2)
      .map((step) => step.messageId),
  );
  expect(kept!.createdAt).toBeLessThan(runOf(resumed.workflowRunId).workflowRunCreatedAt);
  expect(again!.createdAt).toBeGreaterThanOrEqual(runOf(resumed.workflowRunId).workflowRunCreatedAt);
  expect(stepsOf(restarted.workflowRunId).every((step) => step.createdAt! >= Number(restarted.workflowCreatedAt))).toBe(true);
  expect((await client.dlq.list()).messages).toEqual([]);
});

test("siblings without a result are resumed beside the one that failed", async () => {
  let healthy = false;
  const siblings = createWorkflow(async (context: WorkflowContext) =>
    Promise.all([
      context.run("done", () => "done"),
      context.sleep("asleep", "3d"),
      context.run("fragile", () => {
        if (!healthy) throw new WorkflowNonRetryableError("broken");
        return "mended";
      }),
    ]),
  );
  await start({ siblings });
  const { workflowRunId } = await client.trigger({ url: url("siblings") });
  await engine.idle();
  healthy = true;
  const resumed = await client.dlq.resume({ dlqId: runOf(workflowRunId).dlqId! });
  await engine.idle();
  expect(runOf(resumed.workflowRunId)).toMatchObject({ workflowState: "RUN_SUCCESS", workflowRunResponse: '["done",null,"mended"]' });
  expect(runOf(resumed.workflowRunId).steps[1]!.steps.map((step) => step.stepName)).toEqual(["done", "asleep", "fragile"]);
});

test("a failure function that failed can be called again", async () => {
  let told = 0;
  const fatal = createWorkflow(
    async (context: WorkflowContext) =>
      context.run("fatal", () => {
        throw new WorkflowNonRetryableError("fatal");
      }),
    {
      failureFunction: () => {
        if (++told === 1) throw new Error("not now");
        return "told";
      },
    },
  );
  await start({ fatal });
  const { workflowRunId } = await client.trigger({ url: url("fatal"), retries: 0 });
  await engine.idle();
  const failed = runOf(workflowRunId);
  expect(failed.failureFunction).toMatchObject({ state: "CALLBACK_FAIL", errors: [{ status: 500 }] });
  await client.dlq.retryFailureFunction({ dlqId: failed.dlqId! });
  await engine.idle();
  expect(runOf(workflowRunId).failureFunction).toMatchObject({ state: "CALLBACK_SUCCESS", responseBody: '{"result":"told"}' });
});
