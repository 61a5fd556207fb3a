import { afterAll, afterEach, expect, test } from "vitest";
import { type Engine, startEngine } from "../engine/engine.ts";
import { startProgramThread } from "./in-thread.ts";
import { programs } from "./programs.ts";

const thread = startProgramThread();
let engine: Engine;
afterEach(() => engine.close());
afterAll(() => thread.close());

test.each(["webhook", "invoke-3", "calls"])(
  "the program %s runs to its end in another thread, and writes down the engine's time",
  async (name) => {
    const program = programs.find((each) => each.name === name)!;
    engine = await startEngine();
    const { runId, createdAt, truth, deliveries } = await thread.run(engine, name);
    const run = engine.store.allRuns().find((each) => each.workflowRunId === runId)!;
    expect([run.workflowState, deliveries]).toEqual([program.ends, program.deliveries]);
    const own = truth.filter((record) => record.runId === runId);
    for (const { start, end } of own) {
      expect(start).toBeGreaterThanOrEqual(createdAt);
      expect(end).toBeGreaterThanOrEqual(start);
      expect(end).toBeLessThanOrEqual(run.workflowRunCompletedAt!);
    }
    const made = run.steps.flatMap((group) => group.steps).filter((step) => step.stepType === "Run");
    expect(made.length).toBeGreaterThan(0);
    for (const step of made) expect(step.createdAt).toBeGreaterThanOrEqual(own.find((record) => record.step === step.stepName)!.end);
  },
);

test("a program that is not there is an error, and the next one runs", async () => {
  engine = await startEngine();
  await expect(thread.run(engine, "nothing of that name")).rejects.toThrow("no program nothing of that name");
  expect((await thread.run(engine, "sequential")).deliveries).toBe(4);
});
