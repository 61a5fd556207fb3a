import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { programs } from "../programs/programs.ts";
import { runProgram } from "../programs/run-program.ts";
import { startEngine } from "./engine.ts";
import type { Switches } from "./switches.ts";
import { type Charge, type Evidence, INPUTS, type Judgement, measure, resolutionOf } from "./truth-measure.ts";

/**
 * `npm run truth`: runs every program of test/programs under each reading of createdAt, and compares every span
 * that is made of its logs with what user code saw. `--json FILE` writes the table's numbers, `--rounds N` repeats.
 */
const READINGS_OF_CREATED_AT: Readonly<Record<string, Partial<Switches>>> = {
  END: { callMessage: "result", waitCreatedAt: "end" },
  START: { callMessage: "toCallback", waitCreatedAt: "start" },
};

/** Of the spans that are far off, so many are named. */
const MOST = 12;

const { values } = parseArgs({ options: { json: { type: "string" }, rounds: { type: "string", default: "1" } } });
console.error = () => {}; // the SDK reports every error of a step there
console.warn = () => {};

await gather({}, 1); // what is still to be compiled would be measured, not the engine
const rows: Row[] = [];
for (const [reading, switches] of Object.entries(READINGS_OF_CREATED_AT)) {
  const evidence = await gather(switches, Number(values.rounds));
  const hops = evidence.flatMap(resolutionOf);
  const resolution = percentile(hops, 0.99);
  // What user code cannot see is known from its neighbours, a request or two away.
  const usual = 2 * percentile(hops, 0.9) + 10;
  const measured = INPUTS.flatMap((input) => evidence.map((each) => measure(each, input, Math.max(usual, ...resolutionOf(each)))));
  const judgements = measured.flatMap((each) => each.judgements);
  rows.push(...rowsOf(reading, judgements));
  print(
    reading,
    resolution,
    judgements,
    measured.flatMap((each) => each.charges),
  );
}
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(rows, null, 2)}\n`);

async function gather(switches: Partial<Switches>, rounds: number): Promise<Evidence[]> {
  const evidence: Evidence[] = [];
  for (let round = 0; round < rounds; round++) {
    for (const program of programs) {
      const engine = await startEngine({ switches });
      const done = await runProgram(engine, program);
      evidence.push({ program, done, runs: engine.store.allRuns(), events: engine.store.allEvents() });
      await engine.close();
    }
  }
  return evidence;
}

/** Errors of start and end in ms, of one type of span under one reading from one input. */
interface Row {
  readonly reading: string;
  readonly input: string;
  readonly type: string;
  readonly spans: number;
  readonly start: readonly [p50: number, p99: number, max: number];
  readonly end: readonly [p50: number, p99: number, max: number];
}

function rowsOf(reading: string, judgements: readonly Judgement[]): Row[] {
  const kinds = Map.groupBy(judgements, ({ input, span }) => `${input}\n${span.type}`);
  return [...kinds].map(([kind, members]) => {
    const [input = "", type = ""] = kind.split("\n");
    const start = members.map(({ span, truth }) => Math.abs(span.start - truth.start));
    const end = members.map(({ span, truth }) => Math.abs(span.end - truth.end));
    return { reading, input, type, spans: members.length, start: summary(start), end: summary(end) };
  });
}

function summary(errors: readonly number[]): [number, number, number] {
  return [percentile(errors, 0.5), percentile(errors, 0.99), percentile(errors, 1)];
}

function percentile(numbers: readonly number[], share: number): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0;
}

function print(reading: string, resolution: number, judgements: readonly Judgement[], charges: readonly Charge[]): void {
  console.log(`\ncreatedAt of Calls, Waits and Invokes marks their ${reading}; the engine's own resolution: ${resolution} ms (p99)\n`);
  console.log("input              type              spans   start p50/p99/max      end p50/p99/max (ms)");
  for (const { input, type, spans, start, end } of rowsOf(reading, judgements)) {
    console.log(`${input.padEnd(19)}${type.padEnd(18)}${String(spans).padStart(5)}   ${start.join("/").padEnd(23)}${end.join("/")}`);
  }
  for (const input of INPUTS) {
    const own = charges.filter((charge) => charge.input === input);
    const shares = own.map(({ wrongMs, durationMs }) => (durationMs === 0 ? 0 : (100 * wrongMs) / durationMs));
    console.log(
      `charged to the wrong step, ${input}: mean ${mean(shares).toFixed(2)} %, worst ${Math.max(...shares).toFixed(2)} % of a run`,
    );
    for (const { program, wrongMs, durationMs } of own.filter((charge) => charge.wrongMs > 0)) {
      console.log(`  ${program}: ${wrongMs} of ${durationMs} ms`);
    }
  }
  printWorst(judgements, resolution + 10);
}

function printWorst(judgements: readonly Judgement[], limit: number): void {
  const errorOf = ({ span, truth }: Judgement) => Math.max(Math.abs(span.start - truth.start), Math.abs(span.end - truth.end));
  const beyond = judgements.filter((each) => errorOf(each) > limit).toSorted((a, b) => errorOf(b) - errorOf(a));
  if (beyond.length > 0) console.log(`${beyond.length} spans are more than ${limit} ms off (resolution + 10), the worst of them:`);
  for (const { program, input, span, truth } of beyond.slice(0, MOST)) {
    console.log(`  ${input}, ${program}, ${span.type} "${span.step}": start ${span.start - truth.start}, end ${span.end - truth.end} ms`);
  }
}

function mean(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0) / Math.max(1, numbers.length);
}
