import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { openStore } from "../../src/state/sqlite.ts";
import type { CollectedPart, PageCommit, RunChange, Store } from "../../src/state/store.ts";
import { openMemoryStore } from "../support/memory-store.ts";
import { chunkOf, key, START } from "../support/store-samples.ts";

/** Random work on the SQLite store and on the in-memory double at once: whatever one shows, the other shows. */

const IDS = ["a", "b", "c"];
const DESTINATIONS = ["x", "y", "z"];
const SOURCES = ["eu", "us"];
const encoding = fc.constantFrom("protobuf", "json");
const time = fc.integer({ min: 0, max: 30 }).map((step) => START + step * 86_400_000);
const some = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });

const watch = fc.record(
  {
    reason: fc.constantFrom("open", "failure", "ancestor", "verdict", "refetch"),
    dueAt: time,
    polls: fc.nat(5),
    absent: fc.record({ count: fc.nat(3), since: time }),
    refused: fc.constant("400"),
  },
  { requiredKeys: ["reason", "dueAt", "polls"] },
);

const collected: fc.Arbitrary<CollectedPart> = fc
  .record({
    part: fc.nat(2),
    message: some(fc.constantFrom("m1", "m2")),
    text: fc.string({ minLength: 1, maxLength: 9 }),
    wanted: fc.subarray(DESTINATIONS),
    encoding,
    excluded: some(fc.constantFrom(...DESTINATIONS)),
  })
  .map(({ part, message, text, wanted, encoding: taken, excluded }) => ({
    part,
    ...(message !== undefined && { message }),
    payloads: (["protobuf", "json"] as const).map((one) => ({ encoding: one, chunks: [chunkOf(one), chunkOf(text)] })),
    firstEnd: START,
    lastEnd: START + 5,
    spans: 2,
    deliveries: wanted.map((destination) =>
      destination === excluded ? { destination, excluded: "sampled" } : { destination, encoding: taken },
    ),
  }));

const change = fc.record(
  {
    key: fc.record({ id: fc.constantFrom(...IDS), createdAt: fc.constantFrom(START, START + 1) }),
    phase: fc.constantFrom("open", "waiting", "collected", "done", "gone"),
    endedAt: time,
    placement: fc.constantFrom("own", "none"),
    watch,
    parts: fc.array(collected, { maxLength: 2 }),
    marks: fc.array(
      fc.record({
        word: fc.constantFrom("w1", "w2"),
        key: fc.constant({ id: "a", createdAt: START }),
        traceId: fc.constant("t"),
        spanId: fc.constantFrom("s1", "s2"),
      }),
      { maxLength: 2 },
    ),
    tree: fc.record({ traceId: fc.constantFrom("t1", "t2"), spans: fc.nat(9), bytes: fc.nat(9), keptBy: fc.subarray(DESTINATIONS) }),
  },
  { requiredKeys: ["key", "phase"] },
) as fc.Arbitrary<RunChange>;

const runEvents = fc
  .record({ id: fc.constantFrom(...IDS), createdAt: fc.constantFrom(START, START + 1), times: fc.array(fc.nat(3), { maxLength: 3 }) })
  .map(({ times, ...of }) => ({ key: of, events: times.map((at) => ({ ...of, time: at, state: "ACTIVE", url: "" })) }));

const page = fc.record(
  {
    source: fc.constantFrom(...SOURCES),
    runs: fc.array(change, { maxLength: 4 }),
    state: fc.record({ epoch: time }),
    events: fc.record({ runs: fc.array(runEvents, { maxLength: 3 }), maxBytes: fc.nat(600) }),
    counts: fc.dictionary(fc.constantFrom("gone", "collected"), fc.nat(3)),
    unreadable: fc.array(
      fc.record({ key: fc.constantFrom(...IDS).map((id) => key(id)), reason: fc.constantFrom("odd", "big"), message: fc.string() }),
      { maxLength: 2 },
    ),
  },
  { requiredKeys: ["source", "runs"] },
) as fc.Arbitrary<PageCommit>;

/** One step: does the same to either store and says what it answered. */
type Step = (store: Store) => Promise<unknown>;

const settled = fc.record({
  destination: fc.constantFrom(...DESTINATIONS),
  outcome: fc.constantFrom("delivered", "partial", "quarantined", "excluded"),
  skip: fc.nat(3),
  take: fc.integer({ min: 1, max: 3 }),
  pieces: fc.array(fc.string({ maxLength: 5 }), { maxLength: 2 }),
  now: time,
});

