import { describe, expect, test } from "vitest";
import { type BackfillArgs, backfillSource } from "../../src/pipeline/backfill.ts";
import { type Before, leftSchema, type SourceBackfill } from "../../src/pipeline/backfill-progress.ts";
import { createHandlers, isBackfilled } from "../../src/pipeline/job-handlers.ts";
import type { EventQuery, RunEvent, RunSource } from "../../src/sources/source.ts";
import type { DateReading } from "../../src/state/source-state.ts";
import type { Program } from "../support/log-api.ts";
import { DAY, HOUR, KEEP_ALL, type ReadRig, readRig } from "../support/pipeline.ts";
import { T0 } from "../support/run-builder.ts";

/** The rig starts at T0 + 1 h, with `start_from: 1h`: the epoch is T0, and what is backfilled ended long before. */

const START = T0 + HOUR;
const ARGS: BackfillArgs = {
  from: START - 7 * DAY,
  to: START - HOUR,
  workflowUrls: [],
  labels: [],
  states: [],
  force: false,
  dryRun: false,
  words: "{}",
  concurrency: 8,
};
const READINGS: readonly DateReading[] = ["creation", "event", "last-event"];

/** Created `from` ms before the start, and so long. */
const program = (id: string, ago: number, length: number, over: Partial<Program> = {}): Program => ({
  id,
  createdAt: START - ago,
  endsAt: START - ago + length,
  ...over,
});
/** Evenly over the six days before yesterday. */
const many = (count: number, length = 5_000, over: Partial<Program> = {}) =>
  Array.from({ length: count }, (_, n) => program(`r${n}`, 7 * DAY - Math.floor((n * 6 * DAY) / count), length, over));

async function backfill(rig: ReadRig, over: Partial<BackfillArgs> = {}, before?: Before, signal = new AbortController().signal) {
  const reports: SourceBackfill[] = [];
  const report = async (now: SourceBackfill) => void reports.push(now);
  const done = await rig.clock.until(backfillSource(rig.loop, { ...ARGS, ...over }, before, report, signal));
  return { ...done, reports };
}

const ids = async (rig: ReadRig) => Object.keys(await rig.collected()).sort();
const asked = (rig: ReadRig, purpose = "backfill") => rig.api.calls.filter((call) => call.purpose === purpose);

describe.each(READINGS)("where the dates mean %s", (reading) => {
  test("every run created in the range is collected, whenever it ended, and no other; the reading is found out once", async () => {
    const rig = await readRig();
    rig.api.dates = reading;
    rig.api.programs.push(
      ...many(300),
      program("before", 8 * DAY, 5_000),
      program("across the start", 8 * DAY, 2 * DAY),
      program("long", 6 * DAY, 5 * DAY),
      program("across the end", 2 * HOUR, 90 * 60_000),
      program("after", HOUR / 2, 5_000),
      { id: "runs", createdAt: START - 3 * DAY },
    );
    const done = await backfill(rig);
    expect(done).toMatchObject({ dates: reading, complete: true, left: [], counts: { runs: 303, queued: 302, running: 1, lost: 0 } });
    expect(await ids(rig)).toEqual([...many(300).map(({ id }) => id), "across the end", "long"].sort());
    expect((await rig.store.findRuns("eu", [{ id: "runs", createdAt: START - 3 * DAY }]))[0]).toMatchObject({ phase: "open" });
    expect((await rig.store.readSource("eu"))?.dates).toBe(reading);

    const requests = asked(rig).length;
    const again = await backfill(rig);
    expect(again.counts).toMatchObject({ runs: 303, known: 302, queued: 0 });
    expect(asked(rig).length).toBeLessThan(requests + 60);
  });

  test("and no known run shows it: nothing is lost, what reaches beyond its window is asked for by its id", async () => {
    const rig = await readRig();
    rig.api.dates = reading;
    rig.api.programs.push(...many(100, 10), program("long", 6 * DAY, 5 * DAY, { state: "RUN_FAILED" }));
    const done = await backfill(rig);
    expect(done).toMatchObject({ dates: undefined, complete: true });
    expect(await ids(rig)).toEqual([...many(100).map(({ id }) => id), "long"].sort());
    const fetched = asked(rig).flatMap((call) => (call.method === "fetch" ? call.keys.map(({ id }) => id) : []));
    expect(fetched).toContain("long");
    expect(fetched.length).toBeLessThan(10);
  });
});

