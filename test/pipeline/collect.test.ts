import { expect, test } from "vitest";
import type { WorkflowRun } from "../../src/model/run.ts";
import { collectPage } from "../../src/pipeline/collect.ts";
import type { UnreadableEntry } from "../../src/sources/source.ts";
import { openMemoryStore } from "../support/memory-store.ts";
import { KEEP_ALL } from "../support/pipeline.ts";
import { aRun, settingsWith, T0 } from "../support/run-builder.ts";

/** What a page's warnings are, with nothing around it but a store. */
function collector(workflows: unknown[] = []) {
  const warnings: unknown[] = [];
  const log = {
    warn: (details: unknown) => void warnings.push(details),
    info: () => undefined,
    debug: () => undefined,
    isLevelEnabled: () => true,
    error: () => undefined,
  };
  const store = openMemoryStore();
  const context = {
    source: { name: "eu" },
    config: { poll_interval: 5_000, open_run_max_interval: 300_000, detail: "runs" },
    store,
    settings: settingsWith({}, { workflows }),
    destinations: KEEP_ALL,
    matches: () => true,
    hasRoom: () => Promise.resolve(true),
    onQueued: () => undefined,
    server: { now: () => T0 + 10_000 },
    log,
  };
  const warned = new Set<string>();
  const page = (runs: WorkflowRun[], unreadable: UnreadableEntry[] = []) =>
    collectPage(context as never, { runs, unreadable, epoch: 0, feed: false, warned }, new AbortController().signal);
  const collect = Object.assign((...urls: string[]) => page(urls.map((url, n) => aRun(1_000, [], { id: `wfr_${url}_${n}`, url }))), {
    page: (unreadable: UnreadableEntry[]) => page([], unreadable),
  });
  return { store, warnings, collect, restart: () => warned.clear() };
}

test("a host whose service name is a guess is warned about once, however many runs and pages it has", async () => {
  const { store, warnings, collect } = collector();
  await store.syncDestinations(["jaeger"], 0);
  await collect("https://abc.ngrok-free.app/api/a", "https://abc.ngrok-free.app/api/b");
  await collect("https://abc.ngrok-free.app/api/c", "https://shop.example.com/api/d");
  expect(warnings).toEqual([{ source: "eu", host: "abc.ngrok-free.app", service: "upstash-workflow" }]);
});

test("each entry that cannot be read is quarantined, counted and warned about once, with all that is known of it", async () => {
  const { store, warnings, collect } = collector();
  const beside = { id: "wfr_before", createdAt: T0 };
  const unreadable = (shift: number): UnreadableEntry[] => [
    { position: 3 + shift, reason: "expected a run, an object", content: 7 },
    { position: 4 + shift, reason: "expected a run, an object", content: "another" },
    {
      position: 5 + shift,
      beside,
      reason: "workflowRunCreatedAt: expected a time in milliseconds",
      id: "wfr_x",
      content: ["wfr_x", "soon"],
    },
    { position: 6 + shift, reason: "too_large: expected a run of at most 9 bytes", key: { id: "wfr_y", createdAt: T0 } },
  ];
  await store.commit({ source: "eu", state: { epoch: 0 }, runs: [] });
  await collect.page(unreadable(0));
  await collect.page(unreadable(1));
  const hash = expect.stringMatching(/^[0-9a-f]{16}$/);
  expect(warnings).toEqual([
    { source: "eu", position: 3, entry: hash, reason: "expected a run, an object" },
    { source: "eu", position: 4, entry: hash, reason: "expected a run, an object" },
    { source: "eu", run: "wfr_x", position: 5, beside: `wfr_before@${T0}`, entry: hash, reason: unreadable(0)[2]!.reason },
    { source: "eu", run: "wfr_y", createdAt: T0, position: 6, reason: unreadable(0)[3]!.reason },
  ]);
  const [first, second, third] = warnings.map((line) => (line as { entry?: string }).entry);
  expect((await store.quarantined({})).map(({ key, reason, message }) => [key.id, key.createdAt, reason, message])).toEqual([
    [`unreadable ${first}`, 0, "unreadable", `expected a run, an object (entry ${first})`],
    [`unreadable ${second}`, 0, "unreadable", `expected a run, an object (entry ${second})`],
    ["wfr_x", 0, "unreadable", `workflowRunCreatedAt: expected a time in milliseconds (entry ${third})`],
    ["wfr_y", T0, "too_large", "too_large: expected a run of at most 9 bytes"],
  ]);
  expect((await store.status(T0)).sources[0]?.counts.unreadable).toBe(4);
});

test("after a restart an unreadable entry is warned about once more, and counted no second time", async () => {
  const { store, warnings, collect, restart } = collector();
  await store.commit({ source: "eu", state: { epoch: 0 }, runs: [] });
  await collect.page([{ position: 0, reason: "expected a run, an object", content: null }]);
  restart();
  await collect.page([{ position: 0, reason: "expected a run, an object", content: null }]);
  expect(warnings).toHaveLength(2);
  expect(await store.quarantined({})).toHaveLength(1);
  expect((await store.status(T0)).sources[0]?.counts.unreadable).toBe(1);
});

test("of an entry without a key nothing but a hash is kept, and that of its redacted content", async () => {
  const { store, warnings, collect } = collector();
  for (const token of ["Bearer abc.def.1", "Bearer abc.def.2"]) {
    await collect.page([
      { position: 0, reason: "workflowRunId: expected an id", content: { headers: { Authorization: token }, url: "u" } },
    ]);
  }
  expect(warnings).toHaveLength(1);
  expect(JSON.stringify([warnings, await store.quarantined({})])).not.toContain("abc.def");
});

test("a rule that sets the service name, or drops the runs, ends the warning", async () => {
  const named = collector([{ match: { url: "https://abc.ngrok-free.app/*" }, set: { service_name: "shop" } }]);
  await named.collect("https://abc.ngrok-free.app/api/a");
  const dropped = collector([{ match: { url: "*" }, drop: true }]);
  await dropped.collect("https://abc.ngrok-free.app/api/a");
  expect([named.warnings, dropped.warnings]).toEqual([[], []]);
});
