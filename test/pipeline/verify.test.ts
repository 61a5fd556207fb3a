import pino from "pino";
import { beforeEach, describe, expect, test } from "vitest";
import { readSpans } from "../../src/fake-upstash/otlp-spans.ts";
import type { WorkflowRun } from "../../src/model/run.ts";
import { serverClock, systemClock } from "../../src/pipeline/clock.ts";
import type { SourceContext } from "../../src/pipeline/context.ts";
import { createHandlers, verifyAll } from "../../src/pipeline/job-handlers.ts";
import { type VerifyWindow, verifySource } from "../../src/pipeline/verify.ts";
import type { Reply, RunPage, RunSource } from "../../src/sources/source.ts";
import { matchesFilters, upstashSourceSchema } from "../../src/sources/upstash/config.ts";
import type { RunChange, Store, Watch } from "../../src/state/store.ts";
import { openMemoryStore } from "../support/memory-store.ts";
import { event, info, message } from "../support/message-log.ts";
import { KEEP_ALL } from "../support/pipeline.ts";
import { aRun, group, initial, settingsWith, step, T0 } from "../support/run-builder.ts";
import { part, queue, refused } from "../support/store-samples.ts";

const HOUR = 3_600_000;
const EPOCH = T0 - 10 * HOUR;
const NOW = T0 + HOUR;
const ALL: VerifyWindow = { from: 0, to: Number.MAX_SAFE_INTEGER, repair: false, unreadSince: Number.POSITIVE_INFINITY };
const signal = new AbortController().signal;

let store: Store;
let replies: (Reply<RunPage> | RunPage)[];
let asked: unknown[];
beforeEach(async () => {
  store = openMemoryStore({ now: () => NOW });
  replies = [];
  asked = [];
  await store.syncDestinations(["jaeger"], EPOCH);
  await store.commit({ source: "eu", state: { epoch: EPOCH }, runs: [] });
});

const source: RunSource = {
  name: "eu",
  async list(query) {
    asked.push(query);
    const reply = replies.shift() ?? { runs: [], unreadable: [] };
    return "kind" in reply ? reply : { kind: "ok", value: reply };
  },
  fetch: async () => ({ kind: "ok", value: { runs: [], unreadable: [], refused: [] } }),
  events: async () => ({ kind: "refused", reason: "not_found", message: "" }),
  budget: () => ({ allowed: 10, ceiling: 10, used: {}, foreign: 0 }),
  refreshSecrets: () => false,
  close: async () => undefined,
};

function context(over: Partial<SourceContext> = {}, config: object = {}): SourceContext {
  const parsed = upstashSourceSchema.parse({ name: "eu", token: "secret", ...config });
  const clock = { ...systemClock, now: () => NOW };
  return {
    source,
    config: parsed,
    store,
    settings: settingsWith({}, { workflows: [{ match: { url: "*/internal/*" }, drop: true }] }),
    destinations: [{ name: "jaeger", encoding: "protobuf", sampling: { ratio: 1, keep: [] } }],
    matches: (run) => matchesFilters(run, parsed.filters),
    hasRoom: async () => true,
    maxEventBytes: 0,
    onQueued: () => undefined,
    clock,
    server: serverClock(clock),
    log: pino({ level: "silent" }),
    ...over,
  };
}

const ended = (id: string, over: Partial<WorkflowRun> = {}) => aRun(1_000, [group(step("Run", "work", 900))], { id, ...over });
const page = (runs: readonly WorkflowRun[], cursor?: string): RunPage => ({
  runs,
  unreadable: [],
  ...(cursor !== undefined && { cursor }),
});
const known = (id: string, change: Partial<RunChange> = {}) =>
  store.commit({ source: "eu", runs: [{ key: { id, createdAt: T0 }, phase: "done", endedAt: T0 + 1_000, ...change }] });
const watch = (reason: Watch["reason"]): Watch => ({ reason, dueAt: NOW, polls: 0 });

const verify = (window: Partial<VerifyWindow> = {}, of = context()) =>
  verifySource(of, { ...ALL, ...window }, async () => undefined, signal);

