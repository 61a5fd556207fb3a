import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { startProgramThread } from "../programs/in-thread.ts";
import { programs } from "../programs/programs.ts";
import { startEngine } from "./engine.ts";
import type { Switches } from "./switches.ts";
import { type Evidence, INPUTS, measure, resolutionOf } from "./truth-measure.ts";
import { barsOf, type Measurement, percentile, rowsOf } from "./truth-report.ts";
import { reportMarkdown, reportText } from "./truth-text.ts";

/**
 * `npm run truth`: runs every program of test/programs under each reading of createdAt, in a thread of their own, and
 * compares every span that is made of its logs with what user code saw. Exit code 1 if a bar is missed.
 * `--rounds N` repeats, `--markdown` prints the README's tables, `--json FILE` writes the numbers.
 */
const READINGS_OF_CREATED_AT: Readonly<Record<string, Partial<Switches>>> = {
  END: { callMessage: "result", waitCreatedAt: "end" },
  START: { callMessage: "toCallback", waitCreatedAt: "start" },
};

const { values } = parseArgs({
  options: { json: { type: "string" }, rounds: { type: "string", default: "1" }, markdown: { type: "boolean", default: false } },
});
const thread = startProgramThread();
await gather({}, 1); // what is still to be compiled would be measured, not the engine
const measurements: Measurement[] = [];
for (const [reading, switches] of Object.entries(READINGS_OF_CREATED_AT)) {
  measurements.push(measured(reading, await gather(switches, Number(values.rounds))));
}
await thread.close();
console.log(values.markdown ? reportMarkdown(measurements) : measurements.map(reportText).join("\n"));
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(measurements.flatMap(rowsOf), null, 2)}\n`);
process.exitCode = measurements.flatMap(barsOf).every(({ met }) => met) ? 0 : 1;

async function gather(switches: Partial<Switches>, rounds: number): Promise<Evidence[]> {
  const evidence: Evidence[] = [];
  for (let round = 0; round < rounds; round++) {
    for (const program of programs) {
      const engine = await startEngine({ switches });
      const done = await thread.run(engine, program.name);
      evidence.push({ program, done, runs: engine.store.allRuns(), events: engine.store.allEvents() });
      await engine.close();
    }
  }
  return evidence;
}

function measured(reading: string, evidence: readonly Evidence[]): Measurement {
  const hops = evidence.flatMap(resolutionOf);
  // What user code cannot see is known from its neighbours, a request or two away.
  const usual = 2 * percentile(hops, 0.9) + 10;
  const all = INPUTS.flatMap((input) => evidence.map((each) => measure(each, input, Math.max(usual, ...resolutionOf(each)))));
  return {
    reading,
    resolution: percentile(hops, 0.99),
    judgements: all.flatMap((each) => each.judgements),
    charges: all.flatMap((each) => each.charges),
  };
}
