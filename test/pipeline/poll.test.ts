import { describe, expect, test } from "vitest";
import type { Store } from "../../src/state/store.ts";
import { StoreError } from "../../src/state/store.ts";
import type { Call, Fault, Program } from "../support/log-api.ts";
import { openMemoryStore } from "../support/memory-store.ts";
import { DAY, HOUR, type ReadRig, readRig } from "../support/pipeline.ts";
import { T0 } from "../support/run-builder.ts";

/** Reading a source through its loop, as the daemon does. The rig starts at T0 + 1 h, with `start_from: 1h`: the epoch is T0. */

const START = T0 + HOUR;
const never = new AbortController().signal;
const unavailable: Fault = { kind: "unavailable", reason: "server_error", message: "HTTP 500" };
const expired: Fault = { kind: "refused", reason: "bad_request", status: 400, message: "invalid cursor" };

/** Created `from` ms after the start, ended `to` ms after it. */
function program(id: string, from: number, to?: number, over: Partial<Program> = {}): Program {
  return { id, createdAt: START + from, ...(to !== undefined && { endsAt: START + to }), ...over };
}
const many = (count: number, from: number, to?: number, prefix = "r") =>
  Array.from({ length: count }, (_, n) => program(`${prefix}${n}`, from + n * 10, to));
/** So many later runs that the others leave the newest page. */
const crowd = () => many(15, 5_000, 6_000, "crowd");
const ids = async (rig: ReadRig) => Object.keys(await rig.collected());
const phase = async (rig: ReadRig, id: string) => {
  const key = rig.api.programs.find((one) => one.id === id) ?? { id, createdAt: 0 };
  return (await rig.store.findRuns("eu", [key]))[0]?.phase;
};
const counts = async (rig: ReadRig) => (await rig.store.status(0)).sources[0]?.counts ?? {};
const calls = (rig: ReadRig, wanted: Partial<Call>) =>
  rig.api.calls.filter((call) =>
    Object.entries(wanted).every(([name, value]) => (call as unknown as Record<string, unknown>)[name] === value),
  ).length;

describe("a first start", () => {
  test("collects what ended since start_from, however long ago it was created, and follows what is running", async () => {
    const rig = await readRig();
    rig.api.programs.push(program("before", -2 * HOUR, -HOUR - 5_000), program("since", -DAY, -HOUR), program("young", -1_000, -500));
    rig.api.programs.push(program("running", -3 * DAY, 10 * 60_000), program("asleep", -3 * DAY));
    await rig.runFor(60_000);
    expect((await ids(rig)).sort()).toEqual(["since", "young"]);
    await rig.runFor(20 * 60_000);
    expect((await ids(rig)).sort()).toEqual(["running", "since", "young"]);
    expect(await phase(rig, "asleep")).toBe("open");
  });

  test.each([DAY, -DAY, HOUR, -HOUR])("takes the epoch from the API's clock, though ours is %i ms off", async (off) => {
    const rig = await readRig();
    rig.clock.jump(off);
    rig.api.programs.push(
      program("before", -2 * HOUR, -HOUR - 5_000),
      program("since", -2 * HOUR, -HOUR + 5_000),
      program("later", 60_000, 70_000),
    );
    await rig.runFor(5 * 60_000);
    expect((await ids(rig)).sort()).toEqual(["later", "since"]);
  });

  test("waits for an API that does not answer yet, and fixes the epoch when it does", async () => {
    const rig = await readRig();
    rig.api.fault = () => unavailable;
    await rig.runFor(HOUR);
    expect(await rig.store.readSource("eu")).toBeUndefined();
    rig.api.fault = () => undefined;
    rig.api.programs.push(program("r", 30 * 60_000, 40 * 60_000));
    await rig.runFor(2 * 60_000);
    expect(await ids(rig)).toEqual(["r"]);
  });
});