describe("a run that ended and that no destination has", () => {
  test.each<[string, string, () => Promise<unknown> | undefined, Partial<WorkflowRun>]>([
    ["was never heard of", "missing", () => undefined, {}],
    ["is believed to be done", "missing", () => known("r", { parts: [] }), {}],
    ["is not asked for any more, although open", "missing", () => known("r", { phase: "open" }), {}],
    ["was gone and is back", "missing", () => known("r", { phase: "gone" }), {}],
    ["is asked for", "waiting (open)", () => known("r", { phase: "open", watch: watch("open") }), {}],
    ["waits for its ancestor", "waiting (ancestor)", () => known("r", { phase: "waiting", watch: watch("ancestor") }), {}],
    ["was dropped by a rule", "excluded (dropped)", () => known("r", { placement: "none" }), {}],
    ["would be dropped by a rule", "excluded (dropped)", () => undefined, { url: "https://a.example/internal/x" }],
    ["ended before the first start", "excluded (before_start)", () => undefined, { createdAt: EPOCH - HOUR, completedAt: EPOCH - 1 }],
    [
      "could not be read before",
      "quarantined",
      () => store.commit({ source: "eu", runs: [], unreadable: [{ key: { id: "r", createdAt: T0 }, reason: "unreadable", message: "x" }] }),
      {},
    ],
    [
      "could not be read before, and was dropped from the quarantine",
      "dropped",
      async () => {
        await store.commit({
          source: "eu",
          runs: [],
          unreadable: [{ key: { id: "r", createdAt: T0 }, reason: "unreadable", message: "x" }],
        });
        await store.dropQuarantined((await store.quarantined({})).map(({ id }) => id));
      },
      {},
    ],
    [
      "was refused, and was dropped from the quarantine",
      "dropped",
      async () => {
        await known("r", { parts: [part("x", ["jaeger"])] });
        await store.settle("jaeger", [refused((await queue(store, "jaeger"))[0]!.id, "x")], NOW);
        await store.dropQuarantined((await store.quarantined({})).map(({ id }) => id));
      },
      {},
    ],
  ])("and %s: %s… as %s", async (...[, word, arrange, over]) => {
    await arrange();
    replies = [page([ended("r", over)])];
    const { destinations, missing } = await verify();
    expect(destinations).toEqual({ jaeger: { [word]: 1 } });
    expect(missing.runs).toBe(word === "missing" ? 1 : 0);
  });

  test("and the filters leave out, is excluded", async () => {
    replies = [page([ended("r")])];
    const { destinations } = await verify({}, context({}, { filters: { labels: ["other"] } }));
    expect(destinations).toEqual({ jaeger: { "excluded (filtered)": 1 } });
  });

  test("and has ended a moment ago, waits to be read by the running bridge", async () => {
    replies = [page([ended("r")])];
    expect((await verify({ unreadSince: T0 })).destinations).toEqual({ jaeger: { "waiting (unread)": 1 } });
  });

  test("and is older than what the bridge remembers, is not missing: it would be sent twice", async () => {
    replies = [page([ended("r")])];
    await store.commit({ source: "eu", state: { epoch: EPOCH, watermark: T0 + 72 * HOUR }, runs: [] });
    const forgetful = context({ server: { ...serverClock(systemClock), now: () => T0 + 72 * HOUR } }, { retention: "24h" });
    expect((await verify({}, forgetful)).destinations).toEqual({ jaeger: { "excluded (forgotten)": 1 } });
  });

  test("and was collected before the destination was added, is excluded for that one alone", async () => {
    await store.syncDestinations(["jaeger", "tempo"], NOW);
    const parts = [
      { part: 0, payloads: [], firstEnd: T0, lastEnd: T0, spans: 1, deliveries: [{ destination: "jaeger", excluded: "sampled" }] },
    ];
    await known("r", { placement: "own", parts });
    replies = [page([ended("r")])];
    expect((await verify()).destinations).toEqual({ jaeger: { "excluded (sampled)": 1 }, tempo: { "excluded (before_destination)": 1 } });
  });
});

test("only ends count for the window, not creations; running ones and unreadable entries are counted apart", async () => {
  replies = [
    {
      runs: [ended("long", { createdAt: T0 - 9 * HOUR, completedAt: T0 }), aRun(undefined, [], { state: "RUN_STARTED" })],
      unreadable: [{ position: 2, reason: "x" }],
      cursor: "1",
    },
    page([ended("before", { completedAt: T0 - 1 }), ended("after", { id: "after", completedAt: T0 + 2 })]),
  ];
  const found = await verify({ from: T0, to: T0 + 1 });
  expect(found).toMatchObject({
    listed: 5,
    ended: 1,
    open: 1,
    unreadable: 1,
    missing: { runs: 1, first: [{ id: "long", endedAt: T0, destinations: ["jaeger"] }] },
  });
  expect(asked).toEqual([{ count: 10 }, { count: 10, cursor: "1" }]);
});

test("a run on two pages counts once", async () => {
  replies = [page([ended("r")], "1"), page([ended("r")])];
  expect(await verify()).toMatchObject({ listed: 2, ended: 1, destinations: { jaeger: { missing: 1 } }, missing: { runs: 1 } });
});

test("repair queues what is missing, for whoever lacks it, and nothing twice", async () => {
  await known("done", { parts: [] });
  let rung = 0;
  const of = context({ onQueued: () => (rung += 1) });
  const runs = [ended("new"), ended("done"), ended("dropped", { url: "https://a.example/internal/x" })];
  replies = [page(runs), page(runs)];
  expect(await verify({ repair: true }, of)).toMatchObject({
    destinations: { jaeger: { queued: 2, "excluded (dropped)": 1 } },
    missing: { runs: 0, first: [] },
    repaired: { runs: 2, first: [{ id: "new" }, { id: "done" }] },
  });
  expect(await verify({ repair: true }, of)).toMatchObject({ repaired: { runs: 0 }, destinations: { jaeger: { queued: 2 } } });
  expect((await store.queued("jaeger", "protobuf", 0, 1e9)).map((row) => row.key.id).sort()).toEqual(["done", "new"]);
  expect(rung).toBe(1);
});

