import { describe, expect, test } from "vitest";
import { readSpans } from "../../src/fake-upstash/otlp-spans.ts";
import type { FailureFunction } from "../../src/model/run.ts";
import { verifySource } from "../../src/pipeline/verify.ts";
import { failureSpanId, runSpanId } from "../../src/trace/ids.ts";
import { type Program, program, START } from "../support/log-api.ts";
import { DAY, HOUR, KEEP_ALL, type ReadOptions, type ReadRig, readRig } from "../support/pipeline.ts";
import { delivered } from "../support/store-samples.ts";

/** A failure function that a user has run again, through the source's loop. */

const MINUTE = 60_000;
const never = new AbortController().signal;
const KEY = { id: "r", createdAt: START + 1_000 };

const called = (messageId: string | undefined, state = "CALLBACK_SUCCESS"): FailureFunction => ({
  state,
  errors: [],
  ...(messageId !== undefined && { messageId }),
});
const failed = (failureFunction: FailureFunction | undefined): Program =>
  program("r", 1_000, 5_000, { state: "RUN_FAILED", ...(failureFunction && { over: { failureFunction } }) });
/** The log shows another one from now on. */
function shows(rig: ReadRig, failureFunction: FailureFunction): void {
  rig.api.programs.splice(0, 1, failed(failureFunction));
}
async function rigWith(failureFunction: FailureFunction | undefined, options: ReadOptions = {}): Promise<ReadRig> {
  const rig = await readRig(options);
  rig.api.programs.push(failed(failureFunction));
  await rig.runFor(20 * MINUTE);
  return rig;
}
const again = (rig: ReadRig) => readRig({ clock: rig.clock, api: rig.api, store: rig.store });
const phaseOf = async (rig: ReadRig) => (await rig.store.findRuns("eu", [KEY]))[0]?.phase;
const wordOf = async (rig: ReadRig, name = "jaeger") => (await rig.store.outcomes("eu", [KEY]))[0]?.destinations[name];

/** Delivers what is queued: the ids of the spans of each delivery, by its part. */
async function sent(rig: ReadRig, name = "jaeger"): Promise<string[]> {
  const rows = await rig.store.queued(name, "protobuf", 0, 1_000_000);
  for (const { id } of rows) await rig.store.settle(name, [delivered(id)], 0);
  return rows.map(({ part, chunks }) => {
    const spans = chunks.flatMap(({ bytes }) => readSpans(bytes, "protobuf").spans).map(({ spanId }) => WORDS.get(spanId) ?? "step");
    return `${part}: ${spans.join(" ")}`;
  });
}
const WORDS = new Map([
  [runSpanId(KEY.id, KEY.createdAt), "run"],
  ...[1, 2, 3].map((n) => [failureSpanId(KEY.id, KEY.createdAt, n), `failure ${n}`] as const),
]);
const FIRST = ["0: run step", "1: failure 1"];

test("in progress, then settled: it is watched again, and its span follows alone", async () => {
  const rig = await rigWith(called("m1"));
  expect(await sent(rig)).toEqual(FIRST);
  shows(rig, called("m2", "CALLBACK_INPROGRESS"));
  await rig.runFor(MINUTE);
  expect([await phaseOf(rig), await wordOf(rig)]).toEqual(["collected", "delivered"]);
  expect(await sent(rig)).toEqual([]);
  shows(rig, called("m2", "CALLBACK_FAIL"));
  await rig.runFor(10 * MINUTE);
  expect(await phaseOf(rig)).toBe("done");
  expect(await sent(rig)).toEqual(["2: failure 2"]);
});

test("settled at once, a third time, and the pages before shown once more: each is sent once", async () => {
  const rig = await rigWith(called("m1"));
  const all = await sent(rig);
  for (const message of ["m1", "m2", "m1", "m2", "m3", "m1", "m2", "m3"]) {
    shows(rig, called(message));
    await rig.runFor(MINUTE);
    all.push(...(await sent(rig)));
  }
  expect(all).toEqual([...FIRST, "2: failure 2", "3: failure 3"]);
  expect((await rig.store.findRuns("eu", [KEY]))[0]).toMatchObject({ phase: "done", parts: [0, 1, 2, 3] });
});

test("a run, and what was collected, is counted once", async () => {
  const rig = await rigWith(called("m1"));
  await sent(rig);
  shows(rig, called("m2"));
  await rig.runFor(MINUTE);
  await sent(rig);
  const { sources, destinations } = await rig.store.status(0);
  expect([sources[0]?.counts.collected, sources[0]?.counts.discovered, destinations[0]?.counts.delivered]).toEqual([1, 1, 1]);
});

