import { expect, test } from "vitest";
import { program, START } from "../support/log-api.ts";
import { DAY, HOUR, type ReadRig, readRig } from "../support/pipeline.ts";

const sweeps = (rig: ReadRig) => rig.api.calls.filter((call) => call.purpose === "sweep").length;
const sweepOf = async (rig: ReadRig) => (await rig.store.readSource("eu"))?.sweep;

test("the sweep finds a run that appears hours late, reports it and repairs it", async () => {
  const rig = await readRig();
  await rig.runFor(HOUR);
  for (let n = 0; n < 30; n += 1) rig.api.programs.push(program(`r${n}`, 2 * HOUR + n, 2 * HOUR + 100));
  await rig.runFor(3 * HOUR);
  rig.api.programs.push(program("late", 90 * 60_000, 95 * 60_000));
  await rig.runFor(DAY);
  expect(Object.keys(await rig.collected())).toContain("late");
  expect(await sweepOf(rig)).toMatchObject({ repaired: 1 });
});

test("where nothing was missed its count stays 0, though the first one finds what ran before the first start", async () => {
  const rig = await readRig();
  rig.api.programs.push(program("ran", -DAY, -10 * 60_000), program("runs", -DAY, HOUR));
  for (let n = 0; n < 60; n += 1) rig.api.programs.push(program(`r${n}`, n * 60_000, n * 60_000 + 5_000));
  await rig.runFor(2 * DAY);
  expect(Object.keys(await rig.collected())).toHaveLength(62);
  expect((await sweepOf(rig))?.repaired).toBe(0);
});

test("it takes at most a tenth of the budget, and goes on where it was after a restart", async () => {
  const rig = await readRig();
  for (let n = 0; n < 3_000; n += 1) rig.api.programs.push(program(`r${n}`, -DAY + n, -DAY + n + 10));
  await rig.runFor(60_000);
  expect(sweeps(rig)).toBeLessThanOrEqual(61);
  const cursor = (await sweepOf(rig))?.cursor;
  expect(cursor).toBeTypeOf("string");
  const again = await readRig({ clock: rig.clock, api: rig.api, store: rig.store });
  await again.runFor(10 * 60_000);
  const resumed = rig.api.calls.filter((call) => call.purpose === "sweep").map((call) => ("cursor" in call ? call.cursor : ""));
  expect(resumed.filter((one) => one === undefined)).toHaveLength(1);
  expect((await sweepOf(again))?.finishedAt).toBeGreaterThan(START);
});

test("sweep_interval: 0 is never", async () => {
  const rig = await readRig({ config: { sweep_interval: "0ms" } });
  await rig.runFor(2 * DAY);
  expect(sweeps(rig)).toBe(0);
});

test("retention is learnt from the oldest run that the API shows", async () => {
  const rig = await readRig();
  rig.api.programs.push(program("old", -5 * DAY, -5 * DAY + 10), program("r", 1_000, 2_000));
  await rig.runFor(HOUR);
  const { learnedRetentionMs = 0 } = (await rig.store.readSource("eu")) ?? { epoch: 0 };
  expect(learnedRetentionMs / DAY).toBeCloseTo(5, 1);
});

test("where it stands is saved once a second and when it is cut short, not with each page", async () => {
  const rig = await readRig();
  for (let n = 0; n < 600; n += 1) rig.api.programs.push(program(`r${n}`, -DAY + n, -DAY + n + 10));
  const saved: unknown[] = [];
  const { commit } = rig.store;
  Object.assign(rig.store, {
    commit: async (page: Parameters<typeof commit>[0]) => {
      if (page.state?.sweep?.cursor !== undefined) saved.push(page.state.sweep.cursor);
      await commit(page);
    },
  });
  rig.api.fault = (call) =>
    call.purpose === "sweep" && sweeps(rig) > 30 ? { kind: "unavailable", reason: "timeout", message: "no answer" } : undefined;
  await rig.clock.until(rig.loop.once(new AbortController().signal));
  const asked = rig.api.calls.filter((call) => call.purpose === "sweep").map((call) => ("cursor" in call ? call.cursor : ""));
  expect(asked.length).toBeGreaterThan(30);
  expect(saved.length).toBeLessThan(5);
  expect(saved.at(-1)).toBe(asked.at(-1));
});