test("a repair reads the message log as the bridge does, so that the run gives the spans it would have given", async () => {
  const log = message("msg_initial", info("Initial", "init"), [1, "CREATED"], [2, "ACTIVE"], [100, "ERROR", { responseStatus: 500 }]);
  const again = message(
    "msg_initial",
    info("Initial", "init"),
    [101, "RETRY", { nextDeliveryTime: T0 + 500 }],
    [500, "ACTIVE"],
    [910, "DELIVERED"],
  );
  const result = message("msg_1", info("Run", "work", { id: 1 }), [900, "CREATED"], [901, "ACTIVE"], [950, "DELIVERED"]);
  const events = [...log, ...again, ...result, event(1_000, "RUN_SUCCESS")];
  const answering: RunSource = {
    ...source,
    events: async ({ workflowRunId }) => ({
      kind: "ok",
      value: { events: events.map((one) => ({ ...one, id: workflowRunId ?? "" })), unreadable: [] },
    }),
  };
  const run = ended("r", {
    groups: [group({ ...initial(), messageId: "msg_initial" }), group(step("Run", "work", 900, { id: 1, messageId: "msg_1" }))],
  });
  const namesOf = async () => {
    const queued = await store.queued("jaeger", "protobuf", 0, 1_000_000);
    return queued.flatMap(({ chunks }) => chunks.flatMap(({ bytes }) => readSpans(bytes, "protobuf").spans.map((span) => span.name)));
  };
  const of = (status: "trusted" | "distrusted") => {
    return store.commit({ source: "eu", state: { epoch: EPOCH, feed: { status, detailFrom: EPOCH } }, runs: [] });
  };
  const reading = context({ source: answering, destinations: KEEP_ALL }, { completion_feed: "auto", detail: "auto" });
  await of("trusted");
  replies = [page([run])];
  expect(await verify({ repair: true }, reading)).toMatchObject({ repaired: { runs: 1 } });
  expect(await namesOf()).toEqual(expect.arrayContaining(["attempt 1", "backoff", "attempt 2"]));

  await of("distrusted");
  replies = [page([{ ...run, id: "other" }])];
  expect(await verify({ repair: true }, reading)).toMatchObject({ repaired: { runs: 1 } });
  expect((await namesOf()).filter((name) => name === "attempt 1")).toHaveLength(1);
});

test("where there is no room for payloads a repair leaves the runs missing, and says so", async () => {
  await known("done", { parts: [] });
  replies = [page([ended("done")])];
  expect(await verify({ repair: true }, context({ hasRoom: async () => false }))).toMatchObject({
    missing: { runs: 1 },
    repaired: { runs: 0 },
  });
});

test("a cursor that expires begins the listing again, a few times; the counts are those of the last one", async () => {
  const expired = { kind: "refused", reason: "bad_request", message: "cursor expired" } as const;
  replies = [page([ended("r")], "1"), expired, page([ended("r")], "2"), page([ended("s")])];
  expect(await verify()).toMatchObject({ listed: 2, ended: 2, missing: { runs: 2 } });
  replies = [1, 2, 3, 4].flatMap((n) => [page([], String(n)), expired]);
  expect((await verify()).trouble).toBe("cursor expired");
});

test("what cannot be listed whole says why, and is never complete", async () => {
  replies = [page([ended("r")], "1"), { kind: "refused", reason: "unauthorized", message: "401: unauthorized" }];
  expect(await verify()).toMatchObject({ listed: 1, trouble: "401: unauthorized" });
  replies = [page([], "1"), page([], "1")];
  expect(await verify()).toMatchObject({ trouble: expect.stringContaining("repeats a cursor") });
  expect(await verify({}, context({ source: { ...source, name: "unread" } }))).toMatchObject({
    listed: 0,
    trouble: "the bridge has not read it yet",
  });
});

test("as a job it gives its report, and does not pretend to be done when it was stopped", async () => {
  const of = context();
  const handlers = createHandlers({ store, sources: [of], loops: [], clock: of.clock, wakeUp: () => undefined });
  const args = { from: 0, to: NOW, repair: false };
  replies = [page([ended("r")])];
  const listed: unknown[] = [];
  const report = async (progress: unknown) => void listed.push(progress);
  expect(await handlers.verify?.(args, report, signal)).toMatchObject({
    exitCode: 1,
    progress: { sources: [{ source: "eu", missing: { runs: 1 } }] },
  });
  expect(listed).toEqual([{ listed: 1 }]);
  expect(await handlers.verify?.(args, report, signal)).toMatchObject({ exitCode: 0 });
  expect(await handlers.verify?.(args, report, AbortSignal.abort())).toBeUndefined();
  expect(await handlers.verify?.({ from: "x" }, report, signal)).toMatchObject({ exitCode: 2 });
  expect(await handlers.requeue?.({ ids: ["1"] }, report, signal)).toMatchObject({ exitCode: 2 });
  expect((await verifyAll([of, of], ALL, async () => undefined, signal)).map((one) => one.source)).toEqual(["eu", "eu"]);
});