describe("the newest page", () => {
  test("a burst of runs is paged through to the last known one", async () => {
    const rig = await readRig();
    await rig.runFor(60_000);
    rig.api.programs.push(...many(95, 70_000, 75_000));
    await rig.runFor(40_000);
    expect(await ids(rig)).toHaveLength(95);
  });

  test("the watermark moves only when all pages of a poll are in: a poll that was cut short loses nothing", async () => {
    const rig = await readRig();
    await rig.runFor(60_000);
    rig.api.programs.push(...many(50, 70_000, 75_000));
    let left = 2;
    rig.api.fault = ({ purpose }) => {
      if (purpose === "newest") left -= 1;
      return left < 0 ? unavailable : undefined;
    };
    const before = (await rig.store.readSource("eu"))?.watermark;
    await rig.runFor(60_000);
    expect((await rig.store.readSource("eu"))?.watermark).toBe(before);
    rig.api.fault = () => undefined;
    await rig.runFor(2 * 60_000);
    expect(await ids(rig)).toHaveLength(50);
  });

  test("a run from the year 2286 poisons nothing", async () => {
    const rig = await readRig();
    rig.api.programs.push({ id: "poison", createdAt: 9_999_999_999_999 }, program("r", 60_000, 61_000));
    const { source } = rig.api;
    const honest = source.list.bind(source);
    Object.assign(source, {
      async list(...args: Parameters<typeof honest>) {
        const reply = await honest(...args);
        const [poison] = rig.api.programs;
        if (reply.kind !== "ok" || poison === undefined) return reply;
        const run = { ...poison, url: "", state: "RUN_STARTED", labels: [], groups: [], oddities: [] };
        return args[0].cursor === undefined ? { ...reply, value: { ...reply.value, runs: [run, ...reply.value.runs] } } : reply;
      },
    });
    await rig.runFor(10 * 60_000);
    expect(await ids(rig)).toEqual(["r"]);
    expect((await rig.store.readSource("eu"))?.watermark).toBeLessThan(START + HOUR);
    expect(rig.api.calls.length).toBeLessThan(600);
  });

  test("runs that appear in the log late are found by the lookback", async () => {
    const rig = await readRig();
    await rig.runFor(60_000);
    const late = program("late", 30_000, 35_000);
    await rig.runFor(10 * 60_000);
    rig.api.programs.push(late, program("newer", 11 * 60_000, 11 * 60_000 + 1));
    await rig.runFor(6 * 60_000);
    expect((await ids(rig)).sort()).toEqual(["late", "newer"]);
  });
});

