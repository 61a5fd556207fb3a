import { describe, expect, test } from "vitest";
import { decodePlacement } from "../../src/pipeline/place.ts";
import { invokeSpanId, traceId } from "../../src/trace/ids.ts";
import { placeAll } from "../../src/trace/place-all.ts";
import { chance } from "../support/chance.ts";
import { invokedBy, type Program, program, runOf, START } from "../support/log-api.ts";
import { DAY, HOUR, type ReadOptions, type ReadRig, readRig } from "../support/pipeline.ts";

/** Which trace each run lies in, whatever becomes of its ancestors and in whatever order they are seen. */

const MINUTE = 60_000;
const traceOf = ({ id, createdAt }: Program) => traceId(id, createdAt);

async function placementOf(rig: ReadRig, run: Program) {
  const [record] = await rig.store.findRuns("eu", [run]);
  const found = record?.placement === undefined ? undefined : decodePlacement(run, record.placement, rig.context.settings);
  return found?.kind === "placed" ? found.placement : undefined;
}

async function family(options: ReadOptions = {}) {
  const rig = await readRig(options);
  const parent = program("parent", -1_000, 10 * MINUTE);
  const child = program("child", 0, 5_000, invokedBy(parent));
  return { rig, parent, child };
}

describe("an invoked run", () => {
  test("lies in its parent's trace below the Invoke step, though it ends first", async () => {
    const { rig, parent, child } = await family();
    rig.api.programs.push(parent, child);
    await rig.runFor(MINUTE);
    expect(await placementOf(rig, child)).toMatchObject({
      traceId: traceOf(parent),
      parentSpanId: invokeSpanId(parent.id, parent.createdAt, child.id),
    });
    expect(Object.keys(await rig.collected())).toEqual(["child"]);
    await rig.runFor(HOUR);
    expect((await placementOf(rig, parent))?.traceId).toBe(traceOf(parent));
  });

  test("whose parent is not on any page is fetched with all its ancestors", async () => {
    const rig = await readRig();
    const line = [program("p0", -30 * DAY)];
    for (let n = 1; n < 12; n += 1) line.push(program(`p${n}`, -30 * DAY + n, 3_000, invokedBy(line[n - 1] as Program)));
    rig.api.programs.push(...line.slice(0, -1));
    rig.api.programs.push(program("p11", 1_000, 3_000, invokedBy(line[10] as Program)));
    await rig.runFor(MINUTE);
    const last = rig.api.programs.at(-1) as Program;
    expect((await placementOf(rig, last))?.traceId).toBe(traceOf(line[0] as Program));
  });

  test("waits while its parent cannot be asked for, and is placed when it can", async () => {
    const { rig, parent, child } = await family();
    rig.api.programs.push(parent, child);
    rig.api.unlisted = ({ id }) => id === parent.id;
    rig.api.fault = ({ method }) => (method === "fetch" ? { kind: "unavailable", reason: "server_error", message: "HTTP 500" } : undefined);
    await rig.runFor(20 * MINUTE);
    const [record] = await rig.store.findRuns("eu", [child]);
    expect(record).toMatchObject({ phase: "waiting", parts: [], watch: { reason: "ancestor" } });
    rig.api.fault = () => undefined;
    await rig.runFor(10 * MINUTE);
    expect((await placementOf(rig, child))?.traceId).toBe(traceOf(parent));
  });

  test("whose parent is gone waits ten minutes for three empty answers, then is a trace of its own with a link", async () => {
    const { rig, parent, child } = await family();
    rig.api.programs.push(child);
    await rig.runFor(9 * MINUTE);
    expect(await placementOf(rig, child)).toBeUndefined();
    await rig.runFor(10 * MINUTE);
    const placement = await placementOf(rig, child);
    expect(placement?.traceId).toBe(traceOf(child));
    expect(placement?.links).toMatchObject([{ traceId: traceOf(parent), spanId: invokeSpanId(parent.id, parent.createdAt, child.id) }]);
  });

  test("is not held up for ever by a grandparent that is gone while its parent sleeps", async () => {
    const rig = await readRig();
    const grandparent = program("grandparent", -DAY);
    const parent = program("parent", -HOUR, 3 * DAY, invokedBy(grandparent));
    const child = program("child", 1_000, 5_000, invokedBy(parent));
    rig.api.programs.push(parent, child);
    await rig.runFor(HOUR);
    expect((await placementOf(rig, child))?.traceId).toBe(traceOf(parent));
    expect((await placementOf(rig, parent))?.traceId).toBe(traceOf(parent));
  });

  test("whose parent is dropped by a rule is a trace of its own with a link", async () => {
    const { rig, parent, child } = await family({ workflows: [{ match: { url: "https://*/internal/*" }, drop: true }] });
    rig.api.programs.push({ ...parent, url: "https://shop.example.com/internal/x" }, child);
    await rig.runFor(HOUR);
    const placement = await placementOf(rig, child);
    expect([placement?.traceId, placement?.links.length]).toEqual([traceOf(child), 1]);
  });

  test("with invoked_runs: link asks for nobody", async () => {
    const { rig, child } = await family({ traces: { invoked_runs: "link" } });
    rig.api.programs.push(child);
    await rig.runFor(5 * MINUTE);
    expect((await placementOf(rig, child))?.traceId).toBe(traceOf(child));
    expect(rig.api.calls.filter(({ purpose }) => purpose === "ancestors")).toEqual([]);
  });

  test("that itself stops being shown while it waits for its ancestor is gone only after three answers of its own", async () => {
    const { rig, child } = await family();
    rig.api.programs.push(...Array.from({ length: 12 }, (_, n) => program(`crowd${n}`, 6_000, 7_000)), {
      ...child,
      goneAt: START + 8 * MINUTE,
    });
    await rig.runFor(14 * MINUTE);
    expect((await rig.store.findRuns("eu", [child]))[0]?.phase).toBe("waiting");
    await rig.runFor(30 * MINUTE);
    expect((await rig.store.findRuns("eu", [child]))[0]?.phase).toBe("gone");
  });
});

