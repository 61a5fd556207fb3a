import { describe, expect, test } from "vitest";
import { program, START } from "../support/log-api.ts";
import { DAY, HOUR, type ReadOptions, type ReadRig, readRig } from "../support/pipeline.ts";

/** The completion feed: what the message log names, and what happens where it lies. */

const MINUTE = 60_000;

const many = (count: number, from: number, to?: number, prefix = "r") =>
  Array.from({ length: count }, (_, n) => program(`${prefix}${n}`, from + n * 10, to));
const ids = async (rig: ReadRig) => Object.keys(await rig.collected());
const status = async (rig: ReadRig) => (await rig.store.readSource("eu"))?.feed?.status;
const asked = (rig: ReadRig, purpose: string) => rig.api.calls.filter((call) => call.purpose === purpose).length;
const fedRig = async (options: ReadOptions = {}) => {
  const rig = await readRig({ ...options, config: { completion_feed: "auto", ...options.config } });
  rig.api.feed = "honest";
  return rig;
};

describe("a message log that answers", () => {
  test("is trusted once it has named something, and named ends are fetched ten at a time", async () => {
    const rig = await fedRig();
    rig.api.programs.push(...many(100, 1_000, 70_000));
    await rig.runFor(MINUTE);
    expect(await status(rig)).toBe("trusted");
    const before = asked(rig, "open");
    await rig.runFor(MINUTE);
    expect(await ids(rig)).toHaveLength(100);
    expect(asked(rig, "open") - before).toBe(10);
  });

  test("makes sleeping runs cost next to nothing until they wake, and the newest page is read once a minute", async () => {
    const rig = await fedRig({ config: { poll_interval_idle: "15s" } });
    rig.api.programs.push(...many(100, -HOUR, 3.5 * HOUR));
    await rig.runFor(1.5 * HOUR);
    const open = asked(rig, "open");
    const newest = asked(rig, "newest");
    await rig.runFor(2 * HOUR - 5 * MINUTE);
    expect(asked(rig, "open") - open).toBeLessThanOrEqual(2 * 10); // once an hour each, ten a request
    expect(asked(rig, "newest") - newest).toBeLessThan(2 * 60 + 2 * 20);
    await rig.runFor(10 * MINUTE);
    expect(await ids(rig)).toHaveLength(100);
  });

  test("is absent where the API has none: reading goes on without, and it is looked for again every ten minutes", async () => {
    const rig = await fedRig();
    rig.api.feed = "none";
    rig.api.programs.push(program("r", 1_000, 2_000));
    await rig.runFor(HOUR);
    expect([await status(rig), await ids(rig)]).toEqual(["absent", ["r"]]);
    expect(asked(rig, "feed")).toBeLessThan(8);
    rig.api.feed = "honest";
    await rig.runFor(11 * MINUTE);
    expect(await status(rig)).toBe("trusted");
  });

  test("whose page is the one of before is not looked up again, as long as nothing is written, and tells the same", async () => {
    const look = async (keepsPages: boolean) => {
      const rig = await fedRig({ config: { poll_interval: "1s", poll_interval_idle: "1s" } });
      const { events } = rig.api.source;
      const { findRuns } = rig.store;
      let last: { text: string; reply: Awaited<ReturnType<typeof events>> } | undefined;
      let lookups = 0;
      Object.assign(rig.store, {
        findRuns: (...args: Parameters<typeof findRuns>) => {
          lookups += 1;
          return findRuns(...args);
        },
      });
      Object.assign(rig.api.source, {
        async events(...args: Parameters<typeof events>) {
          const reply = await events(...args);
          const text = JSON.stringify("value" in reply ? reply.value : reply);
          if (last?.text === text && keepsPages && "value" in reply && "value" in last.reply) return { ...reply, value: last.reply.value };
          last = { text, reply };
          return reply;
        },
      });
      rig.api.programs.push(...many(20, 1_000, 10 * MINUTE), program("later", 20 * MINUTE, 21 * MINUTE));
      await rig.runFor(30 * MINUTE);
      return { lookups, collected: await rig.collected(), state: await rig.store.readSource("eu") };
    };
    const [each, kept] = [await look(false), await look(true)];
    expect({ ...kept, lookups: 0 }).toEqual({ ...each, lookups: 0 });
    expect(Object.keys(kept.collected)).toHaveLength(21);
    expect(each.lookups).toBeGreaterThan(1_500);
    expect(kept.lookups).toBeLessThan(300);
  });

  test("is not asked where completion_feed is off", async () => {
    const rig = await fedRig({ config: { completion_feed: "off" } });
    await rig.runFor(HOUR);
    expect(asked(rig, "feed")).toBe(0);
  });

  test("is read on from its watermark after the bridge was down for a day", async () => {
    const rig = await fedRig();
    await rig.runFor(MINUTE);
    rig.api.programs.push(...many(300, HOUR, 2 * HOUR));
    await rig.clock.advance(DAY);
    const again = await fedRig({ clock: rig.clock, api: rig.api, store: rig.store });
    await again.runFor(2 * MINUTE);
    expect(await ids(again)).toHaveLength(300);
    expect(await status(again)).toBe("trusted");
  });

  test("names the start of runs that no page showed: their end is not missed", async () => {
    const rig = await fedRig();
    rig.api.programs.push(program("first", 500, 600));
    await rig.runFor(MINUTE);
    rig.api.programs.push(program("asleep", 2 * MINUTE, 3 * DAY));
    await rig.runFor(3 * MINUTE);
    expect((await rig.store.findRuns("eu", [program("asleep", 2 * MINUTE)]))[0]?.phase).toBe("open");
  });

  test("names runs that the filters exclude: they are asked for once, at their end", async () => {
    const rig = await fedRig({ config: { filters: { labels: ["ours"] } } });
    rig.api.programs.push(...many(20, 1_000, 2 * MINUTE, "other"), program("r", 1_000, 2 * MINUTE, { labels: ["ours"] }));
    await rig.runFor(HOUR);
    expect(await ids(rig)).toEqual(["r"]);
    expect(asked(rig, "open")).toBeLessThan(12);
  });
});

