import { INPUTS, type Judgement } from "./truth-measure.ts";
import { barsOf, endError, type Measurement, type Row, rowsOf, startError } from "./truth-report.ts";

/** Of the spans that are far off, so many are named. */
const MOST = 12;
/** ms */
const BUSY = 50;

/** For a terminal: every number, the bars, and the spans that are farthest off. */
export function reportText(measurement: Measurement): string {
  const { reading, resolution, charges } = measurement;
  const table = rowsOf(measurement).map(
    ({ input, type, spans, start, end }) =>
      `${input.padEnd(19)}${type.padEnd(18)}${String(spans).padStart(5)}   ${start.join("/").padEnd(23)}${end.join("/")}`,
  );
  const bars = barsOf(measurement).map(
    ({ input, promise, measured, met }) => `${met ? "met   " : "MISSED"}  ${input}: ${promise}: ${measured}`,
  );
  const wrong = charges.filter(({ wrongMs }) => wrongMs > 0);
  return [
    `\ncreatedAt of Calls, Waits and Invokes marks their ${reading}; the engine's own resolution: ${resolution} ms (p99)\n`,
    "input              type              spans   start p50/p99/max      end p50/p99/max (ms)",
    ...table,
    "",
    ...bars,
    ...wrong.map(
      ({ input, program, wrongMs, durationMs }) => `charged to the wrong step: ${input}, ${program}: ${wrongMs} of ${durationMs} ms`,
    ),
    ...worst(measurement),
    ...(resolution > BUSY ? ["This machine was busy: with less to do beside it the engine's own resolution is some 20 ms."] : []),
  ].join("\n");
}

function worst({ judgements, resolution }: Measurement): string[] {
  const errorOf = (judgement: Judgement) => Math.max(startError(judgement), endError(judgement));
  const beyond = judgements.filter((each) => errorOf(each) > resolution + 10).toSorted((a, b) => errorOf(b) - errorOf(a));
  return beyond
    .slice(0, MOST)
    .map(
      ({ program, input, span, truth }) =>
        `far off: ${input}, ${program}, ${span.type} "${span.step}": start ${span.start - truth.start}, end ${span.end - truth.end} ms${span.isStated === false ? ", inferred" : ""}`,
    );
}

/** The README's tables. The message log alone is in the bars only: its numbers are those of the two logs together. */
export function reportMarkdown(measurements: readonly Measurement[]): string {
  const rows = measurements.flatMap(rowsOf);
  const columns = INPUTS.slice(0, 2).flatMap((input) => measurements.map(({ reading }) => ({ input, reading })));
  const types = Map.groupBy(rows, ({ type }) => type);
  const cell = (row: Row | undefined) => (row === undefined ? "" : `${row.start.join("/")} · ${row.end.join("/")}`);
  const errors = [...types].map(([type, own]) => {
    const cells = columns.map(({ input, reading }) => cell(own.find((row) => row.input === input && row.reading === reading)));
    const spans = Math.max(...own.map((row) => row.spans));
    return [type, String(spans), ...cells];
  });
  const bars = measurements.map(barsOf);
  const promises = (bars[0] ?? []).map(({ input, promise }, index) => [
    input,
    withoutNumbers(promise),
    ...bars.map((own) => `${own[index]?.measured}${own[index]?.met === true ? "" : " **(missed)**"}`),
  ]);
  const readings = measurements.map(({ reading }) => reading);
  return [
    table(["span", "number", ...columns.map(({ input, reading }) => `${input}, ${reading}`)], errors),
    table(["from", "bar", ...readings], promises),
    `The engine's own resolution (p99): ${measurements.map(({ reading, resolution }) => `${resolution} ms (${reading})`).join(", ")}.`,
  ].join("\n\n");
}

/** Resolutions differ from reading to reading; they are told below the table. */
function withoutNumbers(promise: string): string {
  return promise
    .replace(/≤ \d+ ms \((\d+) \+ the engine's \d+\)/, "≤ $1 ms + the engine's resolution")
    .replace(/within \d+ ms/, "within twice the message log's limit");
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}
