import { describe, expect, test } from "vitest";
import type { SourceContext } from "../../src/pipeline/context.ts";
import { traceId } from "../../src/trace/ids.ts";
import { keepByRatio } from "../../src/trace/sampling.ts";
import { invokedBy, program, START } from "../support/log-api.ts";
import { DAY, HOUR, type ReadRig, readRig } from "../support/pipeline.ts";

const MINUTE = 60_000;
const sampled = (ratio: number, keep: SourceContext["destinations"][number]["sampling"]["keep"] = []): SourceContext["destinations"] => [
  { name: "all", encoding: "protobuf", sampling: { ratio: 1, keep: [] } },
  { name: "some", encoding: "protobuf", sampling: { ratio, keep } },
];
const wordsOf = async (rig: ReadRig, name = "some") =>
  (await rig.store.outcomes("eu", rig.api.programs)).map((outcome) => outcome?.destinations[name]);

test("a ratio keeps runs by their trace id, for this destination alone; the others are excluded and counted", async () => {
  const rig = await readRig({ destinations: sampled(0.5) });
  rig.api.programs.push(...Array.from({ length: 60 }, (_, n) => program(`r${n}`, n, 1_000 + n)));
  await rig.runFor(MINUTE);
  const kept = rig.api.programs.map(({ id, createdAt }) => keepByRatio(traceId(id, createdAt), 0.5));
  expect(await wordsOf(rig)).toEqual(kept.map((keep) => (keep ? "queued" : "excluded (sampled)")));
  expect(await wordsOf(rig, "all")).toEqual(Array(60).fill("queued"));
  const counts = (await rig.store.status(0)).destinations.find(({ name }) => name === "some")?.counts;
  expect(counts).toEqual({ "excluded.sampled": kept.filter((keep) => !keep).length });
});

describe("a tree", () => {
  const parent = program("parent", -1_000, 30 * MINUTE, { invokes: [{ id: "good", createdAt: START }] });

  test("is kept whole because its top failed, though its child ended well long before", async () => {
    const rig = await readRig({ destinations: sampled(0, ["failed"]) });
    rig.api.programs.push({ ...parent, state: "RUN_FAILED" }, program("good", 0, 1_000, invokedBy(parent)));
    await rig.runFor(20 * MINUTE);
    expect(await wordsOf(rig)).toEqual([undefined, undefined]);
    expect(await wordsOf(rig, "all")).toEqual([undefined, "queued"]);
    await rig.runFor(40 * MINUTE);
    expect(await wordsOf(rig)).toEqual(["queued", "queued"]);
  });

  test("is kept whole because one child failed, though its top succeeded", async () => {
    const rig = await readRig({ destinations: sampled(0, ["failed"]) });
    rig.api.programs.push(parent, program("good", 0, 1_000, invokedBy(parent)));
    rig.api.programs.push(program("bad", 10, 29 * MINUTE, { ...invokedBy(parent), state: "RUN_FAILED" }));
    await rig.runFor(HOUR);
    expect(await wordsOf(rig)).toEqual(["queued", "queued", "queued"]);
  });

  test("is dropped whole where nothing keeps it; waiting costs no request", async () => {
    const rig = await readRig({ destinations: sampled(0, ["failed"]) });
    const long = { ...parent, endsAt: START + 20 * HOUR };
    const children = Array.from({ length: 100 }, (_, n) => program(`child${n}`, n, 1_000, invokedBy(long)));
    rig.api.programs.push(long, ...children);
    await rig.runFor(HOUR);
    const before = rig.api.calls.filter(({ purpose }) => purpose === "open").length;
    await rig.runFor(10 * HOUR);
    expect(rig.api.calls.filter(({ purpose }) => purpose === "open").length - before).toBeLessThan(10 * 13);
    await rig.runFor(10 * HOUR);
    expect(await wordsOf(rig)).toEqual(Array(101).fill("excluded (sampled)"));
  });

  test("that goes on until a tenth of the retention is left is decided by what is known, and counted so", async () => {
    const rig = await readRig({ destinations: sampled(0, ["failed"]), config: { retention: "2d" } });
    const long = { ...parent, endsAt: START + 5 * DAY };
    rig.api.programs.push(long, program("child", 0, 1_000, invokedBy(long)));
    await rig.runFor(DAY + 19 * HOUR);
    expect(await wordsOf(rig)).toEqual([undefined, undefined]);
    await rig.runFor(3 * HOUR);
    expect(await wordsOf(rig)).toEqual([undefined, "excluded (sampled_tree_unfinished)"]);
  });
});

test.each([["learnt"], ["configured"]])(
  "a verdict comes before the API forgets the run, retention %s, though another has been open for weeks",
  async (how) => {
    const rig = await readRig({ destinations: sampled(0, ["failed"]), config: how === "configured" ? { retention: "3d" } : {} });
    const parent = program("parent", -1_000, 20 * DAY, { state: "RUN_FAILED", invokes: [{ id: "child", createdAt: START + 2 * HOUR }] });
    const child = program("child", 2 * HOUR, 2 * HOUR + 1_000, { ...invokedBy(parent), goneAt: START + 2 * HOUR + 3 * DAY });
    rig.api.programs.push(program("sleeper", -10 * DAY, 30 * DAY), parent, child);
    rig.api.programs.push(program("old", -3 * DAY, -3 * DAY + HOUR, { goneAt: START + HOUR }));
    await rig.runFor(5 * DAY);
    expect((await wordsOf(rig))[2]).toBe("excluded (sampled_tree_unfinished)");
    expect((await wordsOf(rig, "all"))[2]).toBe("queued");
  },
);

test("the failure function of a run that was not sampled is not sent either", async () => {
  const rig = await readRig({ destinations: sampled(0) });
  rig.api.programs.push(program("r", 0, 1_000, { state: "RUN_FAILED", failure: { settlesAt: START + 10 * MINUTE } }));
  await rig.runFor(HOUR);
  expect(await rig.collected()).toEqual({ r: [0, 1] });
  expect(await wordsOf(rig)).toEqual(["excluded (sampled)"]);
  expect((await rig.store.status(0)).destinations.map(({ name, queued }) => [name, queued])).toEqual([
    ["all", 2],
    ["some", 0],
  ]);
});
