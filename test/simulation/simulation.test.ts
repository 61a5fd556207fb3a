import { expect, test } from "vitest";
import { simulate } from "./simulate.ts";

/** The small version of `npm run simulate`: virtual minutes, the bridge's own reading and budget. */

/** Of wall clock, on a machine that has more to do. */
const TIMEOUT = 180_000;

test.each([true, false])(
  "at 1 run/s (message log: %s) every run that ended is collected exactly once",
  { timeout: TIMEOUT },
  async (feed) => {
    const figures = await simulate({ rate: 1, feed, seconds: 300, restSeconds: 660 });
    expect(figures.fallsBehind).toBe(false);
    expect(figures.ended).toBeGreaterThan(270);
    expect(figures.collectedOnce).toBe(figures.ended);
    expect(figures.collectedMoreThanOnce).toBe(0);
  },
);

test("with the message log a run at 17 runs/s costs a tenth of a request and its share of the events", { timeout: TIMEOUT }, async () => {
  const figures = await simulate({ rate: 17, feed: true, seconds: 180, restSeconds: 660 });
  expect(figures.fallsBehind).toBe(false);
  expect(figures.requestsPerRun.read).toBeLessThan(0.16);
  expect(figures.requestsPerSecond).toBeLessThan(6);
  expect(figures.freshness.p99).toBeLessThan(8_000);
  expect(figures.collectedOnce).toBe(figures.ended);
  expect(figures.collectedMoreThanOnce).toBe(0);
});

test("above its ceiling it falls behind within its budget, and loses nothing once the load stops", { timeout: TIMEOUT }, async () => {
  const figures = await simulate({ rate: 120, feed: false, seconds: 180, restSeconds: 3_600 });
  expect(figures.backlog[1]).toBeGreaterThan(figures.backlog[0]);
  expect(figures.fallsBehind).toBe(true);
  expect(figures.requestsPerSecond).toBeLessThanOrEqual(10);
  expect(figures.collectedOnce).toBe(figures.ended);
  expect(figures.collectedMoreThanOnce).toBe(0);
});

test("the same seed gives the same figures", { timeout: TIMEOUT }, async () => {
  const options = { rate: 3, feed: true, seconds: 60, seed: 7 };
  expect(await simulate(options)).toEqual(await simulate(options));
});