describe("the open set", () => {
  test("a run that sleeps for days is asked for now and then, and collected within open_run_max_interval of its end", async () => {
    const rig = await readRig();
    rig.api.programs.push(program("r", 1_000, 3 * DAY), ...crowd());
    await rig.runFor(3 * DAY - HOUR);
    const asked = calls(rig, { purpose: "open" });
    expect(asked).toBeGreaterThan(200);
    expect(asked).toBeLessThan(3 * 24 * 12 + 50);
    await rig.runFor(HOUR + 6 * 60_000);
    expect(await ids(rig)).toContain("r");
  });

  test("a thousand open runs are asked for ten at a time, and a cycle never takes much longer than a poll interval", async () => {
    const rig = await readRig();
    rig.api.programs.push(...many(1_000, -HOUR, 2 * HOUR));
    await rig.runFor(HOUR);
    const fetches = rig.api.calls.filter((call) => call.method === "fetch");
    expect(Math.max(...fetches.map((call) => (call.method === "fetch" ? call.keys.length : 0)))).toBe(10);
    expect(fetches.length).toBeLessThan(1_500);
    await rig.runFor(HOUR + 6 * 60_000);
    expect(await ids(rig)).toHaveLength(1_000);
  });

  test("an id that no answer shows is gone after three answers over ten minutes, and counted", async () => {
    const rig = await readRig();
    rig.api.programs.push(program("r", 1_000, DAY, { goneAt: START + 60_000 }), program("stays", 1_000));
    await rig.runFor(9 * 60_000);
    expect(await phase(rig, "r")).toBe("open");
    await rig.runFor(20 * 60_000);
    expect([await phase(rig, "r"), await phase(rig, "stays")]).toEqual(["gone", "open"]);
    expect(await counts(rig)).toMatchObject({ gone: 1 });
  });

  test("one that was gone and is listed again as ended is collected", async () => {
    const rig = await readRig();
    rig.api.programs.push(program("r", 1_000, 2 * HOUR, { goneAt: START + 60_000 }));
    await rig.runFor(HOUR);
    rig.api.programs.splice(0, 1, program("r", 1_000, 2 * HOUR));
    await rig.runFor(26 * HOUR);
    expect(await ids(rig)).toEqual(["r"]);
  });

  test("one poisoned run of 1,000 that makes the API answer 500 does not keep the others from being read", async () => {
    const rig = await readRig();
    rig.api.programs.push(...many(1_000, -HOUR, 30 * 60_000));
    rig.api.fault = (call) => (call.method === "fetch" && call.keys.some((key) => key.id === "r500") ? unavailable : undefined);
    await rig.runFor(2 * HOUR);
    expect(await ids(rig)).toHaveLength(999);
    expect(await phase(rig, "r500")).toBe("open");
  });

  test("one of which the answer shows no more than the id is quarantined under its key, and not asked for again", async () => {
    const rig = await readRig();
    rig.api.programs.push(program("odd", 1_000, 30 * 60_000), program("good", 1_000, 30 * 60_000), ...crowd());
    const { source } = rig.api;
    const honest = source.fetch.bind(source);
    let asked = 0;
    Object.assign(source, {
      async fetch(...args: Parameters<typeof honest>) {
        const reply = await honest(...args);
        if (reply.kind !== "ok" || !args[0].some(({ id }) => id === "odd")) return reply;
        asked += 1;
        const unreadable = [{ position: 0, reason: "workflowRunCreatedAt: expected a time in milliseconds", id: "odd", content: ["odd"] }];
        return { ...reply, value: { ...reply.value, runs: reply.value.runs.filter(({ id }) => id !== "odd"), unreadable } };
      },
    });
    await rig.runFor(10 * 60_000);
    const [{ createdAt } = { createdAt: 0 }] = rig.api.programs;
    expect((await rig.store.quarantined({})).map(({ key, reason }) => [key, reason])).toEqual([[{ id: "odd", createdAt }, "unreadable"]]);
    expect(asked).toBe(1);
  });

  test("one that may not be asked for by its id is quarantined from polling, visibly, and collected when a listing shows its end", async () => {
    const rig = await readRig();
    rig.api.programs.push(program("bad", 1_000, 30 * 60_000), program("good", 1_000, 30 * 60_000), ...crowd());
    const { source } = rig.api;
    const honest = source.fetch.bind(source);
    Object.assign(source, {
      async fetch(...args: Parameters<typeof honest>) {
        const reply = await honest(...args);
        const refused = args[0]
          .filter(({ id }) => id === "bad")
          .map((key) => ({ key, reason: "bad_request" as const, message: "HTTP 400" }));
        return reply.kind === "ok"
          ? { ...reply, value: { ...reply.value, runs: reply.value.runs.filter(({ id }) => id !== "bad"), refused } }
          : reply;
      },
    });
    await rig.runFor(10 * 60_000);
    expect((await rig.store.quarantined({})).map(({ key, reason }) => [key.id, reason])).toEqual([["bad", "poll_refused"]]);
    await rig.runFor(25 * HOUR);
    expect(await ids(rig)).toHaveLength(17);
    expect(await rig.store.quarantined({})).toEqual([]);
  });

  test("a run that was followed is collected, though it does not say when it ended and shows nothing that is not long forgotten", async () => {
    const rig = await readRig({ config: { retention: "1d" } });
    const canceled = { state: "RUN_CANCELED" as const, over: { completedAt: undefined, groups: [] } };
    rig.api.programs.push(program("sleeps", -1_000, 20 * DAY, canceled), program("slept", -10 * DAY, 20 * DAY, canceled));
    for (let day = 1; day <= 20; day += 1) rig.api.programs.push(program(`day${day}`, day * DAY, day * DAY + 1_000));
    await rig.runFor(21 * DAY);
    expect(Object.keys(await rig.collected())).toEqual(expect.arrayContaining(["sleeps", "slept"]));
  });
});

