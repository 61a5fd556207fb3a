import { expect, test } from "vitest";
import { program } from "../support/log-api.ts";
import { type ReadRig, readRig } from "../support/pipeline.ts";

/** The second reading of the message log: for what it shows late. */

const MINUTE = 60_000;

/** A run a second, of two events each, ten events a page: a read has two pages. One of them no listing shows. */
async function busyRig(): Promise<ReadRig> {
  const rig = await readRig({ config: { completion_feed: "auto", sweep_interval: "0ms" } });
  rig.api.feed = "honest";
  rig.api.eventsPerPage = 10;
  rig.api.unlisted = ({ id }) => id === "late";
  rig.api.programs.push(...Array.from({ length: 20 * 60 }, (_, n) => program(`r${n}`, n * 1_000, n * 1_000 + 500)));
  rig.api.programs.push(program("late", 2 * MINUTE, 2 * MINUTE + 10_000));
  return rig;
}

const hidesEndFor = (rig: ReadRig, ms: number): void => {
  rig.api.feed = ({ id, state, time }) => id !== "late" || state !== "RUN_SUCCESS" || rig.api.now() >= time + ms;
};
const pages = (rig: ReadRig) => rig.api.calls.filter(({ method }) => method === "events").length;
const hasLate = async (rig: ReadRig) => Object.keys(await rig.collected()).includes("late");

test("an end that is shown half a minute late, and that no listing shows, is found within three", async () => {
  const rig = await busyRig();
  hidesEndFor(rig, MINUTE / 2);
  await rig.runFor(2 * MINUTE + 20_000);
  expect(await hasLate(rig)).toBe(false);
  await rig.runFor(3 * MINUTE);
  expect(await hasLate(rig)).toBe(true);
});

test("every event is read a second time, and no third", async () => {
  const rig = await busyRig();
  await rig.runFor(5 * MINUTE);
  const before = pages(rig);
  await rig.runFor(10 * MINUTE);
  const read = (pages(rig) - before) / 10;
  expect(read).toBeGreaterThan(24 + 12); // two pages every five seconds, and the minute's twelve once more
  expect(read).toBeLessThan(24 + 12 + 4);
});

test("where its cursor has expired the log is read back from the newest event, every few minutes", async () => {
  const rig = await busyRig();
  hidesEndFor(rig, MINUTE / 2);
  let refused = 0;
  rig.api.fault = (call) => {
    const isFirst = rig.api.calls.at(-2)?.method !== "events";
    if (call.method !== "events" || call.cursor === undefined || !isFirst) return undefined;
    refused += 1;
    return { kind: "refused", reason: "bad_request", message: "the cursor has expired" };
  };
  await rig.runFor(8 * MINUTE);
  expect(refused).toBeGreaterThan(2);
  expect(await hasLate(rig)).toBe(true);
  expect((await rig.store.readSource("eu"))?.feed?.status).toBe("trusted");
});

test("after a restart it begins again, and finds what the one before did not come to", async () => {
  const rig = await busyRig();
  hidesEndFor(rig, MINUTE / 2);
  await rig.runFor(2 * MINUTE + 30_000);
  const again = await readRig({
    clock: rig.clock,
    api: rig.api,
    store: rig.store,
    config: { completion_feed: "auto", sweep_interval: "0ms" },
  });
  await again.runFor(3 * MINUTE);
  expect(await hasLate(again)).toBe(true);
});
