import fc from "fast-check";
import { expect, test } from "vitest";
import { PURPOSES, type Purpose } from "../../../src/sources/source.ts";
import { type Budget, createBudget } from "../../../src/sources/upstash/budget.ts";
import { createServerClock } from "../../../src/sources/upstash/server-clock.ts";
import { createTurns } from "../../../src/sources/upstash/turns.ts";
import { never, simulatedTime } from "./api-server.ts";

const CALM = { rateLimited: false };

/** Sends as often as the budget lets, for so long; when each request left. */
function sendAll(budget: Budget, from: number, ms: number): number[] {
  const sent: number[] = [];
  for (let at = from; at < from + ms; ) {
    const delay = budget.delay(at);
    if (delay > 0) at += delay;
    else {
      budget.sent("backfill", at);
      sent.push(at);
    }
  }
  return sent;
}

test("no second sees more than the rate, and at least 95 % of it is used", () => {
  for (const rate of [1, 3, 10, 100]) {
    const sent = sendAll(createBudget(rate), 5_000, 60_000);
    expect(sent.length).toBeGreaterThanOrEqual(60 * rate * 0.95);
    const closest = Math.min(...sent.slice(rate).map((at, index) => at - sent[index]!));
    expect(closest).toBeGreaterThanOrEqual(1_000);
  }
});

test("rates of less than one, and fractions, hold on average", () => {
  for (const rate of [0.1, 0.5, 2.5]) {
    const sent = sendAll(createBudget(rate), 0, 600_000);
    expect(sent.length).toBeLessThanOrEqual(600 * rate + 1);
    expect(sent.length).toBeGreaterThanOrEqual(600 * rate * 0.95 - 1);
  }
});

test("the first requests after a rest go at once, a little apart", () => {
  const sent = sendAll(createBudget(10), 0, 300);
  expect(sent[0]).toBe(0);
  expect(sent[1]).toBe(80);
});

test("429 halves the rate, a storm of them once, and it recovers within twenty seconds", () => {
  const budget = createBudget(10);
  for (let index = 0; index < 8; index += 1) budget.answered({ rateLimited: true }, 10_000 + index);
  expect(budget.snapshot(10_010).allowed).toBeCloseTo(5, 1);
  budget.answered({ rateLimited: true }, 12_000);
  expect(budget.snapshot(12_000).allowed).toBeCloseTo(3, 0);
  expect(budget.snapshot(32_000)).toMatchObject({ allowed: 10, ceiling: 10 });
});

test("however many 429 come, the rate never falls to nothing", () => {
  const budget = createBudget(10);
  for (let at = 0; at < 600_000; at += 2_000) budget.answered({ rateLimited: true }, at);
  expect(budget.delay(600_000)).toBe(0);
  expect(budget.snapshot(600_000).allowed).toBeGreaterThanOrEqual(0.2);
  const slow = createBudget(0.1);
  slow.answered({ rateLimited: true }, 2_000);
  expect(slow.snapshot(2_000).allowed).toBe(0.1);
});

test("the lower of the user's and the API's limit is the ceiling, whichever way it changes", () => {
  const budget = createBudget(10);
  budget.answered({ ...CALM, limit: 4 }, 0);
  expect(budget.snapshot(0)).toMatchObject({ ceiling: 4, allowed: 4 });
  budget.answered({ ...CALM, limit: 500 }, 1_000);
  expect(budget.snapshot(100_000)).toMatchObject({ ceiling: 10, allowed: 10 });
  budget.answered({ ...CALM, limit: 0 }, 100_000);
  expect(budget.snapshot(100_000).ceiling).toBe(10);
});

test("nothing is sent in a pause, and a shorter one never ends a longer one", () => {
  const budget = createBudget(10);
  budget.pause(5_000, 1_000);
  budget.pause(10, 1_000);
  expect(budget.delay(1_000)).toBe(5_000);
  expect(budget.paused(5_999)).toBe(1);
  expect(budget.delay(6_000)).toBe(0);
});

test("what falls faster than our own use is somebody else's", () => {
  const budget = createBudget(10);
  const second = (reset: number, others: number, own: number) => {
    for (let index = 1; index <= own; index += 1) {
      budget.answered({ ...CALM, limit: 10, remaining: 10 - others - index, reset }, reset * 1_000);
    }
  };
  for (let reset = 1; reset <= 30; reset += 1) second(reset, 0, 4);
  expect(budget.snapshot(0).foreign).toBe(0);
  for (let reset = 31; reset <= 60; reset += 1) second(reset, 3, 4);
  expect(budget.snapshot(0).foreign).toBeCloseTo(3, 1);
  second(5, 9, 1);
  for (let reset = 61; reset <= 90; reset += 1) second(reset, 0, 2);
  expect(budget.snapshot(0).foreign).toBeCloseTo(0, 1);
});

test("use is counted by purpose over the last minute", () => {
  const budget = createBudget(1_000);
  for (let at = 0; at < 120_000; at += 500) budget.sent(at % 1_000 === 0 ? "feed" : "open", at);
  expect(budget.snapshot(119_999).used).toEqual({ feed: 60, open: 60 });
  expect(budget.snapshot(300_000).used).toEqual({});
});

