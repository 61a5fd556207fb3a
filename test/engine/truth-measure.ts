import type { WireEvent, WireRun } from "../../src/fake-upstash/wire.ts";
import type { MessageEvent } from "../../src/model/event.ts";
import { endOf, isTerminal, keyOf, type WorkflowRun } from "../../src/model/run.ts";
import { decodeEventsBody, decodeRunsBody } from "../../src/sources/upstash/decode.ts";
import { ATTRIBUTES } from "../../src/trace/attributes.ts";
import { childEnds } from "../../src/trace/child-ends.ts";
import { type MappingSettings, tracesSchema } from "../../src/trace/config.ts";
import { mapRun } from "../../src/trace/map-run.ts";
import { placeAll } from "../../src/trace/place-all.ts";
import { runsFromEvents } from "../../src/trace/run-from-events.ts";
import type { Span } from "../../src/trace/span.ts";
import type { Program } from "../programs/program.ts";
import type { ProgramRun } from "../programs/run-program.ts";
import { FAILURE_FUNCTION, type TruthRecord } from "../programs/truth-book.ts";
import { type JudgedSpan, type KnownRun, misplaced, trueWindows, type Window, wronglyCharged } from "./truth-windows.ts";

/** What a timeline is made from. */
export const INPUTS = ["grouped log", "message log", "message log alone"] as const;
export type Input = (typeof INPUTS)[number];

export interface Judgement {
  readonly program: string;
  readonly input: Input;
  readonly span: JudgedSpan;
  readonly truth: Window;
}

/** One run, as one input shows it. */
export interface Charge {
  readonly program: string;
  readonly input: Input;
  readonly durationMs: number;
  readonly wrongMs: number;
  /** Steps that are shown where others were. */
  readonly misplaced: number;
  /** Steps that were tried more than once, with the number of attempts that are shown and that were made. */
  readonly attempts: { readonly shown: readonly string[]; readonly made: readonly string[] };
}

export interface Measured {
  readonly judgements: Judgement[];
  readonly charges: Charge[];
}

/** Everything that a program left: both logs as the API shows them, and what user code saw. */
export interface Evidence {
  readonly program: Program;
  readonly done: ProgramRun;
  readonly runs: readonly WireRun[];
  readonly events: readonly WireEvent[];
}

const settings: MappingSettings = { resource: {}, workflows: [], traces: tracesSchema.parse({}) };

/** Compares every span of every run with the truth, for one input. `resolution` in ms: the engine's own in this run. */
export function measure(evidence: Evidence, input: Input, resolution: number): Measured {
  const { program, done } = evidence;
  const measured: Measured = { judgements: [], charges: [] };
  for (const { run, spans } of mapEvidence(evidence, input)) {
    const records = done.truth.filter((record) => record.runId === run.id);
    const known: KnownRun = { runId: run.id, start: run.createdAt, end: run.completedAt ?? 0, records, sleeps: program.sleeps ?? {} };
    const windows = trueWindows(spans, known, done.truth);
    for (const [span, truth] of windows) measured.judgements.push({ program: program.name, input, span, truth });
    const durationMs = known.end - known.start;
    const wrongMs = wronglyCharged(windows, resolution);
    const attempts = { shown: attemptsShown([...windows.keys()]), made: attemptsMade(records) };
    measured.charges.push({ program: program.name, input, durationMs, wrongMs, misplaced: misplaced(windows, resolution), attempts });
  }
  return measured;
}

interface MappedEvidence {
  readonly run: WorkflowRun;
  readonly spans: readonly JudgedSpan[];
}

function mapEvidence({ runs, events }: Evidence, input: Input): MappedEvidence[] {
  const log: readonly MessageEvent[] = decodeEventsBody({ events }).events;
  const decoded = input === "message log alone" ? runsFromEvents(log) : decodeRunsBody({ runs }).runs;
  const ended = decoded.filter(isTerminal);
  const placementOf = placeAll(ended, settings);
  const childEnd = childEnds(ended.map((run) => ({ key: run, endedAt: endOf(run) })));
  return ended.map((run) => {
    const own = input === "grouped log" ? {} : { events: log.filter((event) => keyOf(event) === keyOf(run)) };
    const { spans } = mapRun(run, placementOf(run), settings, { ...own, childEnd });
    return { run, spans: spans.flatMap((span) => judged(span, spans, run.id) ?? []) };
  });
}

/** The spans that say when something happened; an attempt is its step's child. */
function judged(span: Span, all: readonly Span[], runId: string): JudgedSpan | undefined {
  const { role, start, end, attributes } = span;
  const times = { start, end };
  if (role === "failure") return { runId, step: FAILURE_FUNCTION, type: FAILURE_FUNCTION, group: -1, ...times };
  if (role === "delay") return { runId, step: "start delay", type: "start delay", group: -1, ...times };
  const step = role === "part" ? all.find((each) => each.spanId === span.parentSpanId) : span;
  const name = step?.attributes[ATTRIBUTES.STEP_NAME.name];
  if (step === undefined || name === undefined || (role !== "step" && role !== "delivery" && role !== "part")) return undefined;
  const isStated = step.attributes[ATTRIBUTES.TIME_SOURCE.name] === "log";
  const own = { runId, step: String(name), group: Number(step.attributes[ATTRIBUTES.GROUP_INDEX.name]), isStated, ...times };
  const attempt = attributes[ATTRIBUTES.ATTEMPT_NUMBER.name];
  if (role === "part") return attempt === undefined ? undefined : { ...own, type: "attempt", attempt: Number(attempt) };
  const childId = attributes[ATTRIBUTES.INVOKED_ID.name];
  const type = String(step.attributes[ATTRIBUTES.STEP_TYPE.name] || "failed delivery");
  return { ...own, type, ...(childId !== undefined && { childId: String(childId) }) };
}

/** Each as `step: attempts`. */
function attemptsMade(records: readonly TruthRecord[]): string[] {
  const own = records.filter(({ kind, step }) => kind !== "outside" && step !== FAILURE_FUNCTION);
  return counted(own.map(({ step }) => step))
    .filter(([, count]) => count > 1)
    .map(([step, count]) => `${step}: ${count}`);
}

function attemptsShown(spans: readonly JudgedSpan[]): string[] {
  return counted(spans.flatMap(({ step, attempt }) => (attempt === undefined ? [] : [step]))).map(([step, count]) => `${step}: ${count}`);
}

const counted = (names: readonly string[]) =>
  [...Map.groupBy(names, (name) => name)].map(([name, all]): [string, number] => [name, all.length]).toSorted();

/**
 * What lies between user code and the logs when nobody waits: from ACTIVE of the message that is delivered (a parallel
 * step's plan, else the one before it) to a function's first line, and from its last line to the message that it
 * makes. In ms, two for each function that ran well.
 */
export function resolutionOf({ done, events }: Evidence): number[] {
  return done.truth.flatMap((record) => {
    if (record.kind !== "function" || record.failed || record.step === FAILURE_FUNCTION) return [];
    const own = events.filter((event) => event.workflowRunId === record.runId);
    const ofStep = own.filter(({ stepInfo }) => stepInfo?.stepName === record.step);
    const made = ofStep.find(({ state, stepInfo }) => state === "CREATED" && stepInfo?.stepId !== undefined);
    const hasBegun = (event: WireEvent) => event.state === "ACTIVE" && event.time <= record.start;
    const begun = ofStep.findLast((event) => hasBegun(event) && event.stepInfo?.stepId === undefined) ?? own.findLast(hasBegun);
    return made === undefined || begun === undefined ? [] : [made.time - record.end, record.start - begun.time];
  });
}
