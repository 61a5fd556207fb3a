import { describe, expect, test } from "vitest";
import type { ReceivedSpan } from "../../src/fake-upstash/otlp-spans.ts";
import { readSpans } from "../../src/fake-upstash/otlp-spans.ts";
import { logApi, type Program } from "../support/log-api.ts";
import { openMemoryStore } from "../support/memory-store.ts";
import { HOUR, KEEP_ALL, type ReadOptions, type ReadRig, readRig } from "../support/pipeline.ts";
import { group, initial, step, T0 } from "../support/run-builder.ts";
import { virtualClock } from "../support/virtual-clock.ts";

/** `detail`: the message log's events are stored as the feed reads them and used when their run is collected. */

const START = T0 + HOUR;
const MINUTE = 60_000;

/** One step that failed at first and came through at its second attempt; `to` ms after the start it ends. */
function retried(id: string, from: number, to: number, over: Partial<Program> = {}): Program {
  const createdAt = START + from;
  const endsAt = START + to;
  const about = (name: string, type: string) => ({ ...step(type, name), id: name === "init" ? 0 : 1, createdAt: undefined });
  const of = (messageId: string, name: string, type: string, ...events: [number, string, object?][]) =>
    events.map(([time, state, more]) => ({ messageId, step: { ...about(name, type), messageId }, time, state, ...more }));
  const log = [
    ...of(`${id}_1`, "init", "Initial", [createdAt + 1, "CREATED"], [createdAt + 2, "ACTIVE"]),
    ...of(`${id}_1`, "init", "Initial", [
      createdAt + 100,
      "ERROR",
      { responseStatus: 500, error: "secret=hunter2hunter2 Bearer abcdefghijklmnop" },
    ]),
    ...of(`${id}_1`, "init", "Initial", [createdAt + 101, "RETRY", { nextDeliveryTime: createdAt + 500 }]),
    ...of(`${id}_1`, "init", "Initial", [createdAt + 500, "ACTIVE"], [endsAt - 10, "DELIVERED"]),
    ...of(`${id}_2`, "work", "Run", [endsAt - 20, "CREATED"], [endsAt - 19, "ACTIVE"], [endsAt - 1, "DELIVERED"]),
  ] as Program["log"];
  const groups = [
    group({ ...initial(), id: 0, createdAt, messageId: `${id}_1` }),
    group({ ...step("Run", "work"), id: 1, createdAt: endsAt - 20, messageId: `${id}_2` }),
  ];
  return { id, createdAt, endsAt, ...(log && { log }), over: { groups }, ...over };
}

async function detailRig(options: ReadOptions & { maxEventBytes?: number } = {}): Promise<ReadRig> {
  const rig = await readRig({ ...options, config: { completion_feed: "auto", ...options.config } });
  rig.api.feed = "honest";
  return rig;
}

async function spans(rig: ReadRig): Promise<ReceivedSpan[]> {
  const queued = await rig.store.queued("jaeger", "protobuf", 0, 10_000_000);
  return queued.flatMap(({ chunks }) => chunks.flatMap(({ bytes }) => readSpans(bytes, "protobuf").spans));
}
const runOf = (span: ReceivedSpan) => span.attributes["upstash.workflow.run.id"];
/** Names of a run's spans besides its own, and where its step's time comes from. */
async function shape(rig: ReadRig, id: string) {
  const own = (await spans(rig)).filter((span) => runOf(span) === id);
  const work = own.find((span) => span.name === "work");
  return {
    parts: own.map((span) => span.name).filter((name) => name !== "work" && !name.startsWith("/")),
    source: work?.attributes["upstash.workflow.time.source"],
  };
}
const EXACT = { parts: ["attempt 1", "backoff", "attempt 2"], source: "log" };
const heldBytes = async (rig: ReadRig) => (await rig.store.size()).eventBytes;
const askedAlone = (rig: ReadRig) => rig.api.calls.filter((call) => call.method === "events" && call.run !== undefined).length;