async function settleSome(
  store: Store,
  { destination, outcome, skip, take, pieces, now }: typeof settled extends fc.Arbitrary<infer T> ? T : never,
) {
  const rows = (await store.queued(destination, "protobuf", 0, 1_000)).slice(skip, skip + take);
  const withPieces = outcome === "partial" || outcome === "quarantined";
  const refused = pieces.map((text) => ({ reason: "refused", message: text, encoding: "json" as const, ...chunkOf(text) }));
  const settlements = rows.map(({ id, spans, bytes }) => ({
    id,
    outcome,
    reason: "too_old",
    spans,
    bytes,
    ...(withPieces && { refused }),
  }));
  await store.settle(destination, settlements as Parameters<Store["settle"]>[1], now);
}

async function onEntries(store: Store, skip: number, work: (ids: number[]) => Promise<unknown>) {
  return work((await store.quarantined({})).slice(skip, skip + 2).map((entry) => entry.id));
}

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: page.map((given) => (store: Store) => store.commit(given)) },
  { weight: 4, arbitrary: settled.map((given) => (store: Store) => settleSome(store, given)) },
  {
    weight: 2,
    arbitrary: fc.tuple(fc.nat(3), time).map(
      ([skip, now]) =>
        (store: Store) =>
          onEntries(store, skip, (ids) => store.requeue(ids, now)),
    ),
  },
  { weight: 1, arbitrary: fc.nat(3).map((skip) => (store: Store) => onEntries(store, skip, (ids) => store.dropQuarantined(ids))) },
  {
    weight: 2,
    arbitrary: fc.tuple(fc.constantFrom(...SOURCES, "none"), fc.subarray(IDS), fc.boolean(), time).map(
      ([source, ids, everything, dueAt]) =>
        (store: Store) =>
          store.refetch(
            source,
            ids.map((id) => key(id)),
            everything,
            dueAt,
          ),
    ),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(fc.subarray(DESTINATIONS), time).map(
      ([names, now]) =>
        (store: Store) =>
          store.syncDestinations(names, now),
    ),
  },
  {
    weight: 2,
    arbitrary: fc
      .record({ now: time, forgetBefore: fc.dictionary(fc.constantFrom(...SOURCES), time) })
      .map((given) => (store: Store) => store.maintain(given)),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(watch, time).map(
      ([{ reason }, dueAt]) =>
        (store: Store) =>
          store.hasten("eu", reason, dueAt),
    ),
  },
  {
    weight: 1,
    arbitrary: some(time).map(
      (since) => (store: Store) => store.setPaused("x", since === undefined ? undefined : { reason: "401", since }),
    ),
  },
);

/** Everything that can be asked. */
async function view(store: Store): Promise<unknown> {
  const keys = IDS.flatMap((id) => [key(id), key(id, START + 1)]);
  const { liveBytes: _, ...size } = await store.size();
  const { size: __, ...status } = await store.status(START);
  const entries = await store.quarantined({});
  const perSource = SOURCES.map(async (source) => [
    await store.readSource(source),
    await store.findRuns(source, keys),
    (await store.readEvents(source, keys)).map((events) => events?.map((event) => event.time).sort()),
    await store.outcomes(source, keys),
    await store.dueRuns(source, START + 10 * 86_400_000, 4),
    await store.nextDue(source),
  ]);
  const queues = DESTINATIONS.flatMap((name) => [store.queued(name, "json", 0, 40), store.queued(name, "protobuf", 2, 1_000)]);
  return {
    size,
    status,
    entries,
    bytes: await Promise.all(entries.map((entry) => store.quarantinedBytes(entry.id))),
    sources: await Promise.all(perSource),
    queues: await Promise.all(queues),
    marks: [await store.findMarks("eu", ["w1", "w2"]), await store.findMarks("us", ["w2"])],
    trees: [await store.traceSize("t1"), await store.traceSize("t2")],
    byId: await store.findRunsById("a"),
  };
}

test("SQLite and the in-memory double never differ, whatever is done to them", async () => {
  const folder = mkdtempSync(join(tmpdir(), "wfotel-model-"));
  let files = 0;
  try {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
        files += 1;
        const stores = [await openStore(join(folder, `${files}.db`), { now: () => START }), openMemoryStore({ now: () => START })] as const;
        for (const store of stores) await store.syncDestinations(DESTINATIONS, START);
        for (const one of steps) {
          const [real, double] = [await one(stores[0]), await one(stores[1])];
          expect(real).toEqual(double);
          expect(await view(stores[0])).toEqual(await view(stores[1]));
        }
        await stores[0].close();
      }),
      { numRuns: 100 },
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}, 120_000);
