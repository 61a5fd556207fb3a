import { expect, test } from "vitest";
import { type Call, program } from "../support/log-api.ts";
import { HOUR, type ReadRig, readRig } from "../support/pipeline.ts";

const MINUTE = 60_000;
const ofLog = (call: Call) => call.method === "events" && call.purpose === "sweep";
const sweepOf = async (rig: ReadRig) => (await rig.store.readSource("eu"))?.sweep;

/** 600 runs of before, ten of which are listed in 10 s at a tenth of 1 request/s: the sweep takes ten minutes and is wanted every two. */
async function slowSweep(): Promise<ReadRig> {
  const rig = await readRig({ config: { sweep_interval: "2m", completion_feed: "auto" } });
  Object.assign(rig.api.source, { budget: () => ({ allowed: 1, ceiling: 1, used: {}, foreign: 0 }) });
  rig.api.feed = "honest";
  for (let n = 0; n < 600; n += 1) rig.api.programs.push(program(`r${n}`, -2 * HOUR + n, -2 * HOUR + n + 10));
  return rig;
}

test("a sweep that takes longer than its interval does not delay what the message log shows to be missing", async () => {
  const rig = await slowSweep();
  rig.api.eventsPerPage = 50; // what is read of the log's newest page does not reach back so far
  for (let n = 0; n < 60; n += 1) rig.api.programs.push(program(`s${n}`, -30 * MINUTE + n * 10_000, -30 * MINUTE + n * 10_000 + 10));
  await rig.runFor(MINUTE);
  rig.api.programs.push(program("late", -59 * MINUTE, -58 * MINUTE)); // ended within start_from, and shows up now
  rig.api.unlisted = ({ id }) => id === "late";
  await rig.runFor(4 * MINUTE);
  expect(await rig.collected()).toHaveProperty("late");
  expect(await sweepOf(rig)).toMatchObject({ repaired: 1, feed: { finishedAt: expect.any(Number) } });
  expect(await sweepOf(rig)).not.toHaveProperty("finishedAt");
});

test("meanwhile it comes to its own end, and the log is read once an interval", async () => {
  const rig = await slowSweep();
  await rig.runFor(20 * MINUTE);
  expect((await sweepOf(rig))?.finishedAt).toEqual(expect.any(Number));
  const reads = rig.api.calls.filter(ofLog).length;
  expect(reads).toBeGreaterThanOrEqual(3);
  expect(reads).toBeLessThanOrEqual(9);
  expect((await sweepOf(rig))?.repaired).toBe(0);
});

test("one that is over in time reads no message log", async () => {
  const rig = await readRig({ config: { completion_feed: "auto", sweep_interval: "1h" } });
  rig.api.feed = "honest";
  for (let n = 0; n < 20; n += 1) rig.api.programs.push(program(`r${n}`, n * MINUTE, n * MINUTE + 5_000));
  await rig.runFor(3 * HOUR);
  expect(rig.api.calls.filter(ofLog)).toEqual([]);
});

test("it goes on at its cursor, and from the newest event where that has expired", async () => {
  const rig = await slowSweep();
  rig.api.eventsPerPage = 20;
  for (let n = 0; n < 60; n += 1) rig.api.programs.push(program(`s${n}`, -HOUR + n * 1_000, -HOUR + n * 1_000 + 100_000));
  let asked = 0;
  rig.api.fault = (call) => {
    asked += ofLog(call) ? 1 : 0;
    if (!ofLog(call) || asked !== 3) return undefined;
    return { kind: "refused", reason: "bad_request", message: "the cursor has expired" };
  };
  await rig.runFor(6 * MINUTE);
  const cursors = rig.api.calls.filter(ofLog).map((call) => ("cursor" in call ? call.cursor : ""));
  const [, first, second, , , , third] = cursors;
  expect(new Set([undefined, first, second, third]).size).toBe(4);
  expect(cursors.slice(0, 7)).toEqual([undefined, first, second, undefined, first, second, third]);
});
