import fc from "fast-check";
import { expect, test } from "vitest";
import type { MessageEvent } from "../../src/model/event.ts";
import type { Step, WorkflowRun } from "../../src/model/run.ts";
import { mapRun } from "../../src/trace/map-run.ts";
import { ownPlacement } from "../../src/trace/placement.ts";
import { runsFromEvents } from "../../src/trace/run-from-events.ts";
import { type Timeline, timeline } from "../../src/trace/timeline.ts";
import { arbitraryProgram, type Played, played } from "../support/arbitrary-program.ts";
import { arbitraryRun } from "../support/arbitrary-run.ts";
import { settingsWith, T0 } from "../support/run-builder.ts";

/** From a result to its delivery, or from a delivery to its work, in the played programs. */
const HOP = 4;
/** Waiting for less than that is not told apart from work. */
const MIN_QUEUE = 1_000;
const settings = settingsWith();

const anyPlayed = fc.tuple(arbitraryProgram, fc.integer()).map(([program, seed]) => played(program, seed));
const spansOf = (run: WorkflowRun, events: readonly MessageEvent[]) => mapRun(run, ownPlacement(run, settings), settings, { events }).spans;

function expectInvariants(run: WorkflowRun, { start, end, steps, deliveries }: Timeline): void {
  let boundary = start;
  for (const [position] of run.groups.entries()) {
    const members = steps.filter((one) => one.group === position && (one.role === "step" || one.role === "delivery"));
    for (const one of members) {
      expect(one.start).toBeGreaterThanOrEqual(boundary);
      expect(one.end).toBeGreaterThanOrEqual(one.start);
      expectTiles(one);
    }
    boundary = members.reduce((latest, one) => Math.max(latest, one.end), boundary);
  }
  expect(end).toBeGreaterThanOrEqual(boundary);
  for (const one of deliveries) {
    expect(one.start).toBeGreaterThanOrEqual(start);
    expect(one.end).toBeLessThanOrEqual(end);
    expectTiles(one);
  }
}

function expectTiles({ parts, start, end }: Pick<Timeline["steps"][number], "parts" | "start" | "end">): void {
  if (parts.length === 0) return;
  expect(parts.length).toBeGreaterThan(1);
  expect([parts[0]?.start, parts.at(-1)?.end]).toEqual([start, end]);
  for (const [index, part] of parts.entries()) {
    expect(part.end).toBeGreaterThanOrEqual(part.start);
    if (index > 0) expect(part.start).toBe(parts[index - 1]?.end);
  }
}

test("with its message log, every step of any program starts and ends when it did, and shows every attempt", () => {
  fc.assert(
    fc.property(anyPlayed, (all) => {
      for (const { run, events, truth } of all) {
        const steps = timeline(run, events).steps.filter(({ role }) => role === "step");
        expect(steps).toHaveLength(truth.length);
        for (const { name, start, end, lastAttempt } of truth) {
          const about = steps.filter(
            (one) => one.step.name === name && Math.abs(one.end - end) <= 2 * HOP && Math.abs(one.start - start) <= 2 * HOP,
          );
          expect(
            about.map((one) => one.source),
            `${name} ${start - T0} ${end - T0}`,
          ).toContain("log");
          if (lastAttempt === start) continue;
          const last = about.flatMap(({ parts }) => parts.at(-1) ?? []).filter((part) => Math.abs(part.start - lastAttempt) <= HOP);
          expect(last.map((part) => part.kind)).toContain("attempt");
        }
      }
    }),
    { numRuns: 300 },
  );
});

test("the message log alone gives the spans that it gives beside the grouped log", () => {
  fc.assert(
    fc.property(anyPlayed, (all) => {
      const events = all.flatMap((one) => one.events);
      for (const run of runsFromEvents(events)) {
        const beside = all.find((one) => one.run.id === run.id) as Played;
        expect(spansOf(run, beside.events)).toEqual(spansOf(beside.run, beside.events));
      }
    }),
    { numRuns: 200 },
  );
});

test("the order of the message log and its repetitions change nothing", () => {
  const shuffled = anyPlayed.chain(([{ run, events }]) =>
    fc.tuple(fc.constant({ run, events }), fc.shuffledSubarray([...events, ...events], { minLength: events.length * 2 })),
  );
  fc.assert(
    fc.property(shuffled, ([{ run, events }, others]) => {
      expect(spansOf(run, others)).toEqual(spansOf(run, events));
      expect(runsFromEvents(others)).toEqual(runsFromEvents(events));
    }),
    { numRuns: 200 },
  );
});

test("whatever is missing of the message log: nothing throws, what is there tiles, and a step without its messages is inferred", () => {
  const holed = anyPlayed.chain(([{ run, events }]) => fc.tuple(fc.constant(run), fc.subarray([...events])));
  fc.assert(
    fc.property(holed, ([run, events]) => {
      const times = timeline(run, events);
      expectInvariants(run, times);
      const heard = new Set(events.map((event) => event.messageId));
      const before = timeline(run);
      for (const [index, one] of times.steps.entries()) {
        if (one.role !== "step" || one.step.type !== "Run" || one.group === 0) continue;
        const group = run.groups[one.group - 1]?.steps ?? [];
        if (one.size > 1 || group.some((step) => heard.has(step.messageId))) continue;
        expect(one.source).toBe("inferred");
        expect(one.end).toBeGreaterThanOrEqual(before.steps[index]?.end ?? 0);
      }
      const [alone] = runsFromEvents(events);
      if (alone !== undefined) expectInvariants(alone, timeline(alone, events));
    }),
    { numRuns: 500 },
  );
});

