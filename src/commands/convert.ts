import { constants, isUtf8 } from "node:buffer";
import { createReadStream } from "node:fs";
import { resolve } from "node:path";
import { eventsByRun } from "../model/event.ts";
import { distinctRuns, endOf, isTerminal, keyOf, type WorkflowRun } from "../model/run.ts";
import { encodeRun, joinChunks } from "../otlp/encode.ts";
import { addMarks, eventLinks, factsOf, marksOf } from "../pipeline/marks.ts";
import { type Input, readInput } from "../sources/upstash/input.ts";
import type { Mark } from "../state/store.ts";
import { childEnds } from "../trace/child-ends.ts";
import type { MappingSettings } from "../trace/config.ts";
import { withEventLinks } from "../trace/event-links.ts";
import { mapRun } from "../trace/map-run.ts";
import { nameRun } from "../trace/naming.ts";
import { placeAll } from "../trace/place-all.ts";
import { broughtUpToDate, runsFromEvents } from "../trace/run-from-events.ts";
import type { MappedRun } from "../trace/span.ts";
import { spanBytes } from "../trace/span-size.ts";
import { waterfall } from "../trace/waterfall.ts";
import { commandConfig, parseCommand } from "./arguments.ts";
import { CommandError, type CommandIo, EXIT } from "./io.ts";
import { mappingSettings, terminal } from "./wire.ts";

const FORMATS = ["otlp-json", "otlp-protobuf", "waterfall"] as const;
type Format = (typeof FORMATS)[number];

/** `wfotel convert`: log API bodies in, one ExportTraceServiceRequest (or a drawing) out. */
export async function convert(argv: readonly string[], io: CommandIo): Promise<number> {
  const { values, positionals } = parseCommand(argv, { format: { type: "string" } }, { min: 0, max: Number.POSITIVE_INFINITY });
  const format = formatOf(values.format);
  const { config, serviceName } = commandConfig(values, io, { source: false, destination: false, secrets: false });
  const inputs: [string, Input][] = [];
  for (const name of positionals.length === 0 ? ["-"] : positionals) inputs.push([name, readInput(await readSource(name, io))]);
  const traces = mapAll(joined(inputs.map(([, input]) => input)), mappingSettings(config, serviceName), io);
  io.stdout.write(render(traces, format, io));
  const read = inputs.map(([name, input]) => report(input, inputs.length === 1 ? "" : `${name}: `, io));
  return read.every(Boolean) ? EXIT.done : EXIT.unreadable;
}

/** As if they were one file; of their own are only the positions. */
function joined(inputs: readonly Input[]): Pick<Input, "runs" | "events"> {
  return { runs: inputs.flatMap(({ runs }) => runs), events: inputs.flatMap(({ events }) => events) };
}

function formatOf(text: string | undefined): Format {
  const format = FORMATS.find((known) => known === (text ?? "otlp-json"));
  if (format === undefined) throw new CommandError(`--format: one of ${FORMATS.join(", ")}`);
  return format;
}

async function readSource(name: string, io: CommandIo): Promise<string> {
  try {
    return textOf(await readAll(name === "-" ? io.stdin : createReadStream(resolve(io.cwd, name))), io);
  } catch (error) {
    if (error instanceof RangeError) throw new CommandError(`${name}: ${error.message}`, EXIT.unreadable);
    const code = error instanceof Error && "code" in error ? String(error.code) : "unreadable";
    throw new CommandError(`${name}: the ${name === "-" ? "standard input" : "file"} cannot be read (${code})`, EXIT.unreadable);
  }
}

/** All of an input becomes one string, and no string is longer; without a limit an input without end would take all memory. */
const MAX_INPUT = constants.MAX_STRING_LENGTH;

/** @throws RangeError for more than `MAX_INPUT` bytes */
async function readAll(stream: AsyncIterable<Uint8Array | string>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of stream) {
    const bytes = Buffer.from(part);
    size += bytes.length;
    if (size > MAX_INPUT) throw new RangeError(`larger than ${Math.floor(MAX_INPUT / 2 ** 20)} MiB; convert it in pieces`);
    parts.push(bytes);
  }
  return Buffer.concat(parts);
}

/** UTF-8, or the UTF-16 that Windows PowerShell redirects into. */
function textOf(bytes: Uint8Array, io: CommandIo): string {
  const [first, second] = bytes;
  if (first === 0xff && second === 0xfe) return new TextDecoder("utf-16le").decode(bytes);
  if (!isUtf8(bytes)) io.stderr.write("warning: the input is not UTF-8 throughout: what is not is shown as \uFFFD\n");
  return new TextDecoder().decode(bytes);
}