test("what was stopped goes on where it was: windows that are done are not listed again", async () => {
  const rig = await readRig();
  rig.api.programs.push(...many(1_000));
  const stop = new AbortController();
  let listed = 0;
  rig.api.fault = ({ purpose }) => {
    listed += purpose === "backfill" ? 1 : 0;
    if (listed === 70) stop.abort();
    return undefined;
  };
  const first = await backfill(rig, {}, undefined, stop.signal);
  const collected = (await ids(rig)).length;
  expect([first.complete, collected > 100, collected < 900]).toEqual([false, true, true]);
  rig.api.fault = () => undefined;
  const before = leftSchema.parse(JSON.parse(JSON.stringify({ sources: [first.reports.at(-1)] }))).sources[0];
  const second = await backfill(rig, {}, before);
  expect(second).toMatchObject({ complete: true, counts: { runs: 1_000, queued: 1_000 - second.counts.known } });
  expect(before?.counts.queued).toBeGreaterThan(0);
  expect(before?.counts.queued).toBeLessThanOrEqual(second.counts.queued);
  expect(second.counts.known).toBeLessThan(collected);
  expect(second.requests).toBeGreaterThan(before?.requests ?? 0);
  expect(second.took).toBeGreaterThanOrEqual(before?.took ?? 0);
  expect(await ids(rig)).toHaveLength(1_000);
  expect(asked(rig).length).toBeLessThan(100 + 70 + 30);
});

test.each(READINGS)(
  "where nothing shows that the dates mean %s, a run that several windows show counts once, and is not said to be known",
  async (reading) => {
    const rig = await readRig();
    rig.api.dates = reading;
    const failed = many(150, DAY / 2, { state: "RUN_FAILED" }); // no run that was a success shows the reading
    rig.api.programs.push(...failed, { id: "runs", createdAt: START - 6 * DAY });
    const done = await backfill(rig);
    expect(done).toMatchObject({ dates: undefined, complete: true, counts: { runs: 151, queued: 150, known: 0, running: 1, lost: 0 } });
    expect((await backfill(rig)).counts).toMatchObject({ runs: 151, queued: 0, known: 150, running: 1 });
  },
);

test("a run that waits for another counts once, as waiting, and is not complete; when the bridge has seen the other's end it is sent", async () => {
  const rig = await readRig({ destinations: [{ name: "jaeger", encoding: "protobuf", sampling: { ratio: 0, keep: ["failed"] } }] });
  const parent = { id: "parent", createdAt: START - 30 * DAY, invokes: [{ id: "child", createdAt: START - 2 * DAY }] };
  rig.api.programs.push(parent, program("child", 2 * DAY, 5_000, { invoker: parent }));
  const done = await backfill(rig);
  expect(done).toMatchObject({ complete: true, counts: { runs: 1, queued: 0, excluded: 0, waiting: 1, spans: 0 } });
  expect(isBackfilled(done)).toBe(false);
  Object.assign(parent, { endsAt: START + HOUR, state: "RUN_FAILED" });
  await rig.clock.advance(3 * HOUR);
  await rig.clock.until(rig.loop.once(new AbortController().signal));
  const after = await backfill(rig);
  expect(after).toMatchObject({ counts: { runs: 1, queued: 1 - after.counts.known, excluded: 0, waiting: 0 } }); // whoever was first
  expect((await rig.store.outcomes("eu", [{ id: "child", createdAt: START - 2 * DAY }]))[0]?.destinations).toEqual({ jaeger: "queued" });
  expect(isBackfilled(after)).toBe(true);
});

test("ten runs cost about a request, however many windows that are", async () => {
  const rig = await readRig();
  rig.api.programs.push(...many(3_000));
  const { requests } = await backfill(rig);
  expect(requests).toBeLessThanOrEqual(330);
  expect(await ids(rig)).toHaveLength(3_000);
}, 60_000);

test("parents come before their children: nothing is asked for to nest a tree", async () => {
  const rig = await readRig();
  const parents = many(60, HOUR).map((one) => ({ ...one, invokes: [{ id: `${one.id}.child`, createdAt: one.createdAt + 60_000 }] }));
  const children = parents.map((one) => ({ ...one, id: `${one.id}.child`, createdAt: one.createdAt + 60_000, invokes: [], invoker: one }));
  rig.api.programs.push(...parents, ...children);
  expect((await backfill(rig)).counts).toMatchObject({ queued: 120 });
  expect(asked(rig, "ancestors").length).toBeLessThan(4);
});

test("who invoked a run and is gone from the log is not waited for: it ended long ago", async () => {
  const rig = await readRig();
  rig.api.programs.push(program("child", 2 * DAY, 5_000, { invoker: { id: "gone", createdAt: START - 9 * DAY } }));
  expect(await backfill(rig)).toMatchObject({ counts: { queued: 1, waiting: 0 } });
});

