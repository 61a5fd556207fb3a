import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { WireEvent, WireRun, WireStep } from "../../src/fake-upstash/wire.ts";
import { programs } from "../programs/programs.ts";
import { type ProgramRun, runProgram } from "../programs/run-program.ts";
import { FAILURE_FUNCTION } from "../programs/truth-book.ts";
import { type Engine, type EngineOptions, startEngine } from "./engine.ts";
import { READINGS, type Switches } from "./switches.ts";

let engine: Engine | undefined;
beforeEach(() => {
  vi.spyOn(console, "error").mockImplementation(() => {}); // the SDK reports every error of a step there
});
afterEach(async () => {
  await engine?.close();
  vi.restoreAllMocks();
});

const second = Object.entries(READINGS).map(([name, readings]) => [name, readings[1]]);
const worlds: [string, EngineOptions][] = [
  ["by default", {}],
  ["signed, fetching their steps", { signingKeys: { current: "sig_current", next: "sig_next" }, lazyFetchAbove: 1 }],
  ["under every second reading", { switches: Object.fromEntries(second) as Partial<Switches> }],
];

describe.each(worlds)("%s", (_, options) => {
  test.each(programs.map((program) => [program.name, program] as const))("the program %s runs to its end", async (_name, program) => {
    engine = await startEngine(options);
    const done = await runProgram(engine, program);
    const runs = engine.store.allRuns();
    const run = runs.find((each) => each.workflowRunId === done.runId && each.workflowRunCreatedAt === done.createdAt)!;
    expect(run.workflowState).toBe(program.ends);
    expect(done.deliveries).toBe(program.deliveries);
    expect(sum(runs.map((each) => engine!.deliveriesOf(each.workflowRunId)))).toBe(program.deliveries);
    for (const each of runs) {
      checkRun(each);
      const events = engine.store.allEvents().filter((event) => event.workflowRunId === each.workflowRunId);
      checkEvents(each, events);
      checkTruth(done, each, events);
    }
  });
});

test("where no wait is skipped at once, but takes some real time, a program runs alike", async () => {
  engine = await startEngine({ clock: { longestWaitMs: 40 } });
  const program = programs.find((each) => each.name === "parallel-mixed")!;
  const done = await runProgram(engine, program);
  expect(done.deliveries).toBe(program.deliveries);
  for (const run of engine.store.allRuns()) checkRun(run);
});

const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);
const stepsOf = (run: WireRun) => run.steps.flatMap((group) => group.steps);

/** What holds for the grouped log of any run that has ended. */
function checkRun(run: WireRun): void {
  const ended = run.workflowRunCompletedAt!;
  expect(["RUN_SUCCESS", "RUN_FAILED", "RUN_CANCELED"]).toContain(run.workflowState);
  expect(ended).toBeGreaterThanOrEqual(run.workflowRunCreatedAt);
  expect(run.steps[0]!.steps.map((step) => step.stepType)).toEqual(["Initial"]);
  const numbered = stepsOf(run).flatMap((step) => step.stepId ?? []);
  expect(numbered).toEqual(numbered.map((_, index) => index + 1));
  for (const group of run.steps) expect(group.type).toBe(group.steps[0]!.concurrent === undefined ? "next" : kindOf(group.steps));
  if (run.workflowState === "RUN_SUCCESS") {
    expect(new Set(stepsOf(run).map((step) => step.state))).toEqual(new Set(["STEP_SUCCESS"]));
  }
}

const kindOf = (steps: readonly WireStep[]) => (steps[0]!.concurrent! > 1 ? "parallel" : "sequential");

/** What holds for its message log: one start, one end, and every message from CREATED on, attempt by attempt. */
function checkEvents(run: WireRun, events: readonly WireEvent[]): void {
  expect(events.map((event) => event.time)).toEqual(events.map((event) => event.time).toSorted((a, b) => a - b));
  expect(events.filter((event) => event.state.startsWith("RUN_")).map((event) => event.state)).toEqual(["RUN_STARTED", run.workflowState]);
  expect(events.find((event) => event.state === run.workflowState)!.time).toBe(run.workflowRunCompletedAt);
  const messages = Map.groupBy(events, (event) => event.stepInfo?.messageId);
  messages.delete(undefined);
  for (const message of messages.values()) {
    const states = message.map((event) => event.state).join(" ");
    expect(states).toMatch(
      /^CREATED( ACTIVE( ERROR RETRY ACTIVE)*( DELIVERED| ERROR FAILED)?| ACTIVE( ERROR RETRY ACTIVE)* ERROR RETRY)?( CANCELED)?$/,
    );
  }
}

/** User code lies where the logs say, as far as order tells: a step's message is made after its function, an error for each that threw. */
function checkTruth({ truth }: ProgramRun, run: WireRun, events: readonly WireEvent[]): void {
  const own = truth.filter(
    (record) => record.runId === run.workflowRunId && record.kind === "function" && record.step !== FAILURE_FUNCTION,
  );
  for (const step of stepsOf(run)) {
    if (step.stepType !== "Run" || step.state !== "STEP_SUCCESS") continue;
    const last = own.findLast((record) => record.step === step.stepName)!;
    expect(last.failed).toBe(false);
    expect(step.createdAt).toBeGreaterThanOrEqual(last.end);
  }
  const errors = events.filter((event) => event.state === "ERROR" && event.stepInfo?.callType === "step");
  expect(errors.length).toBe(own.filter((record) => record.failed).length);
}