test.each(["CALLBACK_INPROGRESS", "CALLBACK_SUCCESS"])("a restart between (%s) loses nothing and repeats nothing", async (state) => {
  const rig = await rigWith(called("m1"));
  const all = await sent(rig);
  shows(rig, called("m2", state));
  const second = await again(rig);
  await second.runFor(MINUTE);
  shows(second, called("m2"));
  const third = await again(second);
  await third.runFor(DAY);
  expect([...all, ...(await sent(third))]).toEqual([...FIRST, "2: failure 2"]);
});

test("one that only the sweep shows, days after, is sent too", async () => {
  const rig = await rigWith(called("m1"), { config: { lookback: "1h", sweep_interval: "1d" } });
  await sent(rig);
  for (let n = 0; n < 30; n += 1) rig.api.programs.push(program(`later${n}`, 2 * DAY + n, 2 * DAY + 100));
  await rig.runFor(2 * DAY + HOUR);
  await sent(rig);
  shows(rig, called("m2"));
  await rig.runFor(30 * MINUTE);
  expect(await sent(rig)).toEqual([]);
  await rig.runFor(DAY);
  expect(await sent(rig)).toEqual(["2: failure 2"]);
});

test("with the feed, which does not name it, the lookback finds it", async () => {
  const rig = await readRig({ config: { completion_feed: "auto" } });
  rig.api.feed = "honest";
  rig.api.programs.push(failed(called("m1")));
  await rig.runFor(20 * MINUTE);
  expect(await sent(rig)).toEqual(FIRST);
  shows(rig, called("m2"));
  await rig.runFor(2 * HOUR);
  expect(await sent(rig)).toEqual(["2: failure 2"]);
});

test("a first one that the log shows only after the run was done is sent as the first", async () => {
  const rig = await rigWith(undefined);
  expect([await phaseOf(rig), await sent(rig)]).toEqual(["done", ["0: run step"]]);
  shows(rig, called("m1", "CALLBACK_INPROGRESS"));
  await rig.runFor(MINUTE);
  shows(rig, called("m1"));
  await rig.runFor(10 * MINUTE);
  expect(await sent(rig)).toEqual(["1: failure 1"]);
});

test.each([
  ["now", "m1", undefined],
  ["when the first was collected", undefined, "m2"],
])("where the log names no message %s, no repetition can be told", async (_, first, second) => {
  const rig = await rigWith(called(first));
  await sent(rig);
  shows(rig, called(second, "CALLBACK_INPROGRESS"));
  await rig.runFor(MINUTE);
  shows(rig, called(second));
  await rig.runFor(DAY);
  expect([await phaseOf(rig), await sent(rig)]).toEqual(["done", []]);
});

describe("who gets it", () => {
  const both: ReadOptions["destinations"] = [...KEEP_ALL, { name: "some", encoding: "protobuf", sampling: { ratio: 0, keep: [] } }];

  test("those that have got the run, and no other", async () => {
    const rig = await rigWith(called("m1"), { destinations: both });
    await sent(rig);
    shows(rig, called("m2"));
    await rig.runFor(MINUTE);
    expect([await sent(rig), await sent(rig, "some")]).toEqual([["2: failure 2"], []]);
    expect(await wordOf(rig, "some")).toBe("excluded (sampled)");
  });

  test("nobody of a run that is dropped by a rule", async () => {
    const rig = await rigWith(called("m1"), { workflows: [{ match: { url: "*" }, drop: true }] });
    shows(rig, called("m2", "CALLBACK_INPROGRESS"));
    await rig.runFor(MINUTE);
    expect([await phaseOf(rig), await rig.collected()]).toEqual(["done", {}]);
  });
});

test("without room for it, it waits until there is some", async () => {
  const rig = await rigWith(called("m1"));
  await sent(rig);
  rig.room = false;
  shows(rig, called("m2"));
  await rig.runFor(10 * MINUTE);
  expect([await phaseOf(rig), await sent(rig)]).toEqual(["collected", []]);
  rig.room = true;
  await rig.runFor(10 * MINUTE);
  expect(await sent(rig)).toEqual(["2: failure 2"]);
});

test("verify misses nothing, and the run fetched anew (--force) has its second function and waits for no first", async () => {
  const rig = await rigWith(called("m1"));
  await sent(rig);
  shows(rig, called("m2"));
  await rig.runFor(MINUTE);
  await sent(rig);
  const window = { from: 0, to: Number.MAX_SAFE_INTEGER, repair: true, unreadSince: Number.POSITIVE_INFINITY };
  const verified = await rig.clock.until(verifySource(rig.context, window, async () => undefined, never));
  expect([verified.missing.runs, verified.repaired.runs, verified.destinations.jaeger]).toEqual([0, 0, { delivered: 1 }]);
  await rig.store.refetch("eu", [KEY], true, rig.api.now());
  await rig.runFor(MINUTE);
  expect(await sent(rig)).toEqual(["0: run step", "2: failure 2"]);
  expect([await phaseOf(rig), await wordOf(rig)]).toEqual(["done", "delivered"]);
});