describe("runs that invoke each other in a circle lie below the one created first, and convert has them there too:", () => {
  test.each(["a", "b", "c"])("first %s is shown", async (first) => {
    const rig = await readRig();
    const [b, c] = [program("b", 1_001, 4_000, invokedBy({ id: "a", createdAt: START + 1_000 } as Program)), program("c", 1_002, 3_000)];
    const circle = [program("a", 1_000, 5_000, invokedBy(c)), b, { ...c, ...invokedBy(b) }];
    rig.api.programs.push(...circle);
    rig.api.unlisted = ({ id }) => id !== first;
    await rig.runFor(MINUTE);
    const placements = await Promise.all(circle.map((run) => placementOf(rig, run)));
    expect(placements.map((placement) => placement?.traceId)).toEqual(Array(3).fill(traceOf(circle[0] as Program)));
    expect(placements[0]?.parentSpanId).toBeUndefined();
    const shown = circle.map((run) => runOf(run, START + HOUR));
    expect(shown.map(placeAll(shown, rig.context.settings))).toEqual(placements);
  });
});

test("a tree whose trace is past its limit takes its further children as links", async () => {
  const { rig, parent } = await family({ traces: { max_spans_per_trace: 10 } });
  rig.api.programs.push(parent);
  const children = Array.from({ length: 12 }, (_, n) => program(`child${n}`, (n + 1) * 20_000, (n + 1) * 20_000 + 100, invokedBy(parent)));
  rig.api.programs.push(...children);
  await rig.runFor(8 * MINUTE);
  const traces = await Promise.all(children.map((child) => placementOf(rig, child)));
  const nested = traces.filter((placement) => placement?.traceId === traceOf(parent)).length;
  expect([nested, traces.at(-1)?.traceId]).toEqual([5, traceOf(children[11] as Program)]);
  expect(traces.at(-1)?.links).toHaveLength(1);
});

describe("random invocation trees, seen in any order with restarts between, always agree:", () => {
  test.each(Array.from({ length: 15 }, (_, n) => n))("seed %i", async (seed) => {
    const luck = chance(seed);
    const runs: Program[] = [program("run0", -luck.int(0, HOUR), luck.int(30, 40) * MINUTE)];
    for (let n = 1; n < 25; n += 1) {
      const parent = luck.pick(runs);
      const from = luck.int(parent.createdAt + 1 - START, Number(parent.endsAt) - START - 10);
      runs.push(program(`run${n}`, from, luck.int(from + 1, Number(parent.endsAt) - START), invokedBy(parent)));
    }
    const first = await readRig();
    let rig = first;
    rig.api.programs.push(...runs);
    const hidden = new Set(runs.filter(() => luck.often(0.5)).map(({ id }) => id));
    rig.api.unlisted = ({ id }) => first.clock.monotonic() < 20 * MINUTE && hidden.has(id);
    for (let n = 0; n < 12; n += 1) {
      await rig.runFor(luck.int(1, 10) * MINUTE);
      rig = await readRig({ clock: first.clock, api: first.api, store: first.store });
    }
    await rig.runFor(25 * HOUR);
    const placements = await Promise.all(runs.map((run) => placementOf(rig, run)));
    expect(new Set(placements.map((placement) => placement?.traceId))).toEqual(new Set([traceOf(runs[0] as Program)]));
    const parents = runs.map(({ id, invoker }) => invoker && invokeSpanId(invoker.id, invoker.createdAt, id));
    expect(placements.map((placement) => placement?.parentSpanId)).toEqual(parents);
  });
});
