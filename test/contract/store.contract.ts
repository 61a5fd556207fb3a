import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { SourceState } from "../../src/state/source-state.ts";
import {
  MARKS_PER_WORD,
  MAX_PART,
  QUARANTINE_MAX_AGE_MS,
  type RunChange,
  type Settlement,
  type Store,
  type Watch,
} from "../../src/state/store.ts";
import { chunkOf, delivered, done, key, part, queue, refused, START, textOf } from "../support/store-samples.ts";

const DAY_MS = 86_400_000;
const state: SourceState = { epoch: START - 1, watermark: START, sweep: { repaired: 2 }, feed: { status: "trusted" } };
const watch = (dueAt: number, reason: Watch["reason"] = "open"): Watch => ({ reason, dueAt, polls: 0 });

/** What every store does, whatever it is made of. `reopen` gives the same state in a new store. */
export function storeContract(
  name: string,
  open: () => Promise<{ store: Store; reopen(): Promise<Store>; cleanup(): Promise<void> }>,
): void {
  describe(`${name} keeps the store's contract:`, () => {
    let opened: Awaited<ReturnType<typeof open>>;
    let store: Store;
    beforeEach(async () => {
      opened = await open();
      store = opened.store;
    });
    afterEach(() => opened.cleanup());

    const commit = (...runs: Parameters<Store["commit"]>[0]["runs"]) => store.commit({ source: "eu", runs });
    const phaseOf = async (id: string) => (await store.findRuns("eu", [key(id)]))[0]?.phase;

    test("a source's state comes back as it was committed, and survives a restart", async () => {
      expect(await store.readSource("eu")).toBeUndefined();
      await store.commit({ source: "eu", state, runs: [] });
      await store.commit({ source: "us", state: { epoch: 5 }, runs: [] });
      expect(await store.readSource("eu")).toEqual(state);
      store = await opened.reopen();
      expect(await store.readSource("eu")).toEqual(state);
      expect(await store.readSource("us")).toEqual({ epoch: 5 });
    });

    test("a page without a state leaves the state alone", async () => {
      await store.commit({ source: "eu", state, runs: [] });
      await store.commit({ source: "eu", runs: [], counts: { "excluded.dropped": 2 } });
      await store.commit({ source: "eu", runs: [], counts: { "excluded.dropped": 3, gone: 1 } });
      expect((await store.status(0)).sources).toEqual([
        { name: "eu", state, watched: [], openByAge: [0, 0, 0, 0, 0, 0], counts: { "excluded.dropped": 5, gone: 1 } },
      ]);
    });

    test("open runs are counted by age, whatever their clock says; waiting ones are not open", async () => {
      const open = (id: string, createdAt: number): RunChange => ({ key: { id, createdAt }, phase: "open", watch: watch(1) });
      const now = START + 7 * DAY_MS;
      const ages = [-5_000, 59_999, 60_000, 3_600_000, 3_700_000, 7 * DAY_MS];
      await store.commit({ source: "eu", state, runs: ages.map((age, i) => open(`r${i}`, now - age)) });
      await commit({ ...open("waits", now), phase: "waiting" });
      expect((await store.status(now)).sources[0]?.openByAge).toEqual([2, 1, 0, 2, 0, 1]);
    });

    test("runs are told apart by source, id and creation time", async () => {
      await commit({ key: key("a", 1), phase: "open" }, { key: key("a", 2), phase: "waiting", endedAt: 9 });
      await store.commit({ source: "us", runs: [{ key: key("a", 1), phase: "gone" }] });
      const found = await store.findRuns("eu", [key("a", 2), key("b", 1), key("a", 1)]);
      expect(found.map((run) => run?.phase)).toEqual(["waiting", undefined, "open"]);
      expect((await store.findRunsById("a")).map((run) => [run.source, run.key.createdAt])).toEqual([
        ["eu", 2],
        ["eu", 1],
        ["us", 1],
      ]);
      expect(await store.findRuns("nowhere", [key("a", 1)])).toEqual([undefined]);
    });

    test("ids in any script, with control characters, NULs and lone surrogates come back as they were", async () => {
      const ids = [
        "",
        " ",
        "a,b@c",
        "\0",
        "a\0b",
        "a\0c",
        "\ud800",
        "\udfff",
        "\u0001",
        '\u0001"x"',
        "日本",
        "\ufffd",
        "x".repeat(5_000),
        "'; DROP TABLE runs",
      ];
      await commit(...ids.map((id) => ({ key: key(id), phase: "open", watch: watch(1) }) as const));
      const found = await store.findRuns(
        "eu",
        ids.map((id) => key(id)),
      );
      expect(found.map((run) => run?.key.id)).toEqual(ids);
      expect((await store.dueRuns("eu", 1, 100)).map((run) => run.key.id).sort()).toEqual([...ids].sort());
    });

    test("a placement never changes, an end is kept, and the phase follows what is told", async () => {
      await commit({ key: key("a"), phase: "open", placement: "first", watch: watch(5) });
      await commit({ key: key("a"), phase: "waiting", endedAt: 50, placement: "second" });
      await commit({ key: key("a"), phase: "collected" });
      expect(await store.findRuns("eu", [key("a")])).toEqual([
        { source: "eu", key: key("a"), phase: "collected", endedAt: 50, placement: "first", parts: [] },
      ]);
    });

    test.for(["collected", "done"] as const)("a stale page cannot take a run back from %s, nor its watch", async (phase) => {
      const watched = phase === "collected" ? { watch: watch(7, "failure") } : {};
      await commit({ key: key("a"), phase, endedAt: 1, ...watched });
      await commit({ key: key("a"), phase: "open", watch: watch(1), placement: "stale" });
      await commit({ key: key("a"), phase: "waiting", endedAt: 99 });
      const [run] = await store.findRuns("eu", [key("a")]);
      expect(run).toEqual({ source: "eu", key: key("a"), phase, endedAt: 1, parts: [], ...watched });
    });

    test("a run that is done and watched nevertheless (a damaged row) waits: it is followed and collected like any other", async () => {
      await commit({ key: key("a"), phase: "done", watch: watch(1) });
      expect((await store.dueRuns("eu", 1, 9)).map(({ phase }) => phase)).toEqual(["waiting"]);
      expect([await phaseOf("a"), (await store.findRunsById("a"))[0]?.phase]).toEqual(["waiting", "waiting"]);
      expect((await store.outcomes("eu", [key("a")]))[0]?.phase).toBe("waiting");
      await commit({ key: key("a"), phase: "open", watch: watch(2) });
      expect(await phaseOf("a")).toBe("open");
    });

    test("a run that was gone and is shown again goes on", async () => {
      await commit({ key: key("a"), phase: "gone" });
      await commit({ key: key("a"), phase: "open", watch: watch(1) });
      expect(await phaseOf("a")).toBe("open");
    });

    test("watched runs come due in order of their time, up to the limit, per source", async () => {
      const refusedWatch: Watch = { reason: "open", dueAt: 40, polls: 3, absent: { count: 2, since: 30 }, refused: "400" };
      await commit({ key: key("late"), phase: "open", watch: watch(30) }, { key: key("soon"), phase: "open", watch: watch(10) });
      await commit({ key: key("hard"), phase: "open", watch: refusedWatch }, { key: key("never"), phase: "open" });
      await store.commit({ source: "us", runs: [{ key: key("other"), phase: "open", watch: watch(1) }] });
      const due = async (now: number, limit: number) => (await store.dueRuns("eu", now, limit)).map((run) => run.key.id);
      expect(await due(9, 10)).toEqual([]);
      expect(await due(30, 10)).toEqual(["soon", "late"]);
      expect(await due(99, 2)).toEqual(["soon", "late"]);
      expect((await store.dueRuns("eu", 99, 9)).at(-1)).toEqual({ key: key("hard"), phase: "open", watch: refusedWatch });
      expect([await store.nextDue("eu"), await store.nextDue("us"), await store.nextDue("none")]).toEqual([10, 1, undefined]);
      await commit({ key: key("soon"), phase: "done" });
      expect(await due(99, 10)).toEqual(["late", "hard"]);
    });

    test("hasten pulls watches of one reason forward, and pushes none back", async () => {
      await commit({ key: key("a"), phase: "open", watch: watch(100) }, { key: key("b"), phase: "open", watch: watch(5) });
      await commit({ key: key("c"), phase: "waiting", watch: watch(100, "ancestor") });
      await store.hasten("eu", "open", 50);
      expect((await store.dueRuns("eu", 999, 9)).map((run) => [run.key.id, run.watch.dueAt])).toEqual([
        ["b", 5],
        ["a", 50],
        ["c", 100],
      ]);
    });

    test("hasten with a limit pulls only so many forward, the earliest due first", async () => {
      const waits = [30, 10, 20].map((dueAt): RunChange => ({ key: key(`r${dueAt}`), phase: "waiting", watch: watch(dueAt, "room") }));
      await commit(...waits);
      await store.hasten("eu", "room", 5, 2);
      expect((await store.dueRuns("eu", 5, 9)).map((run) => run.key.id).sort()).toEqual(["r10", "r20"]);
    });

    test("watched sums up by reason, with the oldest creation and the oldest end", async () => {
      await commit({ key: key("a", 20), phase: "open", watch: watch(1) }, { key: key("b", 10), phase: "open", watch: watch(1) });
      await commit({ key: key("c", 30), phase: "collected", endedAt: 35, watch: watch(1, "failure") });
      await commit({ key: key("d", 5), phase: "waiting", endedAt: 50, watch: watch(1, "room") });
      await commit({ key: key("e", 40), phase: "waiting", endedAt: 45, watch: watch(1, "room") });
      expect(await store.watched("eu")).toEqual([
        { reason: "failure", count: 1, oldestCreatedAt: 30, oldestEndedAt: 35 },
        { reason: "open", count: 2, oldestCreatedAt: 10, oldestEndedAt: 10 },
        { reason: "room", count: 2, oldestCreatedAt: 5, oldestEndedAt: 45 },
      ]);
    });

    test("what a run leaves behind is found by its word, newest run first, and only in its source", async () => {
      const mark = (id: string, createdAt: number, spanId = "s") => ({ word: "w", key: { id, createdAt }, traceId: "t", spanId });
      await commit(
        done("a", [], { marks: [mark("a", 1), mark("a", 1)] }),
        done("b", [], { marks: [mark("b", 2), { ...mark("b", 2), word: "v" }] }),
      );
      await store.commit({ source: "us", runs: [done("c", [], { marks: [mark("c", 3)] })] });
      expect(await store.findMarks("eu", ["w", "none"])).toEqual([mark("b", 2), mark("a", 1)]);
      const many = Array.from({ length: MARKS_PER_WORD + 5 }, (_, i) => mark("d", 9, `s${i}`));
      await commit(done("d", [], { marks: many }));
      expect(await store.findMarks("eu", ["w"])).toHaveLength(MARKS_PER_WORD);
      expect(await store.findMarks("unknown", ["w"])).toEqual([]);
    });

    test("a tree's size grows once per part that is new, and remembers who keeps it", async () => {
      const tree = (keptBy: string[]) => ({ traceId: "t", spans: 2, bytes: 30, keptBy });
      await commit(done("a", [], { tree: tree(["x"]) }));
      await commit(done("a", [], { tree: tree(["y"]) }));
      await commit(done("b", [], { tree: tree(["y", "x"]) }));
      expect(await store.traceSize("t")).toEqual({ spans: 4, bytes: 60, keptBy: ["x", "y"] });
      expect(await store.traceSize("other")).toEqual({ spans: 0, bytes: 0, keptBy: [] });
    });

    describe("events of the message log", () => {
      const event = (id: string, time: number, state = "ACTIVE") => ({ ...key(id), time, state, url: "", messageId: `msg_${id}` });
      const open = (id: string, createdAt = START): RunChange => ({ key: key(id, createdAt), phase: "open", watch: watch(1) });
      const add = (events: ReturnType<typeof event>[], runs: RunChange[] = [], maxBytes = 1_000_000) => {
        const of = events.map((one) => ({ key: key(one.id, one.createdAt), events: [one] }));
        return store.commit({ source: "eu", state, runs, events: { runs: of, maxBytes } });
      };
      const times = async (...ids: string[]) =>
        (
          await store.readEvents(
            "eu",
            ids.map((id) => key(id)),
          )
        ).map((events) => events?.map(({ time }) => time).sort());

      test("come back as they were, each once, and survive a restart", async () => {
        const step = { id: 3, name: "päck \ud800 \u0000", type: "Run", state: "", errors: [] };
        const whole = { ...event("a", 5, "CREATED"), step, nextDeliveryTime: 9, error: "no", responseStatus: 500 };
        await add([whole, event("b", 6)], [open("a"), open("b")]);
        await add([event("b", 6), event("b", 7), event("b", 6, "ERROR")]);
        store = await opened.reopen();
        expect(await store.readEvents("eu", [key("a"), key("c"), key("a", 1)])).toEqual([[whole], [], []]);
        expect(await times("b")).toEqual([[6, 6, 7]]);
        expect(await store.readEvents("us", [key("a")])).toEqual([[]]);
      });

      test("are taken for open runs only, known or new with the same page", async () => {
        await commit({ ...open("waits"), phase: "waiting" }, done("over", []));
        await add([event("waits", 1), event("over", 1), event("nobody", 1)]);
        expect(await times("waits", "over", "nobody")).toEqual([[], [], []]);
        expect((await store.findRuns("eu", [key("nobody")]))[0]).toBeUndefined();
      });

      test.each(["collected", "done", "gone"] as const)("go when their run is %s, and only then", async (phase) => {
        await add([event("a", 1), event("b", 2)], [open("a"), open("b")]);
        const held = (await store.size()).eventBytes;
        await commit({ ...open("a"), phase: "waiting" });
        expect(await times("a", "b")).toEqual([[1], [2]]);
        await commit({ ...open("a"), phase });
        expect(await times("a", "b")).toEqual([[], [2]]);
        expect((await store.size()).eventBytes).toBe(held / 2);
        await commit({ ...open("b"), phase });
        expect((await store.size()).eventBytes).toBe(0);
      });

      test("past their share those of the longest-open runs go, whole and for good, and are counted", async () => {
        const runs = [open("young", START), open("old", START - 2), open("middle", START - 1)];
        const of = (id: string, createdAt: number, time: number) => ({ ...event(id, time), createdAt });
        await add([of("young", START, 1), of("old", START - 2, 1), of("middle", START - 1, 1)], runs);
        const one = Math.ceil((await store.size()).eventBytes / 3);
        await add([of("old", START - 2, 2)], [], 3.5 * one);
        await add([of("old", START - 2, 3)], [], 3.5 * one);
        const left = await store.readEvents("eu", [key("young"), key("old", START - 2), key("middle", START - 1)]);
        expect(left.map((events) => events?.map(({ time }) => time))).toEqual([[1], undefined, [1]]);
        expect((await store.status(0)).sources[0]?.counts).toEqual({ "events.dropped": 1 });
        await add([of("young", START, 2)], [], one);
        expect((await store.size()).eventBytes).toBe(0);
        expect((await store.status(0)).sources[0]?.counts).toEqual({ "events.dropped": 3 });
      });
    });

    describe("the queue", () => {
      beforeEach(() => store.syncDestinations(["a", "b"], START));

      test("gives what was committed, byte for byte, in order, and survives a restart", async () => {
        await commit(done("r1", ["a"]), done("r2", ["a", "b"]));
        store = await opened.reopen();
        const rows = await queue(store, "a");
        expect(rows.map((row) => [row.key.id, row.part, row.encoding, row.bytes, row.spans])).toEqual([
          ["r1", 0, "protobuf", 11, 1],
          ["r2", 0, "protobuf", 11, 1],
        ]);
        expect(rows.map((row) => row.chunks.map((chunk) => textOf(chunk.bytes)))).toEqual([["spans of r1"], ["spans of r2"]]);
        expect(rows[0]).toMatchObject({ source: "eu", key: key("r1"), firstEnd: START + 10, lastEnd: START + 20 });
        expect((await queue(store, "b")).map((row) => row.key.id)).toEqual(["r2"]);
      });

      test("goes on after a position, and gives one at least and as many as fit", async () => {
        await commit(done("r1", ["a"]), done("r2", ["a"]), done("r3", ["a"]));
        const ids = async (after: number, bytes: number) => (await store.queued("a", "protobuf", after, bytes)).map((row) => row.key.id);
        expect(await ids(0, 1)).toEqual(["r1"]);
        expect(await ids(0, 22)).toEqual(["r1", "r2"]);
        const [first] = await queue(store, "a");
        expect(await ids(first?.id ?? 0, 1_000)).toEqual(["r2", "r3"]);
        expect(await store.queued("unknown", "protobuf", 0, 10)).toEqual([]);
      });

      test("takes a part once per destination: a second time changes nothing, another destination is added", async () => {
        await commit(done("r", ["a"], { phase: "waiting" }));
        await commit(done("r", ["a", "b"], { parts: [part("other bytes", ["a", "b"])] }));
        expect((await queue(store, "a")).map((row) => textOf(row.chunks[0]!.bytes))).toEqual(["spans of r"]);
        expect((await queue(store, "b")).map((row) => textOf(row.chunks[0]!.bytes))).toEqual(["other bytes"]);
        await store.settle("a", [delivered((await queue(store, "a"))[0]!.id)], START);
        await commit(done("r", ["a", "b"]));
        expect(await queue(store, "a")).toEqual([]);
        expect(await queue(store, "b")).toHaveLength(1);
      });

      test("counts what is excluded from the start", async () => {
        await commit(done("r", [], { parts: [part("x", [], { payloads: [], deliveries: [{ destination: "a", excluded: "sampled" }] })] }));
        expect(await queue(store, "a")).toEqual([]);
        expect((await store.outcomes("eu", [key("r")]))[0]).toEqual({ phase: "done", destinations: { a: "excluded (sampled)" } });
        expect((await store.status(0)).destinations[0]?.counts).toEqual({ "excluded.sampled": 1 });
      });

      test("gives each destination its encoding, and keeps a payload while somebody needs it", async () => {
        const payloads = [
          { encoding: "protobuf", chunks: [chunkOf("12345"), chunkOf("678", 2)] },
          { encoding: "json", chunks: [chunkOf("{}")] },
        ] as const;
        const deliveries = [
          { destination: "a", encoding: "protobuf" },
          { destination: "b", encoding: "json" },
        ] as const;
        await commit(done("r", [], { parts: [part("", [], { payloads, deliveries })] }));
        expect((await store.size()).payloadBytes).toBe(10);
        const [ofA] = await store.queued("a", "protobuf", 0, 99);
        expect(ofA?.chunks.map((chunk) => [textOf(chunk.bytes), chunk.spans])).toEqual([
          ["12345", 1],
          ["678", 2],
        ]);
        expect((await store.queued("b", "json", 0, 99))[0]).toMatchObject({ encoding: "json", bytes: 2 });
        // a destination whose encoding changed gets it so where it is stored so
        expect((await store.queued("a", "json", 0, 99))[0]).toMatchObject({ encoding: "json", bytes: 2 });
        await store.settle("a", [delivered(ofA!.id)], START);
        expect((await store.size()).payloadBytes).toBe(2);
        expect((await store.queued("b", "protobuf", 0, 99))[0]).toMatchObject({ encoding: "json" });
      });

      test("settles once: outcome, counters and payload, in one go", async () => {
        await commit(done("r", ["a"]));
        const [row] = await queue(store, "a");
        await store.settle("b", [delivered(row!.id)], START);
        expect(await queue(store, "a")).toHaveLength(1);
        await store.settle("a", [delivered(row!.id), delivered(row!.id)], START);
        await store.settle("a", [refused(row!.id, "late")], START);
        expect(await store.quarantined({})).toEqual([]);
        expect((await store.outcomes("eu", [key("r"), key("none")])).map((one) => one?.destinations)).toEqual([
          { a: "delivered" },
          undefined,
        ]);
        const [status] = (await store.status(0)).destinations;
        expect(status).toMatchObject({ queued: 0, queuedBytes: 0, quarantined: 0, counts: { delivered: 1, spans: 1, bytes: 10 } });
        expect((await store.size()).payloadBytes).toBe(0);
        await commit(done("next", ["a"]));
        expect((await queue(store, "a"))[0]!.id).toBeGreaterThan(row!.id);
      });

      test("tells how much waits, and since when", async () => {
        await commit(done("r1", ["a"]), done("r2", ["a"]));
        const [status] = (await store.status(0)).destinations;
        expect(status).toMatchObject({ name: "a", since: START, queued: 2, queuedBytes: 22, oldestQueuedAt: START });
      });

      test("the failure function is a part of its own, with an outcome that joins the run's", async () => {
        await commit(done("r", ["a"], { phase: "collected" }));
        await store.settle("a", [delivered((await queue(store, "a"))[0]!.id)], START);
        await commit(done("r", [], { parts: [part("failure", ["a"], { part: 1 })] }));
        expect((await store.findRuns("eu", [key("r")]))[0]?.parts).toEqual([0, 1]);
        expect((await store.outcomes("eu", [key("r")]))[0]?.destinations).toEqual({ a: "queued" });
        await store.settle("a", [refused((await queue(store, "a"))[0]!.id, "failure")], START);
        expect((await store.outcomes("eu", [key("r")]))[0]?.destinations).toEqual({ a: "partial" });
      });

      test("the words for its failure functions' messages are kept with the parts that brought them, each once, and survive a restart", async () => {
        const failure = (n: number, message?: string) =>
          part(`failure ${n}`, ["a"], { part: n, ...(message !== undefined && { message }) });
        await commit(done("r", ["a"], { phase: "collected" }), done("other", ["a"]));
        const failures = async () => (await store.findRuns("eu", [key("r"), key("other")])).map((run) => run?.failures);
        expect(await failures()).toEqual([undefined, undefined]);
        await commit(done("r", [], { parts: [failure(1, "w1")] }));
        await commit(done("r", [], { parts: [failure(1, "another"), failure(2, "w2")] }));
        await commit({ key: key("r"), phase: "collected", watch: watch(1, "failure") });
        await commit(done("r", [], { parts: [failure(MAX_PART)] }));
        store = await opened.reopen();
        expect(await failures()).toEqual([["w1", "w2"], undefined]);
        expect((await store.findRuns("eu", [key("r")]))[0]?.parts).toEqual([0, 1, 2, MAX_PART]);
        expect((await queue(store, "a")).map(({ key: { id }, part: n }) => `${id} ${n}`)).toEqual([
          "r 0",
          "other 0",
          "r 1",
          "r 2",
          `r ${MAX_PART}`,
        ]);
      });

      test("a failure function that the log shows no more ends what was asked for again, and is not counted as a run", async () => {
        const replaced = part("", [], { part: 1, payloads: [], deliveries: [{ destination: "a", excluded: "replaced" }] });
        await commit(done("r", ["a"], { phase: "collected" }));
        await commit(done("r", [], { parts: [part("failure", ["a"], { part: 1, message: "w1" })] }));
        for (const { id } of await queue(store, "a")) await store.settle("a", [delivered(id)], START);
        await store.refetch("eu", [key("r")], true, START);
        expect((await store.outcomes("eu", [key("r")]))[0]?.destinations).toEqual({ a: "refetch" });
        await commit(done("r", ["a"], { parts: [part("again", ["a"]), replaced, part("second", ["a"], { part: 2, message: "w2" })] }));
        for (const { id } of await queue(store, "a")) await store.settle("a", [delivered(id)], START);
        expect((await store.outcomes("eu", [key("r")]))[0]?.destinations).toEqual({ a: "delivered" });
        expect((await store.status(0)).destinations.find((one) => one.name === "a")?.counts["excluded.replaced"]).toBeUndefined();
      });

      test("a failure function is not counted as another run, whatever becomes of it; its spans are counted", async () => {
        await commit(...["r1", "r2", "r3"].map((id) => done(id, ["a"], { phase: "collected" })));
        await store.settle(
          "a",
          (await queue(store, "a")).map(({ id }) => delivered(id)),
          START,
        );
        for (const id of ["r1", "r2", "r3"]) await commit(done(id, [], { parts: [part("failure", ["a"], { part: 1 })] }));
        const [sent, bad, old] = (await queue(store, "a")).map(({ id }) => id);
        const settlements = [
          delivered(sent!),
          refused(bad!, "x"),
          { id: old!, outcome: "excluded", reason: "too_old", spans: 1, bytes: 0 },
        ];
        await store.settle("a", settlements as Settlement[], START);
        const counts = (await store.status(0)).destinations[0]?.counts ?? {};
        expect(Object.fromEntries(Object.entries(counts).filter(([, value]) => value !== 0))).toEqual({
          delivered: 3,
          spans: 4,
          bytes: 40,
          "quarantined.spans": 1,
          "excluded.too_old.spans": 1,
        });
      });
    });

    describe("destinations", () => {
      test("a new one gets only what is collected later; one that is not configured gets nothing", async () => {
        await store.syncDestinations(["a"], 1);
        await commit(done("before", ["a", "b"]));
        await store.syncDestinations(["a", "b"], 2);
        await commit(done("after", ["a", "b"]));
        expect((await queue(store, "b")).map((row) => row.key.id)).toEqual(["after"]);
        expect(await store.destinations()).toEqual([
          { name: "a", since: 1 },
          { name: "b", since: 2 },
        ]);
      });

      test("one that left keeps its queue for a day, then it is excluded and counted", async () => {
        await store.syncDestinations(["a", "b"], START);
        await commit(done("r1", ["a", "b"]), done("r2", ["b"]));
        await store.syncDestinations(["a"], START + 1);
        await commit(done("r3", ["a", "b"]));
        await store.maintain({ now: START + DAY_MS, forgetBefore: {} });
        expect((await queue(store, "b")).map((row) => row.key.id)).toEqual(["r1", "r2"]);
        await store.maintain({ now: START + 1 + DAY_MS, forgetBefore: {} });
        expect(await queue(store, "b")).toEqual([]);
        expect((await store.status(0)).destinations[1]).toMatchObject({
          removedAt: START + 1,
          queued: 0,
          counts: { "excluded.destination_removed": 2 },
        });
        expect((await store.outcomes("eu", [key("r2")]))[0]?.destinations).toEqual({ b: "excluded (destination_removed)" });
        expect(await queue(store, "a")).toHaveLength(2);
      });

      test("one that comes back within the day goes on; later it starts anew", async () => {
        await store.syncDestinations(["a"], 1);
        await commit(done("r", ["a"]));
        await store.syncDestinations([], 2);
        await store.syncDestinations(["a"], 3);
        expect(await store.destinations()).toEqual([{ name: "a", since: 1 }]);
        expect(await queue(store, "a")).toHaveLength(1);
        await store.syncDestinations([], 4);
        await store.maintain({ now: 4 + DAY_MS, forgetBefore: {} });
        await store.syncDestinations(["a"], 5 + DAY_MS);
        expect(await store.destinations()).toEqual([{ name: "a", since: 5 + DAY_MS }]);
      });

      test("a pause is remembered until it is lifted", async () => {
        await store.syncDestinations(["a"], 1);
        await store.setPaused("a", { reason: "401", since: 7 });
        store = await opened.reopen();
        expect(await store.destinations()).toEqual([{ name: "a", since: 1, paused: { reason: "401", since: 7 } }]);
        await store.setPaused("a", undefined);
        expect(await store.destinations()).toEqual([{ name: "a", since: 1 }]);
      });
    });

    describe("the quarantine", () => {
      beforeEach(() => store.syncDestinations(["a", "b"], START));
      const quarantine = async (id: string, bytes: string, outcome?: "partial") => {
        await commit(done(id, ["a"]));
        const row = (await queue(store, "a")).find((one) => one.key.id === id);
        await store.settle("a", [refused(row!.id, bytes, outcome)], START);
      };

      test("keeps who, why, the backend's words and the bytes", async () => {
        await quarantine("r1", "refused bytes");
        await quarantine("r2", "x", "partial");
        const [entry, other] = await store.quarantined({});
        expect(entry).toEqual({
          id: entry!.id,
          source: "eu",
          key: key("r1"),
          part: 0,
          destination: "a",
          reason: "refused",
          status: 400,
          message: "bad span",
          encoding: "protobuf",
          spans: 1,
          bytes: 13,
          hasBytes: true,
          at: START,
        });
        expect(textOf((await store.quarantinedBytes(entry!.id))!)).toBe("refused bytes");
        expect(await store.quarantinedBytes(999)).toBeUndefined();
        expect(await store.quarantined({ runId: "r2" })).toEqual([other]);
        expect(await store.quarantined({ destination: "b" })).toEqual([]);
        expect(await store.quarantined({ ids: [entry!.id], destination: "a" })).toEqual([entry]);
        expect((await store.outcomes("eu", [key("r1"), key("r2")])).map((one) => one?.destinations.a)).toEqual(["quarantined", "partial"]);
        expect((await store.status(0)).destinations[0]).toMatchObject({
          quarantined: 2,
          counts: { quarantined: 1, partial: 1, "quarantined.spans": 2 },
        });
        expect(await store.size()).toMatchObject({ quarantineBytes: 14, payloadBytes: 0 });
      });

      test("does not count towards what back-pressure looks at", async () => {
        const before = (await store.size()).liveBytes;
        await quarantine("r", "x".repeat(5_000_000));
        const { liveBytes, quarantineBytes } = await store.size();
        expect(quarantineBytes).toBe(5_000_000);
        expect(liveBytes - before).toBeLessThan(100_000);
      });

      test("retried: exactly those bytes are queued again, and a delivery makes the run delivered", async () => {
        await quarantine("r", "refused bytes");
        const ids = (await store.quarantined({})).map((entry) => entry.id);
        expect(await store.requeue([...ids, 999], START + 5)).toEqual({ requeued: 1, refetch: 0 });
        expect(await store.requeue(ids, START + 5)).toEqual({ requeued: 0, refetch: 0 });
        expect(await store.quarantined({})).toEqual([]);
        const [row] = await queue(store, "a");
        expect(row).toMatchObject({ key: key("r"), part: 0, spans: 1, bytes: 13, firstEnd: START + 10, queuedAt: START + 5 });
        expect(textOf(row!.chunks[0]!.bytes)).toBe("refused bytes");
        expect((await store.outcomes("eu", [key("r")]))[0]?.destinations).toEqual({ a: "queued" });
        await store.settle("a", [delivered(row!.id)], START);
        expect((await store.outcomes("eu", [key("r")]))[0]?.destinations).toEqual({ a: "delivered" });
      });

      test("collected again: for who has nothing of the run; with everything for all that do not wait for it, and its entries go", async () => {
        await store.syncDestinations(["a", "b"], START);
        await commit(done("r", ["a"]));
        await store.settle("a", [refused((await queue(store, "a"))[0]!.id, "p1")], START);
        const again = async (everything: boolean) => {
          await store.refetch("eu", [key("r"), key("unknown")], everything, START + 9);
          expect((await store.findRuns("eu", [key("r")]))[0]).toMatchObject({
            phase: "waiting",
            watch: { reason: "refetch", dueAt: START + 9 },
          });
          await commit(done("r", ["a", "b"]));
        };
        await again(false);
        expect([(await queue(store, "a")).length, (await queue(store, "b")).length]).toEqual([0, 1]);
        expect(await store.quarantined({})).toHaveLength(1);
        await again(true);
        expect([(await queue(store, "a")).length, (await queue(store, "b")).length]).toEqual([1, 1]);
        expect(await store.quarantined({})).toEqual([]);
      });

      test("retried one of two pieces: the run stays partial until both are delivered", async () => {
        await commit(done("r", ["a"]));
        const [first] = await queue(store, "a");
        const pieces = [...refused(first!.id, "p1").refused!, ...refused(first!.id, "p2").refused!];
        await store.settle("a", [{ ...refused(first!.id, "", "partial"), refused: pieces }], START);
        const outcome = async () => (await store.outcomes("eu", [key("r")]))[0]?.destinations.a;
        for (const expected of ["partial", "delivered"]) {
          const [entry] = await store.quarantined({});
          await store.requeue([entry!.id], START);
          await store.settle("a", [delivered((await queue(store, "a"))[0]!.id)], START);
          expect(await outcome()).toBe(expected);
        }
      });

      test("bytes go after seven days, the entry stays, and a retry asks for the run again for that destination alone", async () => {
        await commit(done("r", ["a", "b"]));
        await store.settle("a", [refused((await queue(store, "a"))[0]!.id, "bytes")], START);
        await store.settle("b", [delivered((await queue(store, "b"))[0]!.id)], START);
        await store.maintain({ now: START + QUARANTINE_MAX_AGE_MS + 1, forgetBefore: {} });
        const [entry] = await store.quarantined({});
        expect(entry).toMatchObject({ hasBytes: false, bytes: 5, reason: "refused" });
        expect(await store.quarantinedBytes(entry!.id)).toBeUndefined();
        expect((await store.size()).quarantineBytes).toBe(0);
        expect(await store.requeue([entry!.id], 77)).toEqual({ requeued: 0, refetch: 1 });
        expect((await store.findRuns("eu", [key("r")]))[0]).toMatchObject({
          phase: "waiting",
          placement: "own",
          watch: { reason: "refetch", dueAt: 77, polls: 0 },
        });
        expect((await store.outcomes("eu", [key("r")]))[0]?.destinations).toEqual({ a: "refetch", b: "delivered" });
        expect(await store.quarantined({})).toHaveLength(1);
        await commit(done("r", ["a", "b"]));
        expect((await queue(store, "a")).map((row) => textOf(row.chunks[0]!.bytes))).toEqual(["spans of r"]);
        expect(await queue(store, "b")).toEqual([]);
        expect(await store.quarantined({})).toEqual([]);
        expect((await store.findRuns("eu", [key("r")]))[0]).toMatchObject({ phase: "done", parts: [0] });
      });

      test("past its cap the oldest bytes go first", async () => {
        const big = "x".repeat(40 * 1024 * 1024);
        for (const id of ["r1", "r2", "r3"]) await quarantine(id, big);
        await store.maintain({ now: START, forgetBefore: {} });
        expect((await store.quarantined({})).map((entry) => entry.hasBytes)).toEqual([false, true, true]);
      });

      const wordOf = async (id: string) => (await store.outcomes("eu", [key(id)]))[0]?.destinations.a;

      test("a dropped entry is gone for good, and its run is dropped: neither quarantined nor delivered", async () => {
        await quarantine("r", "x");
        const [entry] = await store.quarantined({});
        expect(await store.dropQuarantined([entry!.id, 999])).toBe(1);
        expect(await store.dropQuarantined([entry!.id])).toBe(0);
        expect(await store.requeue([entry!.id], START)).toEqual({ requeued: 0, refetch: 0 });
        expect(await store.quarantined({})).toEqual([]);
        expect((await store.quarantined({ dropped: true })).map((one) => [one.id, one.hasBytes])).toEqual([[entry!.id, false]]);
        expect(await store.quarantinedBytes(entry!.id)).toBeUndefined();
        expect((await store.size()).quarantineBytes).toBe(0);
        expect((await store.status(0)).destinations[0]).toMatchObject({ quarantined: 0 });
        expect(await wordOf("r")).toBe("dropped");
        await commit(done("r", ["a"]));
        expect(await queue(store, "a")).toEqual([]);
        await store.maintain({ now: START, forgetBefore: { eu: START + DAY_MS } });
        await store.maintain({ now: START, forgetBefore: { eu: START + DAY_MS } });
        expect(await store.quarantined({ dropped: true })).toEqual([]);
      });

      test("a run is dropped with its last piece; what was accepted of it stays so, and a retried piece does not make it whole", async () => {
        await quarantine("part", "x", "partial");
        await commit(done("pieces", ["a"]));
        const [row] = await queue(store, "a");
        const piece = refused(0, "y").refused![0]!;
        await store.settle("a", [{ id: row!.id, outcome: "quarantined", refused: [piece, piece, piece], spans: 0, bytes: 0 }], START);
        const [part, first, second, third] = (await store.quarantined({})).map(({ id }) => id);
        await store.dropQuarantined([part!, first!]);
        expect([await wordOf("part"), await wordOf("pieces")]).toEqual(["partial", "quarantined"]);
        await store.requeue([second!], START);
        await store.dropQuarantined([third!]);
        expect(await wordOf("pieces")).toBe("queued");
        await store.settle("a", [delivered((await queue(store, "a"))[0]!.id)], START);
        expect(await wordOf("pieces")).toBe("partial");
      });

      test("a run of which every piece was dropped is dropped, whatever the order", async () => {
        await commit(done("r", ["a"]));
        const piece = refused(0, "y").refused![0]!;
        const [row] = await queue(store, "a");
        await store.settle("a", [{ id: row!.id, outcome: "quarantined", refused: [piece, piece], spans: 0, bytes: 0 }], START);
        const [first, second] = (await store.quarantined({})).map(({ id }) => id);
        await store.dropQuarantined([second!]);
        expect(await wordOf("r")).toBe("quarantined");
        await store.dropQuarantined([first!]);
        expect(await wordOf("r")).toBe("dropped");
      });

      test("a dropped entry of what could not be read does not come back, and is not counted again", async () => {
        const unreadable = [{ key: key("odd"), reason: "unreadable", message: "steps: expected array", count: "unreadable" }];
        await store.commit({ source: "eu", state, runs: [], unreadable });
        await store.dropQuarantined([(await store.quarantined({}))[0]!.id]);
        await store.commit({ source: "eu", runs: [], unreadable });
        expect(await store.quarantined({})).toEqual([]);
        expect((await store.quarantined({ runId: "odd", dropped: true })).map((entry) => entry.key)).toEqual([key("odd")]);
        expect((await store.status(0)).sources[0]?.counts).toEqual({ unreadable: 1 });
      });

      test("entries whose creation time could not be read are told apart by their message, and cannot be asked for", async () => {
        const of = (id: string, message: string) => ({ key: key(id, 0), reason: "unreadable", message, count: "unreadable" });
        const page = [of("odd", "no time (entry 1)"), of("odd", "no time (entry 2)"), of("unreadable 3", "no id (entry 3)")];
        await store.commit({ source: "eu", state, runs: [], unreadable: page });
        await store.commit({ source: "eu", runs: [], unreadable: page });
        const entries = await store.quarantined({});
        expect(entries.map(({ key: { id }, message }) => [id, message])).toEqual(page.map((one) => [one.key.id, one.message]));
        expect((await store.status(0)).sources[0]?.counts).toEqual({ unreadable: 3 });
        const ids = entries.map(({ id }) => id);
        expect(await store.requeue(ids, START)).toEqual({ requeued: 0, refetch: 0 });
        expect(await store.dueRuns("eu", START, 9)).toEqual([]);
        expect(await store.quarantined({ ids })).toHaveLength(3);
      });

      test("a run that could not be read is listed once per reason, and no more once it was collected", async () => {
        const unreadable = [{ key: key("odd"), reason: "unreadable", message: "steps: expected array" }];
        await store.commit({ source: "eu", runs: [], unreadable });
        await store.commit({ source: "eu", runs: [], unreadable: [...unreadable, { ...unreadable[0]!, reason: "too_large" }] });
        const entries = await store.quarantined({ runId: "odd" });
        expect(entries.map((entry) => [entry.reason, entry.hasBytes, entry.destination])).toEqual([
          ["unreadable", false, undefined],
          ["too_large", false, undefined],
        ]);
        expect(await phaseOf("odd")).toBeUndefined();
        expect(await store.requeue([entries[0]!.id], 5)).toEqual({ requeued: 0, refetch: 1 });
        expect((await store.dueRuns("eu", 5, 9)).map((run) => [run.key.id, run.watch.reason])).toEqual([["odd", "refetch"]]);
        await commit(done("odd", ["a"]));
        expect(await store.quarantined({})).toEqual([]);
        expect(await queue(store, "a")).toHaveLength(1);
      });
    });

    test("identities are forgotten from their end on, but never while open, watched or queued", async () => {
      await store.syncDestinations(["a"], 1);
      const old = { endedAt: START, parts: [] };
      await commit(
        done("old", [], old),
        done("young", [], { ...old, endedAt: START + 10 }),
        done("watched", [], { ...old, phase: "collected", watch: watch(1, "failure") }),
      );
      await commit(
        done("queued", ["a"], { endedAt: START }),
        { key: key("open"), phase: "open" },
        { key: key("waits"), phase: "waiting", endedAt: START },
      );
      await commit(
        { key: key("gone"), phase: "gone" },
        done("tree", [], {
          endedAt: START,
          tree: { traceId: "t", spans: 1, bytes: 1, keptBy: [] },
          marks: [{ word: "w", key: key("tree"), traceId: "t", spanId: "s" }],
        }),
      );
      await store.commit({ source: "us", runs: [done("old", [], old)] });
      await store.maintain({ now: START + 20, forgetBefore: { eu: START + 5, unknown: START + 5 } });
      const ids = ["old", "young", "watched", "queued", "open", "waits", "gone", "tree"];
      const found = await store.findRuns(
        "eu",
        ids.map((id) => key(id)),
      );
      expect(found.map((run) => run?.key.id)).toEqual([undefined, "young", "watched", "queued", "open", "waits", undefined, undefined]);
      expect((await store.traceSize("t")).spans).toBe(0);
      expect(await store.findMarks("eu", ["w"])).toEqual([]);
      expect(await store.findRunsById("old")).toHaveLength(1);
    });

    test("a quarantine entry outlives its bytes as long as its run is remembered", async () => {
      await store.syncDestinations(["a"], 1);
      await commit(done("r", ["a"]));
      await store.settle("a", [refused((await queue(store, "a"))[0]!.id, "x")], START);
      await store.maintain({ now: START + 1, forgetBefore: { eu: START + 1_000 } });
      expect((await store.quarantined({})).map((entry) => entry.hasBytes)).toEqual([true]);
      expect(await phaseOf("r")).toBeUndefined();
      const [entry] = await store.quarantined({});
      await store.requeue([entry!.id], START);
      expect((await queue(store, "a")).map((row) => row.key.id)).toEqual(["r"]);
      await store.settle("a", [refused((await queue(store, "a"))[0]!.id, "x")], START);
      const later = START + QUARANTINE_MAX_AGE_MS + 1;
      await store.maintain({ now: later, forgetBefore: {} });
      await store.maintain({ now: later, forgetBefore: { eu: later } });
      expect(await store.quarantined({})).toEqual([]);
    });

    test("jobs are seen until a day after they finished", async () => {
      const first = await store.addJob("verify", { from: 1 }, 10);
      const second = await store.addJob("requeue", { ids: [1, 2] }, 11);
      await store.updateJob(first, { startedAt: 20, progress: { done: 1 } });
      await store.updateJob(first, { finishedAt: 30, progress: { done: 2 }, exitCode: 0 });
      store = await opened.reopen();
      expect(await store.jobs(30 + DAY_MS)).toEqual([
        { id: first, kind: "verify", args: { from: 1 }, createdAt: 10, startedAt: 20, finishedAt: 30, progress: { done: 2 }, exitCode: 0 },
        { id: second, kind: "requeue", args: { ids: [1, 2] }, createdAt: 11 },
      ]);
      await store.maintain({ now: 31 + DAY_MS, forgetBefore: {} });
      expect((await store.jobs(31 + DAY_MS)).map((job) => job.id)).toEqual([second]);
    });

    test("a page that cannot be stored whole is not stored at all", async () => {
      await store.syncDestinations(["a"], 1);
      const broken = { ...part("x", ["a"]), payloads: [] };
      await expect(
        store.commit({ source: "eu", state, runs: [done("ok", ["a"]), done("bad", [], { parts: [broken] })] }),
      ).rejects.toThrow();
      expect(await store.readSource("eu")).toBeUndefined();
      expect(await phaseOf("ok")).toBeUndefined();
      expect(await queue(store, "a")).toEqual([]);
    });
  });
}