test("events that are missing make no step's time wrong that says it is the log's: at worst it is inferred", () => {
  const late = anyPlayed.chain(([{ run, events }]) =>
    fc.tuple(fc.constant(run), fc.constant(events), fc.subarray([...events], { minLength: 1, maxLength: 4 })),
  );
  fc.assert(
    fc.property(late, ([run, events, missing]) => {
      const whole = timeline(run, events).steps;
      const left = events.filter((event) => !missing.includes(event));
      for (const [index, { role, source, start, end, step }] of timeline(run, left).steps.entries()) {
        const truth = whole[index];
        if (role !== "step" || source === "inferred" || truth === undefined || truth.source === "inferred") continue;
        expect(Math.abs(start - truth.start), `start of ${step.type} ${step.name}`).toBeLessThanOrEqual(MIN_QUEUE);
        expect(Math.abs(end - truth.end), `end of ${step.type} ${step.name}`).toBeLessThanOrEqual(MIN_QUEUE);
      }
    }),
    { numRuns: 1_000 },
  );
});

test("a message log without a single message of the run's leaves the grouped inference as it is", () => {
  fc.assert(
    fc.property(arbitraryRun, (run) => {
      const strange: MessageEvent = { id: run.id, createdAt: run.createdAt, time: T0, state: "TELEPORTED", url: "", messageId: "msg_x" };
      expect(spansOf(run, [strange])).toEqual(spansOf(run, []));
    }),
    { numRuns: 300 },
  );
});

const time = fc.oneof(
  { weight: 9, arbitrary: fc.integer({ min: -100, max: 10_000 }).map((offset) => T0 + offset) },
  { weight: 1, arbitrary: fc.constantFrom(0, -1, 0.5, Number.MAX_SAFE_INTEGER, -8.64e15) },
);
const text = fc.constantFrom("", "a", "b", "msg_1", "msg_2", "\ud800", "__proto__", "constructor");
const hostileStep: fc.Arbitrary<Step> = fc.record(
  {
    name: text,
    type: fc.constantFrom("Initial", "Run", "Call", "SleepFor", "SleepUntil", "Wait", "WaitForWebhook", "Invoke", "", "Teleport"),
    state: text,
    errors: fc.constant([]),
    id: fc.constantFrom(1, 2, 3, -1, 0.5, Number.MAX_SAFE_INTEGER),
    callType: fc.constantFrom("step", "parallelPlan", "parallelResult", "toCallback", "fromCallback", "else"),
    concurrent: fc.constantFrom(0, 1, 2, 3, -4, 1e15),
    createdAt: time,
    messageId: text,
    sleepFor: fc.constant({ value: 1, unit: "unknown" as const }),
  },
  { requiredKeys: ["name", "type", "state", "errors"] },
);
const STATES = ["CREATED", "ACTIVE", "DELIVERED", "ERROR", "RETRY", "FAILED", "CANCELED", "WAITER_ADDED", "INVOKED", "RUN_STARTED"];
const hostileEvent = (run: Pick<WorkflowRun, "id" | "createdAt">): fc.Arbitrary<MessageEvent> =>
  fc.record(
    {
      id: fc.constant(run.id),
      createdAt: fc.constant(run.createdAt),
      time,
      state: fc.constantFrom(...STATES, ...STATES, "RUN_SUCCESS", "RUN_FAILED", "RUN_CANCELED", "", "active"),
      url: text,
      messageId: text,
      step: hostileStep,
      nextDeliveryTime: time,
      error: text,
      responseStatus: fc.constantFrom(200, 500, 0, -1),
      failedStepName: text,
      invoker: fc.record({ id: text }),
      runResponse: text,
    },
    { requiredKeys: ["id", "createdAt", "time", "state", "url"] },
  );

test("any events whatever, with any run: nothing throws, the invariants hold, and their order changes nothing", () => {
  const both = arbitraryRun.chain((run) => fc.tuple(fc.constant(run), fc.array(hostileEvent(run), { maxLength: 30 })));
  fc.assert(
    fc.property(both, ([run, events]) => {
      expectInvariants(run, timeline(run, events));
      const spans = spansOf(run, events);
      expect(new Set(spans.map((span) => span.spanId)).size).toBe(spans.length);
      expect(spansOf(run, events.toReversed())).toEqual(spans);
      const [alone] = runsFromEvents(events);
      expect(runsFromEvents(events.toReversed())).toEqual(alone === undefined ? [] : [alone]);
      if (alone !== undefined) expectInvariants(alone, timeline(alone, events));
    }),
    { numRuns: 600 },
  );
});
