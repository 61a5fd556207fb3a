import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type Recording, unpack } from "../../src/fake-upstash/recording/recording.ts";
import { eventsByRun, type MessageEvent } from "../../src/model/event.ts";
import { isTerminal, keyOf, type WorkflowRun } from "../../src/model/run.ts";
import { decodeEventsBody, decodeRunsBody } from "../../src/sources/upstash/decode.ts";
import { runsFromEvents } from "../../src/trace/run-from-events.ts";
import { type StepTime, type Timeline, timeline } from "../../src/trace/timeline.ts";
import type { Part } from "../../src/trace/timeline-execution.ts";
import { arbitraryProgram, played } from "../support/arbitrary-program.ts";
import { T0 } from "../support/run-builder.ts";
import type { Program, RunWork, Work } from "../support/scenarios/program.ts";

interface Logs {
  readonly run: WorkflowRun;
  readonly events: readonly MessageEvent[];
}

/** ms that the engine, which ran them for real, needs between two of its own lines at most. */
const RESOLUTION = 20;
/** ms; waiting for less than that is not told apart from work. */
const MIN_QUEUE = 1_000;

/** ms; what a sleep is asked for in. */
const WHOLE_SECONDS = 1_000;

const read = (path: string) => JSON.parse(readFileSync(new URL(path, import.meta.url), "utf8"));

/** The runs of real programs that have ended, each with its events. */
function ended(runs: unknown, events: unknown): Logs[] {
  const ofRun = eventsByRun(decodeEventsBody({ events }).events);
  return decodeRunsBody({ runs })
    .runs.filter(isTerminal)
    .map((run) => ({ run, events: ofRun.get(keyOf(run)) ?? [] }));
}

const RECORDED: Logs[] = [
  ...ended(read("../fixtures/engine-runs.json").runs, read("../fixtures/engine-events.json").events),
  ...Object.values(read("../../src/fake-upstash/recording/demo.recorded.json") as Record<string, Recording>).flatMap((recording) => {
    const { versions, events } = unpack(recording, T0);
    const last = new Map(versions.map(({ run }) => [run.workflowRunId, run]));
    return ended([...last.values()], events);
  }),
];

/** Without each event, and without each two that follow each other. */
function damaged(events: readonly MessageEvent[]): (readonly MessageEvent[])[] {
  return events.flatMap((_, at) => [events.toSpliced(at, 1), events.toSpliced(at, 2)]);
}

const isTimed = ({ role }: StepTime) => role === "step" || role === "delivery";
const off = (one: StepTime, truth: StepTime) => Math.abs(one.start - truth.start) + Math.abs(one.end - truth.end);
const length = ({ start, end }: StepTime) => end - start;

/** What says that it is the log's is that, and its parts are some of those that there are. */
function untrue(one: StepTime, truth: StepTime, limit: number): string[] {
  const isPart = ({ kind, start, end }: Part) =>
    truth.parts.some((part) => part.kind === kind && Math.abs(part.start - start) + Math.abs(part.end - end) <= limit);
  // A sleep of which nothing is left but the grouped log's word ends when it was asked to.
  const allowed = limit + (one.step.type.startsWith("Sleep") ? WHOLE_SECONDS : 0);
  const isTrue = one.source === "inferred" || truth.source === "inferred" || off(one, truth) <= allowed;
  return [...(isTrue ? [] : ["times that are not the log's"]), ...(one.parts.every(isPart) ? [] : ["parts that there are not"])];
}

function worse(one: StepTime, truth: StepTime, grouped: StepTime, limit: number): string[] {
  const isShorter = length(one) < Math.min(length(truth), length(grouped)) - limit;
  return [...(off(one, truth) > off(grouped, truth) + limit ? ["worse than without"] : []), ...(isShorter ? ["shorter"] : [])];
}

