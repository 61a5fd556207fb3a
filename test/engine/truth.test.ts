import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { programs } from "../programs/programs.ts";
import { runProgram } from "../programs/run-program.ts";
import { type Engine, startEngine } from "./engine.ts";
import { type Evidence, INPUTS, type Input, measure } from "./truth-measure.ts";

/**
 * What `npm run truth` reports, as far as it does not depend on how busy this machine is: an error counts from what a
 * request may take on it at worst. Sleeps, waits and back-offs last from minutes to days, so that a mistake is larger.
 */
const SLACK_MS = 1_000;

let engine: Engine;
beforeEach(() => {
  vi.spyOn(console, "error").mockImplementation(() => {}); // the SDK reports every error of a step there
});
afterEach(async () => {
  await engine.close();
  vi.restoreAllMocks();
});

const readings = [
  ["END", { callMessage: "result", waitCreatedAt: "end" }],
  ["START", { callMessage: "toCallback", waitCreatedAt: "start" }],
] as const;

describe.each(readings)("where createdAt of Calls, Waits and Invokes marks their %s", (_, switches) => {
  test.each(programs.map((program) => [program.name, program] as const))(
    "no time of %s is charged to the wrong step, and the message log alone shows what both logs do",
    async (_name, program) => {
      engine = await startEngine({ switches });
      const done = await runProgram(engine, program);
      const evidence: Evidence = { program, done, runs: engine.store.allRuns(), events: engine.store.allEvents() };
      // as a set: without the grouped log parallel steps are in the order of their starts
      const shown = (input: Input) =>
        measure(evidence, input, SLACK_MS)
          .judgements.flatMap(({ span }) => (span.type === "failure function" ? [] : [JSON.stringify(span)]))
          .sort();
      expect(shown("message log alone")).toEqual(shown("message log"));
      for (const input of INPUTS) {
        const { judgements, charges } = measure(evidence, input, SLACK_MS);
        expect(charges.filter(({ wrongMs, durationMs }) => wrongMs > (input === "grouped log" ? 0.02 : 0) * durationMs)).toEqual([]);
        expect(charges.filter((charge) => charge.misplaced > 0)).toEqual([]);
        if (input === "grouped log") continue;
        const isFar = (a: number, b: number) => Math.abs(a - b) > SLACK_MS;
        const timed = judgements.filter(({ span }) => span.type !== "failure function"); // its end is known to a second only
        expect(timed.filter(({ span, truth }) => isFar(span.start, truth.start) || isFar(span.end, truth.end))).toEqual([]);
        for (const { attempts } of charges) expect(attempts.shown).toEqual(attempts.made);
      }
    },
  );
});
