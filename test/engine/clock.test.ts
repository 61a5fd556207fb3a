import { setImmediate as turn, setTimeout as wait } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import { type Clock, createClock } from "./clock.ts";

const DAY = 86_400_000;
const T0 = 1_795_319_476_000;
const clocks: Clock[] = [];
const clockOf = (options: Parameters<typeof createClock>[0]) => {
  const clock = createClock(options);
  clocks.push(clock);
  return clock;
};
afterEach(() => {
  for (const clock of clocks.splice(0)) clock.close();
});

test("waits are skipped in the order in which they are due, each to the very moment", async () => {
  const clock = clockOf({ start: T0 });
  const seen: [string, number][] = [];
  const note = (name: string, ms: number) => clock.after(ms, async () => void seen.push([name, clock.now() - T0 - ms]));
  void note("ten days", 10 * DAY);
  void note("a day", DAY);
  void note("an hour", 3_600_000);
  await clock.idle();
  expect(seen.map(([name]) => name)).toEqual(["an hour", "a day", "ten days"]);
  expect(seen.every(([, late]) => late >= 0)).toBe(true);
  expect(clock.now()).toBeGreaterThanOrEqual(T0 + 10 * DAY);
});

test("nothing is skipped while something is at work, however long", async () => {
  const clock = clockOf({ start: T0 });
  const order: string[] = [];
  void clock.after(DAY, async () => void order.push("a day later"));
  await clock.hold(async () => {
    await wait(30);
    order.push("work is over");
  });
  await clock.idle();
  expect(order).toEqual(["work is over", "a day later"]);
});

test("a wait takes no longer than it may, and the time in it passes", async () => {
  const clock = clockOf({ start: T0, longestWaitMs: 60 });
  const over = clock.after(DAY, async () => clock.now() - T0);
  const between: number[] = [];
  const watch = setInterval(() => between.push(clock.now() - T0), 10);
  const end = await over;
  clearInterval(watch);
  expect(end).toBeGreaterThanOrEqual(DAY);
  expect(between.some((ms) => ms > 1_000 && ms < DAY)).toBe(true);
  expect(between).toEqual(between.toSorted((a, b) => a - b));
});

test("an alarm that comes late does not take the time beyond what was due", async () => {
  const clock = clockOf({ start: T0, longestWaitMs: 20 });
  const over = clock.after(30 * DAY, async () => clock.now() - T0);
  await wait(10);
  const busyUntil = performance.now() + 60;
  while (performance.now() < busyUntil); // a day passes in less than a millisecond
  expect(await over).toBeLessThan(30 * DAY + 10_000);
});

test("an aborted wait ends at once, and idle does not wait for it", async () => {
  const clock = clockOf({ start: T0, longestWaitMs: Number.POSITIVE_INFINITY });
  const given = new AbortController();
  let over = false;
  void clock.until(T0 + DAY, given.signal).then(() => {
    over = true;
  });
  await turn();
  expect(over).toBe(false);
  given.abort();
  await clock.idle();
  expect(over).toBe(true);
});

test("work that fails lets go of the clock", async () => {
  const clock = clockOf({ start: T0 });
  await expect(clock.hold(() => Promise.reject(new Error("broken")))).rejects.toThrow("broken");
  await clock.until(T0 + DAY);
  expect(clock.now()).toBeGreaterThanOrEqual(T0 + DAY);
});
