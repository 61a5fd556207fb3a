import { describe, expect, test } from "vitest";
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

describe("retention is learnt", () => {
  const learned = async (rig: ReadRig) => (await rig.store.readSource("eu"))?.learnedRetentionMs;

  test("from what ended longest ago and is still shown; runs that go on and nonsense teach nothing", async () => {
    const rig = await readRig();
    rig.api.programs.push(program("old", -9 * DAY, -5 * DAY), program("r", 1_000, 2_000));
    rig.api.programs.push(program("sleeps", -40 * DAY, 40 * DAY), { id: "1970", createdAt: 1_736_340_463, endsAt: 1_736_400_000 });
    await rig.runFor(HOUR);
    expect(((await learned(rig)) ?? 0) / DAY).toBeCloseTo(5, 1);
  });

  test("from nothing less than the shortest plan keeps: a new account says nothing", async () => {
    const rig = await readRig();
    rig.api.programs.push(program("r", -20_000, -10_000));
    await rig.runFor(HOUR);
    expect((await sweepOf(rig))?.finishedAt).toBeDefined();
    expect(await learned(rig)).toBeUndefined();
  });

  test("anew by each sweep: it shrinks as well as it grows, until it is not known again", async () => {
    const rig = await readRig({ config: { sweep_interval: "12h" } });
    rig.api.programs.push(program("old", -9 * DAY, -9 * DAY, { goneAt: START + HOUR }));
    rig.api.programs.push(program("younger", -3 * DAY, -3 * DAY, { goneAt: START + 2 * DAY }));
    await rig.runFor(HOUR);
    expect(((await learned(rig)) ?? 0) / DAY).toBeCloseTo(9, 1);
    await rig.runFor(DAY);
    expect(((await learned(rig)) ?? 0) / DAY).toBeCloseTo(4, 0);
    expect(((await rig.store.readSource("eu"))?.previousRetentionMs ?? 0) / DAY).toBeGreaterThan(3);
    await rig.runFor(2 * DAY);
    expect(await learned(rig)).toBeUndefined();
  });

  test("from all pages of a sweep, though it is interrupted by a restart", async () => {
    const rig = await readRig();
    rig.api.programs.push(program("on its first page", -4 * DAY, -4 * DAY)); // it was created last
    for (let n = 0; n < 1_500; n += 1) rig.api.programs.push(program(`r${n}`, -5 * DAY + n, -2 * DAY + n));
    await rig.runFor(60_000);
    expect((await sweepOf(rig))?.cursor).toBeTypeOf("string");
    const again = await readRig({ clock: rig.clock, api: rig.api, store: rig.store });
    await again.runFor(10 * 60_000);
    expect((await sweepOf(again))?.finishedAt).toBeDefined();
    expect(((await learned(again)) ?? 0) / DAY).toBeCloseTo(4, 1);
    expect(Object.keys((await sweepOf(again)) ?? {}).sort()).toEqual(["finishedAt", "repaired", "startedAt"]);
  });
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