describe("a failed run's failure function", () => {
  test("that is in progress follows alone when it settles", async () => {
    const rig = await readRig();
    rig.api.programs.push(program("r", 1_000, 5_000, { state: "RUN_FAILED", failure: { settlesAt: START + 5 * 60_000 } }));
    await rig.runFor(60_000);
    expect(await rig.collected()).toEqual({ r: [0] });
    await rig.runFor(10 * 60_000);
    expect(await rig.collected()).toEqual({ r: [0, 1] });
    expect(await phase(rig, "r")).toBe("done");
  });

  test("that the log shows only later is looked for again after 30 s and 5 min, however often a listing shows the run", async () => {
    const rig = await readRig();
    rig.api.programs.push(program("r", 1_000, 5_000, { state: "RUN_FAILED" }));
    await rig.runFor(3 * 60_000);
    expect(await phase(rig, "r")).toBe("collected");
    rig.api.programs.splice(0, 1, program("r", 1_000, 5_000, { state: "RUN_FAILED", failure: { settlesAt: START + 4 * 60_000 } }));
    await rig.runFor(4 * 60_000);
    expect(await rig.collected()).toEqual({ r: [0, 1] });
    expect(calls(rig, { purpose: "open" })).toBe(2);
  });
});

describe("faults of the API", () => {
  test("pages that come twice or in another order change nothing", async () => {
    const rig = await readRig();
    let n = 0;
    rig.api.fault = () => {
      n += 1;
      return n % 3 === 0 ? "twice" : n % 3 === 1 ? "reversed" : undefined;
    };
    rig.api.programs.push(...many(60, 1_000, 60_000));
    await rig.runFor(5 * 60_000);
    expect(await ids(rig)).toHaveLength(60);
    expect((await rig.store.status(0)).destinations[0]?.queued).toBe(60);
  });

  test("pages that are empty now and then hide nothing for longer than the lookback", async () => {
    const rig = await readRig();
    let n = 0;
    rig.api.fault = ({ method }) => {
      n += 1;
      return n % 2 === 0 && method === "list" ? "empty" : undefined;
    };
    rig.api.programs.push(...many(60, 1_000, 60_000));
    await rig.runFor(16 * 60_000);
    expect(await ids(rig)).toHaveLength(60);
  });

  test("an expired cursor restarts the listing at once", async () => {
    const rig = await readRig();
    await rig.runFor(60_000);
    rig.api.programs.push(...many(40, 61_000, 62_000));
    let once = true;
    rig.api.fault = (call) => {
      if (!once || call.method !== "list" || call.cursor === undefined) return undefined;
      once = false;
      return expired;
    };
    await rig.runFor(20_000);
    expect(once).toBe(false);
    expect(await ids(rig)).toHaveLength(40);
    expect(rig.lastCycle?.troubles.filter(({ kind }) => kind !== "aborted")).toEqual([]);
  });

  test("a cursor that is repeated for ever ends the listing visibly; the newest page is still read", async () => {
    const rig = await readRig();
    rig.api.programs.push(...many(60, 1_000, 60_000));
    rig.api.fault = ({ method }) => (method === "list" ? "repeated cursor" : undefined);
    await rig.runFor(30 * 60_000);
    expect(rig.lastCycle?.troubles[0]?.message).toContain("repeats a cursor");
    expect(rig.api.calls.length).toBeLessThan(2_000);
    rig.api.fault = () => undefined;
    await rig.runFor(5 * 60_000);
    expect(await ids(rig)).toHaveLength(60);
  });

  test("an API that is down for a day is asked about once a minute, and everything is read afterwards", async () => {
    const rig = await readRig();
    rig.api.programs.push(...many(30, -HOUR, 12 * HOUR), ...many(50, HOUR, 2 * HOUR, "short"));
    await rig.runFor(60_000);
    rig.api.fault = () => unavailable;
    const before = rig.api.calls.length;
    await rig.runFor(DAY);
    expect(rig.api.calls.length - before).toBeLessThan(24 * 60 * 15);
    rig.api.fault = () => undefined;
    await rig.runFor(HOUR);
    expect(await ids(rig)).toHaveLength(80);
  });

  test("401 pauses the source visibly: one request a cycle, and it goes on by itself", async () => {
    const rig = await readRig();
    rig.api.programs.push(program("open", -1_000, 40 * 60_000));
    await rig.runFor(60_000);
    rig.api.fault = () => ({ kind: "refused", reason: "unauthorized", status: 401, message: "HTTP 401" });
    const before = rig.api.calls.length;
    await rig.runFor(HOUR);
    expect(rig.lastCycle?.troubles).toEqual([{ kind: "unauthorized", message: "HTTP 401" }]);
    expect(rig.api.calls.length - before).toBeLessThan(300);
    rig.api.fault = () => undefined;
    rig.loop.wakeUp();
    await rig.runFor(2 * 60_000);
    expect(await ids(rig)).toEqual(["open"]);
  });

  test("what the API shows for longer than identities are kept is not sent again", async () => {
    const rig = await readRig({ config: { retention: "1d" } });
    rig.api.programs.push(...many(5, 1_000, 2_000));
    await rig.runFor(60_000);
    for (let day = 1; day <= 5; day += 1) {
      rig.api.programs.push(program(`day${day}`, day * DAY, day * DAY + 1_000));
      await rig.runFor(DAY);
      await rig.store.maintain({ now: rig.clock.now(), forgetBefore: { eu: rig.api.now() - 2 * DAY - 60_000 } });
    }
    await rig.runFor(DAY);
    expect((await rig.store.status(0)).destinations[0]?.queued).toBe(10);
  });
});

