import fc from "fast-check";
import { expect, test } from "vitest";
import type { Step, StepGroup } from "../../src/model/run.ts";
import { timeline } from "../../src/trace/timeline.ts";
import { aRun, at, group, step } from "../support/run-builder.ts";

/**
 * Programs whose true times are known, written into a log as the engine protocol has it, under each reading
 * that the SDK's source leaves open; and read back.
 */

interface Action {
  readonly type: "Run" | "Call" | "SleepFor" | "SleepUntil" | "Wait" | "Invoke";
  /** ms; whole seconds for sleeps. */
  readonly length: number;
  readonly timesOut: boolean;
}
interface Readings {
  readonly sleepUnit: "seconds" | "milliseconds" | "given";
  readonly call: "start" | "end";
  readonly wait: "start" | "end";
}
interface Truth {
  readonly start: number;
  readonly end: number;
}

/** From a result to the next execution. */
const LATENCY = 4;
/** Longer than any step but sleeps; shorter than a thousand of the shortest sleeps. */
const LONGEST = 20_000;

const action: fc.Arbitrary<Action> = fc.oneof(
  fc
    .record({
      type: fc.constantFrom("Run", "Call", "Wait", "Invoke"),
      length: fc.integer({ min: 60, max: LONGEST }),
      timesOut: fc.boolean(),
    })
    // a shorter wait with a deadline in whole seconds does not show whether its createdAt is its start or its end
    .filter(({ type, length }) => type !== "Wait" || length > 1_100),
  fc.record({
    type: fc.constantFrom("SleepFor", "SleepUntil"),
    // a bare number fits a gap of a thousand times its length just as well: there it could not be told apart
    length: fc.integer({ min: 91, max: 90_000 }).map((s) => s * 1_000),
    timesOut: fc.constant(false),
  }),
);
const program = fc.array(fc.array(action, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 8 });

function log(groups: readonly (readonly Action[])[], readings: Readings) {
  const written: StepGroup[] = [];
  const truth: Truth[] = [];
  let now = 2;
  for (const actions of groups) {
    const fork = now + LATENCY;
    written.push(group(...actions.map((one, i) => entry(one, `s${truth.length + i}`, fork, actions.length > 1, readings))));
    for (const one of actions) truth.push({ start: fork, end: fork + one.length });
    now = fork + Math.max(...actions.map((one) => one.length));
  }
  return { run: aRun(now + LATENCY, written), truth };
}

function entry({ type, length, timesOut }: Action, name: string, start: number, parallel: boolean, readings: Readings): Step {
  const end = start + length;
  switch (type) {
    case "Run":
      return step(type, name, end);
    case "Call":
      return step(type, name, readings.call === "end" ? end : start, {
        call: { responseHeaders: { Date: [new Date(at(end)).toUTCString()] } },
      });
    case "SleepUntil":
      return step(type, name, parallel ? end : start, { sleepUntil: at(end) });
    case "SleepFor": {
      const sleepFor = {
        value: readings.sleepUnit === "seconds" ? length / 1_000 : length,
        unit: readings.sleepUnit === "given" ? "ms" : "unknown",
      } as const;
      return step(type, name, parallel ? end : start, { sleepFor });
    }
    case "Wait": {
      const duration = timesOut ? length : length + 60_000;
      return step(type, name, readings.wait === "end" ? end : start, {
        wait: { deadline: at(start + duration), duration, timedOut: timesOut },
      });
    }
    case "Invoke":
      return step(type, name, readings.wait === "end" ? end : start, { invoked: { id: name, createdAt: at(start) } });
  }
}

const errorsOf = (times: ReturnType<typeof timeline>, truth: readonly Truth[]) =>
  times.steps
    .filter((one) => one.role === "step")
    .map((one, i) => ({ step: one.step, start: one.start - at(truth[i]!.start), end: one.end - at(truth[i]!.end) }));

test.each(["seconds", "milliseconds", "given"] as const)(
  "where createdAt marks ends, every time is true to the engine's latency (sleeps in %s)",
  (sleepUnit) => {
    fc.assert(
      fc.property(program, (groups) => {
        const { run, truth } = log(groups, { sleepUnit, call: "end", wait: "end" });
        for (const error of errorsOf(timeline(run), truth)) {
          expect(Math.abs(error.start), `start of ${error.step.type}`).toBeLessThanOrEqual(LATENCY);
          expect(error.end, `end of ${error.step.type}`).toBe(0);
        }
        expect(timeline(run)).toMatchObject({ end: run.completedAt, adjusted: false });
      }),
      { numRuns: 300 },
    );
  },
);

test("where createdAt marks starts, waits and invocations begin when they did, and no step is longer than the gap it could fill", () => {
  fc.assert(
    fc.property(program, (groups) => {
      const { run, truth } = log(groups, { sleepUnit: "milliseconds", call: "end", wait: "start" });
      const times = timeline(run);
      for (const { step: one, start, end } of errorsOf(times, truth)) {
        if (one.type !== "Wait" && one.type !== "Invoke") continue;
        expect(start).toBe(0);
        expect(end).toBeGreaterThanOrEqual(0);
        if (one.wait?.timedOut) expect(end).toBe(0);
      }
      expect(times.end).toBe(run.completedAt);
    }),
    { numRuns: 300 },
  );
});

test("where a call's createdAt marks its start, a long one begins then and ends within its response's second", () => {
  fc.assert(
    fc.property(program, (groups) => {
      const alone = groups.map((actions) => actions.slice(0, 1));
      const { run, truth } = log(alone, { sleepUnit: "milliseconds", call: "start", wait: "end" });
      errorsOf(timeline(run), truth).forEach(({ step: one, start, end }, i) => {
        if (one.type !== "Call" || truth[i]!.end - truth[i]!.start < 2_000) return;
        expect(start).toBe(0);
        expect(end).toBeLessThanOrEqual(0);
        expect(end).toBeGreaterThan(-1_000);
      });
    }),
    { numRuns: 300 },
  );
});
