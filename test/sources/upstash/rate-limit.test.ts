import { expect, test, vi } from "vitest";
import type { Purpose } from "../../../src/sources/source.ts";
import { json, never, serve, simulatedTime, sourceOf } from "./api-server.ts";

const EMPTY = { runs: [] };
const DATE = "Wed, 08 Jan 2025 12:47:43 GMT";
const SERVER_SECONDS = Date.UTC(2025, 0, 8, 12, 47, 43) / 1_000;

test("429 without any hint is tried again with backoff", async () => {
  const { url, asked } = await serve((_, response, index) => (index < 2 ? json(response, {}, 429) : json(response, EMPTY)));
  const { source, seen } = sourceOf(url);
  expect(await source.list({}, "newest", never)).toMatchObject({ kind: "ok" });
  expect(asked).toHaveLength(3);
  expect(seen).toEqual(["newest rate_limited 429", "newest rate_limited 429", "newest ok 200"]);
});

test("a storm of 429 ends in a reply that says how long to wait", async () => {
  const { url, asked } = await serve((_, response) => json(response, { error: "slow down" }, 429, { "retry-after": "3" }));
  const { source, time } = sourceOf(url);
  expect(await source.list({}, "newest", never)).toEqual({
    kind: "unavailable",
    reason: "rate_limited",
    message: expect.stringContaining("429 (slow down)"),
    retryAfterMs: 3_000,
  });
  expect(asked).toHaveLength(5);
  expect(time.slept.filter((ms) => ms >= 3_000)).toHaveLength(4);
});

test.each([
  ["0", 0],
  ["2", 2_000],
  ["Wed, 08 Jan 2025 12:47:50 GMT", 7_000],
  ["Wed, 08 Jan 2025 12:47:40 GMT", 0],
  ["nonsense", 0],
])("Retry-After: %s is waited for on the server's own clock", async (retryAfter, expected) => {
  const { url } = await serve((_, response, index) =>
    index === 0 ? json(response, {}, 429, { "retry-after": retryAfter, date: DATE }) : json(response, EMPTY),
  );
  const { source, time } = sourceOf(url);
  expect(await source.list({}, "newest", never)).toMatchObject({ kind: "ok" });
  const waited = time.slept.reduce((sum, ms) => sum + ms, 0);
  expect(waited).toBeGreaterThanOrEqual(Math.max(250, expected));
  expect(waited).toBeLessThanOrEqual(Math.max(500, expected));
});

test.each([429, 200])(
  "after a %i with nothing left, nothing is sent before Burst-RateLimit-Reset on the server's clock",
  async (status) => {
    const headers = {
      date: DATE,
      "burst-ratelimit-limit": "10",
      "burst-ratelimit-remaining": "0",
      "burst-ratelimit-reset": String(SERVER_SECONDS + 4),
    };
    const sentAt: number[] = [];
    const { url } = await serve((_, response, index) => {
      sentAt.push(time.monotonic());
      json(response, EMPTY, index === 0 ? status : 200, index === 0 ? headers : { date: DATE });
    });
    const { source, time } = sourceOf(url);
    await source.list({}, "newest", never);
    if (status === 200) {
      expect(source.budget().pausedUntil).toBe(time.now() + 4_000);
      await source.list({}, "newest", never);
    }
    expect(sentAt).toHaveLength(2);
    expect(sentAt[1]! - sentAt[0]!).toBeGreaterThanOrEqual(4_000);
    expect(source.budget().pausedUntil).toBeUndefined();
  },
);

test("a pause longer than a minute is the caller's to plan, for everybody, and nothing is sent meanwhile", async () => {
  const { url, asked } = await serve((_, response) => json(response, {}, 429, { "retry-after": "3600" }));
  const { source, time } = sourceOf(url);
  expect(await source.list({}, "newest", never)).toMatchObject({ reason: "rate_limited", retryAfterMs: 3_600_000 });
  expect(await source.list({}, "feed", never)).toMatchObject({ kind: "unavailable", reason: "rate_limited", retryAfterMs: 3_600_000 });
  expect(asked).toHaveLength(1);
  expect(source.budget().pausedUntil).toBe(time.now() + 3_600_000);
  time.advance(3_600_001);
  await source.list({}, "newest", never);
  expect(asked).toHaveLength(2);
});

test("a reset from the year 2286 stops a source for a day at most", async () => {
  const { url } = await serve((_, response) => json(response, {}, 429, { "burst-ratelimit-reset": "9999999999", date: DATE }));
  expect(await sourceOf(url).source.list({}, "newest", never)).toMatchObject({ retryAfterMs: 86_400_000 });
});

test("without a Date header the own clock stands in", async () => {
  const { url } = await serve((_, response) => {
    response.sendDate = false;
    json(response, {}, 429, { "burst-ratelimit-reset": String(1_800_001_000 + 120) });
  });
  expect(await sourceOf(url).source.list({}, "newest", never)).toMatchObject({ retryAfterMs: 120_000 });
});

test("the API's lower limit is adopted, its use and 429s are shown", async () => {
  const { url } = await serve((_, response, index) =>
    json(response, EMPTY, index === 2 ? 429 : 200, { date: DATE, "burst-ratelimit-limit": "5", "burst-ratelimit-remaining": "4" }),
  );
  const { source } = sourceOf(url, {}, { max_requests_per_second: 20 });
  expect(source.budget()).toMatchObject({ allowed: 20, ceiling: 20, used: {}, foreign: 0 });
  for (const purpose of ["feed", "sweep"] as const) await source.list({}, purpose, never);
  expect(source.budget()).toMatchObject({ allowed: 5, ceiling: 5, used: { feed: 1, sweep: 1 } });
  await source.list({}, "feed", never);
  expect(source.budget().allowed).toBeLessThan(3);
  expect(source.budget().used).toEqual({ feed: 3, sweep: 1 });
});

test("requests that wait for the budget go in the order of their purpose", async () => {
  const { url, asked } = await serve((_, response) => json(response, EMPTY));
  const time = simulatedTime();
  let sent = 0;
  const sleep: typeof time.sleep = async (ms, signal) => {
    sent += 1; // every request has a connection of its own: the next one leaves when this one has arrived
    await vi.waitUntil(() => asked.length === sent);
    await time.sleep(ms, signal);
  };
  const { source } = sourceOf(url, { sleep, monotonic: time.monotonic }, { max_requests_per_second: 1 });
  const purposes: Purpose[] = ["sweep", "backfill", "open", "feed", "newest", "probe", "ancestors"];
  await Promise.all(purposes.map((purpose) => source.list({ state: purpose }, purpose, never)));
  expect(asked.map(({ query }) => query.get("state"))).toEqual(["sweep", "probe", "feed", "newest", "open", "ancestors", "backfill"]);
});