/**
 * The runs that have ended and that no rule drops, each once, in the input's order. What their message logs
 * say goes into their timelines; of runs that are nowhere else they say all that is known.
 */
function mapAll(input: Pick<Input, "runs" | "events">, settings: MappingSettings, io: CommandIo): MappedRun[] {
  const note = (run: WorkflowRun, why: string) => void io.stderr.write(`skipped ${JSON.stringify(run.id)}: ${why}\n`);
  const events = eventsByRun(input.events);
  const eventsOf = (run: WorkflowRun) => events.get(keyOf(run)) ?? [];
  const grouped = distinctRuns(input.runs).map((run) => broughtUpToDate(run, eventsOf(run)));
  const kept: WorkflowRun[] = [];
  for (const run of distinctRuns([...grouped, ...runsFromEvents(input.events)])) {
    if (nameRun(run, settings).dropped) note(run, "dropped by a rule");
    else kept.push(run);
  }
  for (const run of kept) if (!isTerminal(run)) note(run, "in progress");
  const ended = kept.filter(isTerminal);
  const mapped = new Map<WorkflowRun, MappedRun>();
  const trees = treeSizes(settings);
  const placementOf = placeAll(kept, settings, trees.isFull); // one in progress will lie where its children look for it
  const childEnd = childEnds(ended.map((run) => ({ key: run, endedAt: endOf(run) })));
  const marks = new Map<string, readonly Mark[]>();
  // As the daemon would see them: a run links to what ended before it.
  for (const run of ended.toSorted((a, b) => endOf(a) - endOf(b))) {
    const placement = placementOf(run);
    const facts = { ...factsOf(run, marks), events: eventsOf(run), childEnd };
    const trace = withEventLinks(mapRun(run, placement, settings, facts), eventLinks(marks, run));
    addMarks(marks, marksOf(run, trace));
    trees.add(placement.traceId, trace);
    mapped.set(run, trace);
  }
  return ended.flatMap((run) => mapped.get(run) ?? []);
}

/** How much of a trace's room is taken: one that is past it takes no further run. */
function treeSizes({ traces }: MappingSettings) {
  const sizes = new Map<string, { spans: number; bytes: number }>();
  return {
    isFull(traceId: string): boolean {
      const { spans, bytes } = sizes.get(traceId) ?? { spans: 0, bytes: 0 };
      return spans >= traces.max_spans_per_trace || bytes >= traces.max_trace_bytes;
    },
    add(traceId: string, { spans }: MappedRun): void {
      const before = sizes.get(traceId) ?? { spans: 0, bytes: 0 };
      const bytes = spans.reduce((sum, span) => sum + spanBytes(span), before.bytes);
      sizes.set(traceId, { spans: before.spans + spans.length, bytes });
    },
  };
}

function render(traces: readonly MappedRun[], format: Format, io: CommandIo): string | Uint8Array {
  if (format === "waterfall") return waterfall(traces, terminal(io.stdout, io.env));
  const encoding = format === "otlp-json" ? "json" : "protobuf";
  const request = joinChunks(
    traces.flatMap((trace) => encodeRun(trace, encoding, Number.POSITIVE_INFINITY).map((chunk) => chunk.bytes)),
    encoding,
  );
  return encoding === "json" ? Buffer.concat([request, Buffer.from("\n")]) : request;
}

/** Names what could not be read, and what of the rest was left out; true if no run, event or step was. @param from the file, where there are several */
function report({ unreadable, incomplete }: Input, from: string, io: CommandIo): boolean {
  const say = (what: string, position: number, id: string | undefined, why: string) =>
    void io.stderr.write(`${from}${what} ${position}${id === undefined ? "" : ` (run ${JSON.stringify(id)})`}: ${why}\n`);
  for (const { position, key, id, reason } of unreadable) say("unreadable entry", position, key?.id ?? id, reason);
  for (const { position, key, lost, fields } of incomplete) {
    for (const reason of lost) say("incomplete entry", position, key.id, `${reason}; left out`);
    for (const field of fields) say("warning: entry", position, key.id, `${field}: a value that says nothing is left out`);
  }
  return unreadable.length === 0 && incomplete.every(({ lost }) => lost.length === 0);
}