test("whole trees are sampled: a child that failed keeps its parent, which was met before", async () => {
  const rig = await readRig({ destinations: [{ name: "jaeger", encoding: "protobuf", sampling: { ratio: 0, keep: ["failed"] } }] });
  const tree = (id: string, state: "RUN_SUCCESS" | "RUN_FAILED") => {
    const parent = program(id, 3 * DAY, DAY);
    const child = program(`${id}.child`, 2.5 * DAY, 5_000, { invoker: parent, state });
    return [{ ...parent, invokes: [child] }, child];
  };
  rig.api.programs.push(...tree("good", "RUN_SUCCESS"), ...tree("bad", "RUN_FAILED"));
  const { counts } = await backfill(rig);
  expect(counts).toMatchObject({ runs: 4 });
  const outcomes = await rig.store.outcomes("eu", rig.api.programs);
  expect(outcomes.map((one) => one?.destinations.jaeger)).toEqual(["excluded (sampled)", "excluded (sampled)", "queued", "queued"]);
});

describe("what is sent again", () => {
  test("nothing, though a destination that was added gets what it lacks; with force everything, the same bytes", async () => {
    const rig = await readRig();
    rig.api.programs.push(...many(5), program("failed", 2 * DAY, 5_000, { state: "RUN_FAILED", failure: { settlesAt: START - DAY } }));
    const settle = async (name: string) => {
      const rows = await rig.store.queued(name, "protobuf", 0, 1e9);
      await rig.store.settle(
        name,
        rows.map(({ id, spans, bytes }) => ({ id, outcome: "delivered", spans, bytes })),
        rig.clock.now(),
      );
      return rows.map(({ key, part, chunks }) => ({ key, part, chunks })).sort((a, b) => (a.key.id + a.part < b.key.id + b.part ? -1 : 1));
    };
    expect((await backfill(rig)).counts).toMatchObject({ queued: 6 });
    const first = await settle("jaeger");
    expect(first).toHaveLength(7);
    expect((await backfill(rig)).counts).toMatchObject({ queued: 0, known: 6 });
    expect((await backfill(rig, { force: true })).counts).toMatchObject({ queued: 6, known: 0 });
    expect(await settle("jaeger")).toEqual(first);

    await rig.store.syncDestinations(["jaeger", "tempo"], rig.clock.now());
    const both = await readRig({
      ...rig,
      destinations: [...KEEP_ALL, { name: "tempo", encoding: "protobuf", sampling: { ratio: 1, keep: [] } }],
    });
    expect((await backfill(both)).counts).toMatchObject({ queued: 6 });
    expect([await settle("tempo"), await settle("jaeger")]).toEqual([first, []]);
  });
});

test("the user's filters hold whatever the API makes of them", async () => {
  const rig = await readRig();
  rig.api.programs.push(
    program("billing", 2 * DAY, 5_000, { labels: ["billing", "x"] }),
    program("other", 2 * DAY, 5_000, { labels: ["x"] }),
    program("failed", 2 * DAY, 5_000, { labels: ["billing"], state: "RUN_FAILED" }),
    program("elsewhere", 2 * DAY, 5_000, { labels: ["billing"], url: "https://other.example/api" }),
  );
  const only = { labels: ["billing"], states: ["RUN_SUCCESS"], workflowUrls: ["https://shop.example.com/api/orders"] };
  expect((await backfill(rig, only)).counts).toMatchObject({ runs: 1, queued: 1 });
  expect(await ids(rig)).toEqual(["billing"]);
});

test("a dry run counts, and writes nothing", async () => {
  const rig = await readRig();
  rig.api.programs.push(...many(30), { id: "runs", createdAt: START - 3 * DAY });
  expect(await backfill(rig, { dryRun: true })).toMatchObject({ complete: true, counts: { runs: 31, queued: 30, running: 1 } });
  expect(await ids(rig)).toEqual([]);
});

test("while the state is full it waits, and goes on when there is room", async () => {
  const rig = await readRig();
  rig.api.programs.push(...many(300));
  await rig.clock.until(rig.loop.reader(new AbortController().signal));
  rig.room = false;
  const running = backfill(rig);
  await rig.clock.advance(10 * 60_000);
  expect(await ids(rig)).toEqual([]);
  rig.room = true;
  expect(await running).toMatchObject({ complete: true, counts: { queued: 300 } });
});

