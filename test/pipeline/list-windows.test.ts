import fc from "fast-check";
import { expect, test } from "vitest";
import { listWindows, type WindowListing } from "../../src/pipeline/list-windows.ts";
import { planOf, type Window } from "../../src/pipeline/windows.ts";
import type { RunPage, RunSource } from "../../src/sources/source.ts";
import { aRun } from "../support/run-builder.ts";
import { virtualClock } from "../support/virtual-clock.ts";

const LATENCY_MS = 150;
const WORKERS = 10;
const RANGE: Window = { from: 0, to: 2_000_000 };
/** Every second one. */
const EVENLY = Array.from({ length: 2_000 }, (_, n) => n * 1_000);
/** Of 2,000 all but 200 within a hundredth of the time, and four at each moment. */
const BURST = [...EVENLY.filter((_, n) => n % 10 === 0), ...Array.from({ length: 1_800 }, (_, n) => 700_000 + 40 * Math.floor(n / 4))].sort(
  (a, b) => a - b,
);

/** Lists runs that were created at these times; `busy` is the share of the time in which a worker waits for an answer. */
async function list(created: readonly number[], over: Partial<WindowListing> = {}) {
  const clock = virtualClock(0);
  const stored: string[] = [];
  const signal = new AbortController().signal;
  let requests = 0;
  let answeredAt = 0;
  const source: Pick<RunSource, "list"> = {
    async list({ fromDate = 0, toDate = RANGE.to, cursor }) {
      requests += 1;
      await clock.sleep(LATENCY_MS, signal);
      answeredAt = clock.monotonic();
      return { kind: "ok", value: pageOf(created, fromDate, toDate, cursor), serverTime: undefined };
    },
  };
  const listing: WindowListing = {
    source,
    server: { observe: () => undefined },
    query: { count: 10 },
    purpose: "backfill",
    concurrency: WORKERS,
    plan: planOf([RANGE], 120_000),
    splits: () => true,
    async store({ from, to }, pages) {
      const runs = pages.flatMap((page) => page.runs).filter(({ createdAt }) => createdAt >= from && createdAt <= to);
      stored.push(...runs.map(({ id }) => id));
    },
    onPlan: async () => undefined,
    ...over,
  };
  const { plan, trouble } = await clock.until(listWindows(listing, signal));
  return { plan, trouble, stored, requests, busy: (requests * LATENCY_MS) / (WORKERS * answeredAt) };
}

function pageOf(created: readonly number[], from: number, to: number, cursor: string | undefined): RunPage {
  const all = created.flatMap((createdAt, n) => (createdAt >= from && createdAt <= to ? [{ ...aRun(1, []), id: `r${n}`, createdAt }] : []));
  const end = cursor === undefined ? all.length : Number(cursor);
  const start = Math.max(0, end - 10);
  return { runs: all.slice(start, end).reverse(), unreadable: [], ...(start > 0 && { cursor: String(start) }) };
}

test.each([
  ["evenly", EVENLY, 0.9, 220],
  ["in a burst", BURST, 0.75, 240],
] as const)("runs that were created %s are all listed once, by workers that are hardly ever idle", async (_, created, busy, most) => {
  const listed = await list(created);
  expect(new Set(listed.stored).size).toBe(2_000);
  expect(listed.stored).toHaveLength(2_000);
  expect(listed.plan).toMatchObject({ open: [], active: [] });
  expect(listed.requests).toBeLessThanOrEqual(most);
  expect(listed.busy).toBeGreaterThan(busy);
});

test("however narrow the range, dense the log and wrong the first guess, it comes to its end", async () => {
  const anything = fc.record({
    span: fc.integer({ min: 1, max: 60 }),
    created: fc.array(fc.nat(), { maxLength: 400 }),
    width: fc.integer({ min: 1, max: 60 }),
  });
  await fc.assert(
    fc.asyncProperty(anything, async ({ span, created, width }) => {
      const range = { from: 0, to: span };
      const times = created.map((time) => time % (span + 1)).sort((a, b) => a - b);
      const listed = await list(times, { plan: planOf([range], width) });
      expect(new Set(listed.stored).size).toBe(times.length);
      expect(listed.requests).toBeLessThan(times.length / 2 + 6 * span + 40);
    }),
    { numRuns: 150 },
  );
});

test("they come oldest first, as far as that goes", async () => {
  const { stored } = await list(EVENLY);
  const places = stored.map((id) => Number(id.slice(1)));
  const farthest = places.reduce((most, place, index) => Math.max(most, index - place), 0);
  expect(farthest).toBeLessThan(WORKERS * 120);
});

test("what is known later is listed too, and nothing is stored before", async () => {
  const later = Promise.withResolvers<readonly Window[]>();
  const early = { from: 0, to: 1_500_000 };
  let isKnown = false;
  const stored: boolean[] = [];
  let asked = 0;
  const listed = await list(EVENLY, {
    plan: planOf([early], 120_000),
    later: later.promise,
    splits() {
      asked += 1;
      if (asked === 40) later.resolve([{ from: early.to + 1, to: RANGE.to }]);
      isKnown ||= asked >= 40;
      return true;
    },
    store: async (_, pages) => void stored.push(...pages.flatMap(({ runs }) => runs.map(() => isKnown))),
  });
  expect(listed.plan).toMatchObject({ open: [], active: [] });
  expect(stored.length).toBeGreaterThanOrEqual(2_000);
  expect(stored).not.toContain(false);
});

test("where that cannot be found out, the listing fails with the reason", async () => {
  const later = Promise.reject(new Error("the state cannot be used"));
  await expect(list(EVENLY, { later })).rejects.toThrow("the state cannot be used");
});
