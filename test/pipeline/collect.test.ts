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
  return { store, warnings, collect };
}

test("a host whose service name is a guess is warned about once, however many runs and pages it has", async () => {
  const { store, warnings, collect } = collector();
  await store.syncDestinations(["jaeger"], 0);
  await collect("https://abc.ngrok-free.app/api/a", "https://abc.ngrok-free.app/api/b");
  await collect("https://abc.ngrok-free.app/api/c", "https://shop.example.com/api/d");
  expect(warnings).toEqual([{ source: "eu", host: "abc.ngrok-free.app", service: "upstash-workflow" }]);
});

test("entries that cannot be read are counted once, and those with an identity are quarantined", async () => {
  const { store, warnings, collect } = collector();
  const unreadable = [
    { position: 3, reason: "expected an object" },
    { position: 4, reason: "steps: expected a list", key: { id: "wfr_x", createdAt: T0 } },
  ];
  await store.commit({ source: "eu", state: { epoch: 0 }, runs: [] });
  await collect.page(unreadable);
  await collect.page(unreadable);
  expect((await store.status(T0)).sources[0]?.counts.unreadable).toBe(2);
  expect((await store.quarantined({})).map((entry) => entry.key.id)).toEqual(["wfr_x"]);
  expect(warnings).toHaveLength(2);
});

test("a rule that sets the service name, or drops the runs, ends the warning", async () => {
  const named = collector([{ match: { url: "https://abc.ngrok-free.app/*" }, set: { service_name: "shop" } }]);
  await named.collect("https://abc.ngrok-free.app/api/a");
  const dropped = collector([{ match: { url: "*" }, drop: true }]);
  await dropped.collect("https://abc.ngrok-free.app/api/a");
  expect([named.warnings, dropped.warnings]).toEqual([[], []]);
});