/** Every purpose asks again as soon as it was served; how often each was, in so many seconds of full use. */
async function shares(purposes: readonly Purpose[], perSecond: number, seconds: number): Promise<Map<Purpose, number>> {
  const time = simulatedTime(0);
  const served = new Map<Purpose, number>(purposes.map((purpose) => [purpose, 0]));
  const turns = createTurns(createBudget(perSecond), time.monotonic, time.sleep);
  const client = async (purpose: Purpose) => {
    while (time.monotonic() < seconds * 1_000) {
      await turns.take(purpose, never);
      served.set(purpose, (served.get(purpose) ?? 0) + 1);
    }
  };
  await Promise.all(purposes.map(client));
  return served;
}

test("a busy feed comes first, and yet nothing waits for ever", async () => {
  const served = await shares(PURPOSES, 2, 3_600);
  const total = [...served.values()].reduce((sum, count) => sum + count, 0);
  expect((served.get("probe") ?? 0) / total).toBeGreaterThan(0.9);
  for (const purpose of PURPOSES) expect(served.get(purpose)).toBeGreaterThan(5);
});

test("within a purpose, first come is first served", async () => {
  const time = simulatedTime(0);
  const turns = createTurns(createBudget(1), time.monotonic, time.sleep);
  const order: number[] = [];
  await Promise.all([0, 1, 2, 3].map((index) => turns.take("open", never).then(() => order.push(index))));
  expect(order).toEqual([0, 1, 2, 3]);
});

test("one who gives up leaves the queue, and the last one ends the wait", async () => {
  const time = simulatedTime(0);
  let ended = 0;
  const sleep = async (_: number, signal: AbortSignal) => {
    await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
    ended += 1;
  };
  const turns = createTurns(createBudget(1), time.monotonic, sleep);
  expect(await turns.take("open", never)).toEqual({ kind: "granted" });
  const stops = [new AbortController(), new AbortController()];
  const waiting = stops.map((stop) => turns.take("open", stop.signal));
  stops[0]?.abort();
  expect(await waiting[0]).toEqual({ kind: "aborted" });
  expect(ended).toBe(0);
  stops[1]?.abort();
  expect(await waiting[1]).toEqual({ kind: "aborted" });
  await expect.poll(() => ended).toBe(1);
  expect(await turns.take("open", stops[0]!.signal)).toEqual({ kind: "aborted" });
});

test("one who comes while the queue is being given up is served all the same", async () => {
  const time = simulatedTime(0);
  const turns = createTurns(createBudget(1), time.monotonic, time.sleep);
  await turns.take("open", never);
  const stop = new AbortController();
  const leaving = turns.take("open", stop.signal);
  stop.abort();
  const coming = turns.take("feed", never);
  expect(await leaving).toEqual({ kind: "aborted" });
  expect(await coming).toEqual({ kind: "granted" });
});

test("a pause of more than a minute is told to all who wait, a shorter one is waited for", async () => {
  const time = simulatedTime(0);
  const budget = createBudget(10);
  const turns = createTurns(budget, time.monotonic, time.sleep);
  budget.pause(120_000, 0);
  expect(await Promise.all([turns.take("open", never), turns.take("feed", never)])).toEqual([
    { kind: "paused", ms: 120_000 },
    { kind: "paused", ms: 120_000 },
  ]);
  time.advance(60_000);
  expect(await turns.take("open", never)).toEqual({ kind: "granted" });
  expect(time.monotonic()).toBe(120_000);
});

test("the server's clock narrows down from headers of whole seconds, and a reset is never early", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: -10_000_000, max: 10_000_000 }),
      fc.array(fc.tuple(fc.integer({ min: 1, max: 2_000 }), fc.integer({ min: 0, max: 300 }), fc.integer({ min: 0, max: 300 })), {
        minLength: 1,
        maxLength: 60,
      }),
      (difference, requests) => {
        const clock = createServerClock();
        let at = 0;
        for (const [gap, there, back] of requests) {
          const sentAt = at + gap;
          const answeredAt = sentAt + there;
          at = answeredAt + back;
          const date = Math.floor((answeredAt + difference) / 1_000) * 1_000;
          clock.observe(date, sentAt, at);
          const reset = date + 1_000;
          const wait = clock.until(reset, at) ?? 0;
          expect(at + difference + wait).toBeGreaterThanOrEqual(reset - 1e-6);
          expect(wait).toBeLessThanOrEqual(1_000 + back);
        }
      },
    ),
  );
});

test("after many answers the server's clock is known to about a round trip", () => {
  const clock = createServerClock();
  for (let at = 0; at < 100_000; at += 107) clock.observe(Math.floor((at + 10 + 777) / 1_000) * 1_000, at, at + 20);
  expect(clock.until(101_000, 100_000)).toBeGreaterThanOrEqual(223);
  expect(clock.until(101_000, 100_000)).toBeLessThan(223 + 30);
});

test("a server's clock that is set, or long unheard of, is learnt anew", () => {
  const clock = createServerClock();
  expect(clock.until(5_000, 0)).toBeUndefined();
  clock.observe(10_000_000, 0, 10);
  clock.observe(5_000_000, 100, 110);
  expect(clock.until(5_001_000, 110)).toBe(1_000);
  clock.observe(9_000_000, 200, 210);
  expect(clock.until(9_001_000, 210)).toBe(1_000);
  clock.observe(9_700_000 - 300, 700_000, 700_010);
  expect(clock.until(9_701_000 - 300, 700_010)).toBe(1_000);
});