describe("our own clock", () => {
  test("jumps of an hour, there and back, do no harm", async () => {
    const rig = await readRig();
    rig.api.programs.push(program("open", 1_000, 2 * HOUR));
    for (const jump of [HOUR, -2 * HOUR, HOUR, -HOUR, 2 * HOUR]) {
      const from = rig.clock.monotonic();
      rig.api.programs.push(program(`r${from}`, from + 5_000, from + 10_000));
      rig.clock.jump(jump);
      await rig.runFor(30 * 60_000);
    }
    expect(await ids(rig)).toHaveLength(6);
    expect(Math.abs(rig.context.server.skew() ?? 0)).toBeGreaterThan(HOUR / 2);
    expect(rig.api.calls.length).toBeLessThan(5_000);
  });
});

describe("a state that fails", () => {
  function failing(store: Store, broken: () => boolean): Store {
    const methods = Object.entries(store).map(([name, method]) => [
      name,
      async (...args: unknown[]) => {
        if (broken()) throw new StoreError("busy", "database is locked");
        return (method as (...args: unknown[]) => unknown)(...args);
      },
    ]);
    return Object.fromEntries(methods);
  }

  test("at any method, now and then, never ends the reading and loses nothing", async () => {
    let n = 0;
    let broken = false;
    const clean = openMemoryStore();
    const rig = await readRig({
      store: failing(clean, () => {
        n += 1;
        return broken && n % 3 === 0;
      }),
      config: { completion_feed: "auto" },
    });
    rig.api.feed = "honest";
    broken = true;
    rig.api.programs.push(...many(40, 1_000, 60_000), program("open", 1_000, 30 * 60_000));
    await rig.runFor(2 * HOUR);
    broken = false;
    await rig.runFor(HOUR);
    expect(await ids(rig)).toHaveLength(41);
  });

  test("a disk that takes no payload still takes who is open; the payloads follow", async () => {
    let full = true;
    const clean = openMemoryStore();
    const rig = await readRig({
      store: {
        ...clean,
        async commit(page) {
          if (full && page.runs.some((run) => run.parts?.length)) throw new StoreError("full", "disk full");
          return clean.commit(page);
        },
      },
    });
    rig.api.programs.push(...many(30, 1_000, 10_000), program("open", 1_000, 10 * HOUR));
    await rig.runFor(HOUR);
    expect([await phase(rig, "r0"), await phase(rig, "open")]).toEqual(["waiting", "open"]);
    full = false;
    await rig.runFor(10 * 60_000);
    expect(await ids(rig)).toHaveLength(30);
  });
});