describe("where the message log answers", () => {
  test("a retried step shows its attempts, at no request more than the feed's own, and nothing is left behind", async () => {
    const rig = await detailRig();
    rig.api.programs.push(retried("r", 10_000, 30_000), ...Array.from({ length: 20 }, (_, n) => retried(`x${n}`, 11_000 + n, 40_000 + n)));
    await rig.runFor(25_000);
    expect(await heldBytes(rig)).toBeGreaterThan(0);
    await rig.runFor(MINUTE);
    expect(await shape(rig, "r")).toEqual(EXACT);
    expect(await shape(rig, "x19")).toEqual(EXACT);
    expect([await heldBytes(rig), askedAlone(rig)]).toEqual([0, 0]);
  });

  test("error texts are redacted before they are stored", async () => {
    const rig = await detailRig();
    rig.api.programs.push(retried("r", 10_000, 5 * MINUTE));
    await rig.runFor(MINUTE);
    const stored = JSON.stringify(await rig.store.readEvents("eu", rig.api.programs));
    expect(stored).toContain("ERROR");
    expect(stored).not.toContain("abcdefghijklmnop");
  });

  test.each(["twice", "reversed"] as const)("pages that come %s change nothing", async (fault) => {
    const rig = await detailRig();
    rig.api.fault = ({ method }) => (method === "events" ? fault : undefined);
    rig.api.ascending = fault === "reversed";
    rig.api.programs.push(retried("r", 10_000, 30_000));
    await rig.runFor(2 * MINUTE);
    expect(await shape(rig, "r")).toEqual(EXACT);
  });

  test("events split over many pages come together, also before the run's start was read", async () => {
    const rig = await detailRig();
    rig.api.eventsPerPage = 3;
    rig.api.programs.push(retried("r", 10_000, 11_000), retried("s", 10_100, 11_100));
    await rig.runFor(MINUTE);
    expect([await shape(rig, "r"), await shape(rig, "s")]).toEqual([EXACT, EXACT]);
  });

  test("a restart between pages loses none of them", async () => {
    const clock = virtualClock(START);
    const shared = { clock, api: logApi(clock, START), store: openMemoryStore({ now: clock.now }) };
    const before = await detailRig(shared);
    before.api.programs.push(retried("r", 10_000, 90_000));
    await before.runFor(40_000);
    await clock.advance(MINUTE);
    shared.api.eventsPerPage = 1;
    shared.api.calls.length = 0;
    const cut = await detailRig(shared);
    await cut.runFor(130); // 50 ms a page
    expect(shared.api.calls.map(({ method }) => method)).toEqual(["events", "events", "events"]);
    expect((await shared.store.findRuns("eu", shared.api.programs))[0]?.watch?.reason).toBe("ended");
    const after = await detailRig(shared);
    await after.runFor(2 * MINUTE);
    expect(await shape(after, "r")).toEqual(EXACT);
    expect(askedAlone(after)).toBe(0);
  });

  test("a run is mapped only when the feed has read past its end, though a listing shows it first", async () => {
    const rig = await detailRig();
    rig.api.programs.push(retried("first", -5_000, -4_000));
    await rig.runFor(MINUTE);
    rig.api.feed = (event) => event.time <= rig.api.now() - 8_000; // the message log is late
    rig.api.programs.push(retried("r", 61_000, 62_000));
    await rig.runFor(2 * MINUTE);
    expect(await shape(rig, "r")).toEqual(EXACT);
  });

  describe("an event that comes after the run's end was named", () => {
    const late = async (ms: number) => {
      const rig = await detailRig();
      const isLate = (event: { state: string; time: number }) => event.state === "ACTIVE" && event.time === START + 10_002;
      rig.api.feed = (event) => !isLate(event) || rig.api.now() >= START + 30_000 + ms;
      rig.api.programs.push(retried("r", 10_000, 30_000), retried("whole", 12_000, 30_000));
      return rig;
    };

    test("within a minute: it is waited for and joined, at one more look at most", async () => {
      const rig = await late(20_000);
      await rig.runFor(45_000);
      expect(await shape(rig, "whole")).toEqual(EXACT);
      expect(await shape(rig, "r")).toEqual({ parts: [], source: undefined });
      const asked = rig.api.calls.length;
      await rig.runFor(MINUTE);
      expect(await shape(rig, "r")).toEqual(EXACT);
      expect(rig.api.calls.slice(asked).filter((call) => call.method === "fetch").length).toBeLessThanOrEqual(1);
      expect(askedAlone(rig)).toBe(0);
    });

    test("within a minute, though by then it lies many pages back", async () => {
      const rig = await late(20_000);
      rig.api.eventsPerPage = 20;
      rig.api.programs.push(...Array.from({ length: 120 }, (_, n) => retried(`other ${n}`, n * 1_000, n * 1_000 + 5_000)));
      await rig.runFor(100_000);
      expect(await shape(rig, "r")).toEqual(EXACT);
      expect(askedAlone(rig)).toBe(0);
    });

    test("later: what it would have told is inferred, and says so", async () => {
      const rig = await late(5 * MINUTE);
      await rig.runFor(3 * MINUTE);
      expect(await shape(rig, "r")).toEqual({ parts: [], source: "inferred" });
    });
  });

  test("a run that was begun before the log was read is asked for alone, once", async () => {
    const rig = await detailRig({ config: { start_from: "1m" } });
    rig.api.programs.push(retried("long", -30 * MINUTE, 30_000), retried("short", 10_000, 30_000));
    await rig.runFor(2 * MINUTE);
    expect([await shape(rig, "long"), await shape(rig, "short")]).toEqual([EXACT, EXACT]);
    expect(askedAlone(rig)).toBe(1);
  });

  test("and at once: it does not wait until the log was read on after its end", async () => {
    const rig = await detailRig({ config: { start_from: "1m" } });
    rig.api.programs.push(retried("long", -30 * MINUTE, 29_500));
    await rig.runFor(31_000);
    expect(await shape(rig, "long")).toEqual(EXACT);
    expect(askedAlone(rig)).toBe(1);
  });

  test("without room the longest-open runs are mapped from the grouped log, and are counted", async () => {
    const rig = await detailRig({ maxEventBytes: 1_500 });
    rig.api.programs.push(retried("old", 5_000, 90_000), retried("young", 10_000, 90_000));
    await rig.runFor(3 * MINUTE);
    expect(await shape(rig, "old")).toEqual({ parts: [], source: "inferred" });
    expect((await shape(rig, "young")).source).toBe("log");
    expect((await rig.store.status(0)).sources[0]?.counts).toMatchObject({ "events.dropped": 1, collected: 2 });
  });

  test("a feed that is distrusted in mid-run is not believed about it either", async () => {
    const rig = await detailRig();
    rig.api.programs.push(retried("r", 10_000, 5 * MINUTE), retried("hole", 20_000, 40_000));
    rig.api.feed = (event) => event.id !== "hole" || event.state !== "RUN_SUCCESS";
    await rig.runFor(10 * MINUTE);
    expect((await rig.store.readSource("eu"))?.feed?.status).toBe("distrusted");
    expect(Object.keys(await rig.collected()).sort()).toEqual(["hole", "r"]);
    expect(await shape(rig, "r")).toEqual({ parts: [], source: "inferred" });
  });

  test("a failure function that settles later is sent alone, as ever", async () => {
    const rig = await detailRig();
    rig.api.programs.push(retried("r", 10_000, 30_000, { state: "RUN_FAILED", failure: { settlesAt: START + 5 * MINUTE } }));
    await rig.runFor(2 * MINUTE);
    const before = await rig.store.queued("jaeger", "protobuf", 0, 10_000_000);
    await rig.runFor(20 * MINUTE);
    const after = await rig.store.queued("jaeger", "protobuf", 0, 10_000_000);
    expect(after.slice(0, 1)).toEqual(before);
    expect(await rig.collected()).toEqual({ r: [0, 1] });
  });

  test("a failure function that settles later begins where the message log ended the run, as its run's span does", async () => {
    const rig = await detailRig();
    const program = retried("r", 10_000, 30_000, { state: "RUN_FAILED", failure: { settlesAt: START + 5 * MINUTE } });
    rig.api.programs.push({ ...program, over: { ...program.over, completedAt: START + 30_040 } });
    await rig.runFor(20 * MINUTE);
    const found = await spans(rig);
    const run = found.find((span) => span.parentSpanId === "");
    expect(run?.endTimeUnixNano).toBe(BigInt(START + 30_000) * 1_000_000n);
    expect(found.find((span) => span.name === "failure function")?.startTimeUnixNano).toBe(run?.endTimeUnixNano);
    expect(askedAlone(rig)).toBe(1);
  });

  test("`keep: retried` keeps a run whose retry recovered", async () => {
    const rig = await detailRig({ destinations: KEEP_ALL.map((plan) => ({ ...plan, sampling: { ratio: 0, keep: ["retried"] } })) });
    const plain = retried("plain", 10_000, 30_000);
    rig.api.programs.push(retried("r", 10_000, 30_000), {
      ...plain,
      log: plain.log?.filter(({ state }) => state !== "ERROR" && state !== "RETRY") ?? [],
    });
    await rig.runFor(2 * MINUTE);
    expect((await spans(rig)).map(runOf)).toContain("r");
  });

  test("`--once` waits for nothing: it asks for what the feed cannot have read yet", async () => {
    const rig = await detailRig();
    rig.api.programs.push(retried("r", -5_000, -200));
    const running = rig.loop.once(new AbortController().signal);
    await rig.clock.until(running, MINUTE);
    expect(await shape(rig, "r")).toEqual(EXACT);
  });
});

test.each([{ detail: "runs" }, { completion_feed: "off" }])("with %o nothing is stored, and times are inferred", async (config) => {
  const rig = await detailRig({ config });
  rig.api.programs.push(retried("r", 10_000, 5 * MINUTE));
  await rig.runFor(MINUTE);
  expect(await heldBytes(rig)).toBe(0);
  await rig.runFor(10 * MINUTE);
  expect(await shape(rig, "r")).toEqual({ parts: [], source: "inferred" });
});

test.each(["auto", "messages"] as const)(
  "detail: %s without a message log: runs are sent and inferred; an error where it was asked for",
  async (detail) => {
    const rig = await detailRig({ config: { detail } });
    rig.api.feed = "none";
    rig.api.programs.push(retried("r", -30_000, -20_000));
    const once = rig.loop.once(new AbortController().signal);
    await rig.clock.until(once, MINUTE);
    expect(await shape(rig, "r")).toEqual({ parts: [], source: "inferred" });
    const expected = {
      kind: "refused",
      message: expect.stringContaining("detail: messages, without the message log (the API has no message log)"),
    };
    expect((await once).troubles).toEqual(detail === "messages" ? [expected] : []);
  },
);