test("an API that is down is waited for; a token that is refused is said", async () => {
  const rig = await readRig();
  rig.api.programs.push(...many(50));
  let failures = 30;
  rig.api.fault = ({ purpose }) => {
    failures -= purpose === "backfill" ? 1 : 0;
    return failures > 0 && purpose === "backfill" ? { kind: "unavailable", reason: "server_error", message: "HTTP 500" } : undefined;
  };
  const done = await backfill(rig);
  expect(done).toMatchObject({ complete: true, counts: { queued: 50 } });
  expect(new Set(done.reports.map(({ stalled }) => stalled))).toEqual(new Set([undefined, "HTTP 500"]));
  expect(done.reports.filter(({ stalled }) => stalled !== undefined).length).toBeGreaterThan(5);
  rig.api.fault = () => ({ kind: "refused", reason: "unauthorized", message: "401" });
  const refused = await backfill(rig);
  expect(refused).toMatchObject({ complete: false, trouble: "401" });
  expect(refused.left).not.toEqual([]);
});

test("with detail the message log is read once, and every run is mapped with its events", async () => {
  const rig = await readRig({ config: { completion_feed: "auto", detail: "messages" } });
  rig.api.feed = "honest";
  rig.api.programs.push(...many(600), program("long", 6 * DAY, 5 * DAY));
  const { requests } = await backfill(rig);
  const events = rig.api.calls.filter((call) => call.method === "events");
  expect(events.filter((call) => call.method === "events" && call.run !== undefined)).toEqual([]);
  expect(events.length).toBeLessThan(40);
  expect(requests).toBeLessThan(120);
  expect(await ids(rig)).toHaveLength(601);
});

test("as a job it goes on with what it reported before, and is not done where it was stopped", async () => {
  const rig = await readRig();
  rig.api.programs.push(...many(20));
  const handlers = createHandlers({
    store: rig.store,
    sources: [rig.context],
    loops: [rig.loop],
    clock: rig.clock,
    wakeUp: () => undefined,
  });
  const signal = new AbortController().signal;
  const run = (args: object, over = signal, before?: object) =>
    rig.clock.until(handlers.backfill?.(args as never, async () => undefined, over, before as never) ?? Promise.resolve(undefined));
  expect(await run({ ...ARGS }, AbortSignal.abort())).toBeUndefined();
  expect(await run({ from: "x" })).toMatchObject({ exitCode: 2 });
  const range = { from: ARGS.from, to: ARGS.to };
  const half = { from: ARGS.from, to: START - 4 * DAY };
  const rest = { source: "eu", range, left: [half], counts: { runs: 9 }, requests: 3 };
  const done = await run({ ...ARGS }, signal, { sources: [rest] });
  expect(done).toMatchObject({ exitCode: 0, progress: { sources: [{ complete: true, counts: { runs: expect.any(Number) } }] } });
  expect((await ids(rig)).length).toBe(many(20).filter(({ createdAt }) => createdAt <= half.to).length);
});

test("a burst in the message log after a silence is read in smaller pieces", async () => {
  const rig = await readRig({ config: { completion_feed: "auto", detail: "messages" } });
  const from = START - 2 * DAY;
  const runs = Array.from({ length: 60 }, (_, n) => program(`r${n}`, 2 * DAY, 3_000));
  rig.api.programs.push(...runs);
  const total = 90_000; // in three seconds
  const eventAt = (n: number) => ({
    ...runs[n % 60],
    url: "",
    time: from + Math.floor(n / 30),
    state: n >= total - 60 ? "RUN_SUCCESS" : "ACTIVE",
  });
  const asked: EventQuery[] = [];
  const events: RunSource["events"] = async (query) => {
    asked.push(query);
    const { fromDate = 0, toDate = 0, cursor } = query;
    const last = Math.min(total, (toDate + 1 - from) * 30, Number(cursor ?? total)) - 1;
    const first = Math.max(0, (fromDate - from) * 30, last - 999);
    const page = Array.from({ length: Math.max(0, last - first + 1) }, (_, n) => eventAt(last - n) as RunEvent);
    return { kind: "ok", value: { events: page, unreadable: [], ...(page.length === 1_000 && { cursor: String(first) }) } };
  };
  Object.assign(rig.api.source, { events });
  await backfill(rig);
  expect(asked.filter(({ workflowRunId }) => workflowRunId !== undefined)).toEqual([]);
  expect(asked.length).toBeLessThan(90 + 220);
  expect(await ids(rig)).toHaveLength(60);
});

test("a message log that does not look at the dates is not read for detail: it would be read whole, again and again", async () => {
  const rig = await readRig({ config: { completion_feed: "auto", detail: "messages" } });
  rig.api.feed = "honest";
  rig.api.eventDates = false;
  rig.api.programs.push(...many(100));
  expect(await backfill(rig)).toMatchObject({ complete: true, counts: { queued: 100 } });
  expect(rig.api.calls.filter((call) => call.method === "events").length).toBeLessThan(3);
});