/** Beside the grouped log. @returns what is wrong; nothing is */
function wrongBeside({ run, events }: Logs, limit: number): string[] {
  const truths = timeline(run, events, MIN_QUEUE).steps;
  const inferred = timeline(run, [], MIN_QUEUE).steps;
  return damaged(events).flatMap((left) =>
    timeline(run, left, MIN_QUEUE).steps.flatMap((one, index) => {
      const [truth, grouped] = [truths[index], inferred[index]];
      if (!isTimed(one) || truth === undefined || grouped === undefined) return [];
      const wrong = [...untrue(one, truth, limit), ...worse(one, truth, grouped, limit)];
      return wrong.map((what) => `${what}: ${one.step.type} ${one.step.name} without ${lacking(events, left)}`);
    }),
  );
}

function lacking(events: readonly MessageEvent[], left: readonly MessageEvent[]): string {
  const gone = events.filter((event) => !left.includes(event));
  return gone.map(({ state, step, time }) => `${state} ${step?.name ?? ""} at ${time - (events[0]?.time ?? 0)}`).join(", ");
}

test.each(RECORDED)("$run.url: one event lost or two, and no step is stated wrongly, nor any worse for what is left", (logs) => {
  expect(wrongBeside(logs, RESOLUTION)).toEqual([]);
});

/** By what it is called: of two that look alike nothing is said. */
function byName({ steps }: Timeline): Map<string, StepTime> {
  const groups = Map.groupBy(steps.filter(isTimed), ({ step, role }) => `${role} ${step.type} ${step.name}`);
  return new Map([...groups].flatMap(([key, [one, other]]) => (one === undefined || other !== undefined ? [] : [[key, one] as const])));
}

function wrongAlone({ run, events }: Logs, lefts: readonly (readonly MessageEvent[])[], limit: number): string[] {
  const truths = byName(timeline(run, events, MIN_QUEUE));
  return lefts.flatMap((left) => {
    const [alone] = runsFromEvents(left).filter(isTerminal);
    if (alone === undefined) return [];
    return [...byName(timeline(alone, left, MIN_QUEUE))].flatMap(([key, one]) => {
      const truth = truths.get(key);
      const wrong = truth === undefined ? [] : untrue(one, truth, limit);
      return wrong.map((what) => `${what}: ${key} without ${lacking(events, left)}`);
    });
  });
}

test.each(RECORDED)("$run.url: the message log alone, one event lost or two, or begun late", (logs) => {
  const { events } = logs;
  expect(wrongAlone(logs, [...damaged(events), ...events.map((_, from) => events.slice(from))], RESOLUTION)).toEqual([]);
});

/** Short, since each of its events goes missing once. */
const shortProgram: fc.Arbitrary<Program> = arbitraryProgram.map((program) => ({ ...program, steps: program.steps.slice(0, 3) }));

const failing: fc.Arbitrary<RunWork> = fc
  .array(fc.record({ ms: fc.integer({ min: 1, max: 900 }), wait: fc.integer({ min: 1, max: 60_000 }) }), { minLength: 1, maxLength: 4 })
  .map((attempts) => ({
    kind: "run",
    name: "bad",
    ms: 1,
    gaveUp: true,
    failed: attempts.map(({ ms, wait }, index) => ({
      ms,
      status: 500,
      message: "boom",
      retryAfterMs: index === attempts.length - 1 ? 0 : wait,
    })),
  }));
const sibling: Work = { kind: "run", name: "a", ms: 40 };
const failingProgram: fc.Arbitrary<Program> = fc
  .tuple(shortProgram, failing, fc.boolean())
  .map(([program, bad, parallel]) => ({ ...program, steps: [...program.steps.slice(1), parallel ? [sibling, bad] : bad] }));

test("any program, one event lost or two, and no step is stated wrongly, nor any worse for what is left", () => {
  fc.assert(
    fc.property(fc.oneof(shortProgram, failingProgram), fc.integer(), (program, seed) => {
      const [logs] = played(program, seed);
      expect(wrongBeside(logs, MIN_QUEUE)).toEqual([]);
      expect(wrongAlone(logs, damaged(logs.events), MIN_QUEUE)).toEqual([]);
    }),
    { numRuns: 40 },
  );
});