describe("back-pressure", () => {
  test("without room new payloads stop and nothing is asked for in vain; open runs go on; with room all of them follow", async () => {
    const rig = await readRig();
    rig.room = false;
    rig.api.programs.push(...many(300, 1_000, 10_000), program("open", 1_000, 3 * HOUR));
    await rig.runFor(10 * 60_000);
    const before = rig.api.calls.length;
    await rig.runFor(2 * HOUR);
    expect(rig.api.calls.length - before).toBeLessThan(2 * 720 * 2);
    expect(await ids(rig)).toEqual([]);
    rig.room = true;
    await rig.runFor(10 * 60_000);
    expect(await ids(rig)).toHaveLength(300);
    await rig.runFor(HOUR);
    expect(await ids(rig)).toHaveLength(301);
  });

  test("room that comes and goes is no busy loop", async () => {
    const rig = await readRig();
    let n = 1;
    Object.defineProperty(rig, "room", {
      get() {
        n = (n * 1_103_515_245 + 12_345) % 2 ** 31;
        return n % 7 < 2;
      },
    });
    rig.api.programs.push(...many(200, 1_000, 10_000));
    await rig.runFor(3 * HOUR);
    expect(await ids(rig)).toHaveLength(200);
    expect(rig.api.calls.length).toBeLessThan(8_000);
  });
});

describe("filters and rules", () => {
  test("runs that the filters exclude are none of ours; those that a rule drops are counted", async () => {
    const rig = await readRig({
      config: { filters: { labels: ["shop"] } },
      workflows: [{ match: { url: "https://*/internal/*" }, drop: true }],
    });
    const dropped = { labels: ["shop"], url: "https://shop.example.com/internal/x" };
    rig.api.programs.push(
      program("ours", 1_000, 2_000, { labels: ["shop"] }),
      program("other", 1_000, 2_000),
      program("dropped", 1_000, 2_000, dropped),
    );
    await rig.runFor(10 * 60_000);
    expect(await ids(rig)).toEqual(["ours"]);
    expect(await counts(rig)).toMatchObject({ collected: 1, "excluded.dropped": 1 });
  });

  test("an id that comes again with another creation time is another run", async () => {
    const rig = await readRig();
    rig.api.programs.push(program("r", 1_000, 2_000), program("r", 60_000, 62_000));
    await rig.runFor(5 * 60_000);
    expect((await rig.store.status(0)).destinations[0]?.queued).toBe(2);
  });
});

describe("--once", () => {
  test("is one complete listing and the whole open set once, and never waits for a running workflow", async () => {
    const rig = await readRig();
    rig.api.programs.push(...many(45, -30 * 60_000, -60_000), ...many(25, -DAY, DAY, "open"), program("slept", -2 * DAY, -1));
    const report = await rig.clock.until(rig.loop.once(never), 60_000);
    expect(report.troubles).toEqual([]);
    expect(await ids(rig)).toHaveLength(46);
    expect(await phase(rig, "open3")).toBe("open");
  });

  test("run again by cron it asks for every open run once more, due or not", async () => {
    const rig = await readRig();
    rig.api.programs.push(...many(25, -DAY, 2_000, "open"));
    await rig.clock.until(rig.loop.once(never), 60_000);
    await rig.clock.advance(2_000);
    const again = await readRig({ clock: rig.clock, api: rig.api, store: rig.store });
    await rig.clock.until(again.loop.once(never), 60_000);
    expect(await ids(rig)).toHaveLength(25);
  });

  test("an API that fails is reported", async () => {
    const rig = await readRig();
    rig.api.fault = () => unavailable;
    expect((await rig.clock.until(rig.loop.once(never), HOUR)).troubles).toEqual([{ kind: "unavailable", message: "HTTP 500" }]);
  });
});

test("an idle source is polled less often, and a run whose wake-up is near is not left waiting", async () => {
  const rig = await readRig();
  await rig.runFor(HOUR);
  const before = rig.api.calls.length;
  await rig.runFor(HOUR);
  expect(rig.api.calls.length - before).toBeLessThan(60 * 3);
});