describe("a message log that lies is distrusted, visibly, and nothing is lost:", () => {
  test("it is empty", async () => {
    const rig = await fedRig();
    rig.api.feed = () => false;
    rig.api.programs.push(...many(30, 1_000, 10 * MINUTE));
    await rig.runFor(20 * MINUTE);
    expect(await ids(rig)).toHaveLength(30);
    expect(await status(rig)).not.toBe("trusted");
  });

  test("it goes silent after it was trusted", async () => {
    const rig = await fedRig();
    rig.api.programs.push(program("named", 1_000, 2_000), ...many(30, 3_000, 10 * MINUTE));
    await rig.runFor(MINUTE);
    expect(await status(rig)).toBe("trusted");
    rig.api.feed = () => false;
    await rig.runFor(30 * MINUTE);
    expect(await ids(rig)).toHaveLength(31);
    expect(await rig.store.readSource("eu")).toMatchObject({
      feed: { status: "distrusted", reason: expect.stringContaining("did not name the end of run") },
    });
  });

  test("it has holes", async () => {
    const rig = await fedRig();
    rig.api.feed = ({ id }) => !id.endsWith("7");
    rig.api.programs.push(...many(100, 1_000, 10 * MINUTE), ...many(100, 30 * MINUTE, 32 * MINUTE, "later"));
    await rig.runFor(3 * HOUR);
    expect(await ids(rig)).toHaveLength(200);
  });

  test("it is an hour late", async () => {
    const rig = await fedRig();
    rig.api.programs.push(program("first", -3 * HOUR, -30 * MINUTE));
    await rig.runFor(MINUTE);
    rig.api.feed = ({ time }) => time < rig.api.now() - HOUR;
    rig.api.programs.push(...many(40, 2 * MINUTE, 5 * MINUTE));
    await rig.runFor(8 * MINUTE);
    expect(await status(rig)).toBe("distrusted");
    await rig.runFor(12 * MINUTE);
    expect(await ids(rig)).toHaveLength(41);
  });

  test("it answers with errors only while the grouped log is fine", async () => {
    const rig = await fedRig();
    rig.api.programs.push(program("named", 1_000, 2_000));
    await rig.runFor(MINUTE);
    rig.api.fault = ({ method }) =>
      method === "events" ? { kind: "unavailable", reason: "server_error", message: "HTTP 500" } : undefined;
    rig.api.programs.push(...many(30, 2 * MINUTE, 3 * MINUTE));
    await rig.runFor(5 * MINUTE);
    expect(await ids(rig)).toHaveLength(31);
    expect(await rig.store.readSource("eu")).toMatchObject({ feed: { status: "distrusted", reason: "it does not answer: HTTP 500" } });
    expect(asked(rig, "feed")).toBeLessThan(20);
  });

  test("it begins with its oldest events, page after page", async () => {
    const rig = await fedRig();
    rig.api.ascending = true;
    rig.api.programs.push(...many(1_200, -30 * MINUTE, -20 * MINUTE));
    await rig.runFor(2 * MINUTE);
    expect(await status(rig)).toBe("distrusted");
    expect(asked(rig, "feed")).toBeLessThan(3);
    await rig.runFor(5 * MINUTE);
    expect(await ids(rig)).toHaveLength(1_200);
  });

  test("its paging does not end", async () => {
    const rig = await fedRig();
    rig.api.programs.push(...many(1_200, -30 * MINUTE, -20 * MINUTE));
    rig.api.fault = ({ method }) => (method === "events" ? "repeated cursor" : undefined);
    await rig.runFor(2 * MINUTE);
    expect(await status(rig)).toBe("distrusted");
  });

  test("it names ends that never were", async () => {
    const rig = await fedRig();
    const { source } = rig.api;
    const honest = source.events.bind(source);
    Object.assign(source, {
      async events(...args: Parameters<typeof honest>) {
        const reply = await honest(...args);
        const lie = { id: "asleep", createdAt: START - HOUR, url: "", time: rig.api.now(), state: "RUN_SUCCESS" };
        const unknown = { ...lie, id: "never" };
        return reply.kind === "ok" ? { ...reply, value: { ...reply.value, events: [unknown, lie, ...reply.value.events] } } : reply;
      },
    });
    rig.api.programs.push(program("asleep", -HOUR, 3 * HOUR), program("r", 1_000, 2_000));
    await rig.runFor(2 * HOUR);
    expect(await ids(rig)).toEqual(["r"]);
    await rig.runFor(HOUR + 10 * MINUTE);
    expect((await ids(rig)).sort()).toEqual(["asleep", "r"]);
    expect(rig.api.calls.length).toBeLessThan(3 * 720 * 4);
  });
});
