import type { Millis } from "../../src/fake-upstash/wire.ts";
import { FAILURE_FUNCTION, type TruthRecord } from "../programs/truth-book.ts";

export interface Window {
  readonly start: Millis;
  readonly end: Millis;
}

/** A span of a step, of an attempt at it, of a start delay or of a failure function: what is to be judged. */
export interface JudgedSpan extends Window {
  readonly runId: string;
  /** The step's name, or FAILURE_FUNCTION. */
  readonly step: string;
  /** Run, Call, …; "attempt", "start delay" and FAILURE_FUNCTION for what is no step. */
  readonly type: string;
  /** Position of its group; steps of one group are siblings. */
  readonly group: number;
  /** Of an attempt, from 1. */
  readonly attempt?: number;
  /** Of an Invoke: the run it started. */
  readonly childId?: string;
  /** It says that the log states both its times. */
  readonly isStated?: boolean;
}

/** What is known of a run besides its spans, from outside both logs. */
export interface KnownRun extends Window {
  readonly runId: string;
  readonly records: readonly TruthRecord[];
  /** Lengths of sleeps and timeouts by step name, in ms. */
  readonly sleeps: Readonly<Record<string, Millis>>;
}

/**
 * When the steps of one run really happened. What user code saw of itself is the truth; a step of several attempts
 * lasts from its first to its last. What user code cannot see follows from what it saw around it: a sleep, a wait or
 * an invocation began when what came before it was over, and ended with its declared length, with what somebody
 * outside did, with the child's last work, or else when what comes after it began.
 */
export function trueWindows(spans: readonly JudgedSpan[], run: KnownRun, all: readonly TruthRecord[]): Map<JudgedSpan, Window> {
  const windows = new Map<JudgedSpan, Window>();
  const groups = [...Map.groupBy(spans.filter(isStep), (span) => span.group)].toSorted(([a], [b]) => a - b).map(([, members]) => members);
  let fork = run.start;
  for (const [position, members] of groups.entries()) {
    const following = groups[position + 1]?.flatMap((span) => seen(span, run)?.start ?? []) ?? [];
    const next = following.length > 0 ? Math.min(...following) : run.end;
    const own = members.map((span) => [span, seen(span, run) ?? inferred(span, run, all, fork, next)] as const);
    for (const [span, window] of own) windows.set(span, window);
    fork = Math.max(fork, ...own.map(([, window]) => window.end));
  }
  const first = Math.min(...run.records.map((record) => record.start));
  for (const span of spans) {
    const window = span.type === "start delay" ? { start: run.start, end: first } : isStep(span) ? undefined : seen(span, run);
    if (window !== undefined) windows.set(span, window);
  }
  return windows;
}

const isStep = ({ type, attempt }: JudgedSpan) => attempt === undefined && type !== "start delay" && type !== FAILURE_FUNCTION;

/** By the code of the step itself, or by the server that it called. */
function seen({ step, attempt }: JudgedSpan, { records }: KnownRun): Window | undefined {
  const own = records.filter((record) => record.step === step && record.kind !== "outside");
  if (attempt !== undefined) return own.find((record) => record.attempt === attempt);
  const [first] = own;
  return first === undefined ? undefined : { start: first.start, end: Math.max(...own.map((record) => record.end)) };
}

function inferred(span: JudgedSpan, run: KnownRun, all: readonly TruthRecord[], start: Millis, next: Millis): Window {
  const outside = run.records.find((record) => record.step === span.step && record.kind === "outside");
  // An event that was kept ends a wait at once.
  if (outside !== undefined) return { start, end: Math.max(start, outside.end) };
  const length = run.sleeps[span.step];
  if (length !== undefined) return { start, end: start + length };
  const child = all.filter((record) => record.runId === span.childId && record.step !== FAILURE_FUNCTION);
  return { start, end: child.length > 0 ? Math.max(start, ...child.map((record) => record.end)) : next };
}

/**
 * How much of the run is charged to the wrong step, in ms: time in which a step was at work, and none that was then,
 * or within `resolution` of then, is shown so. (A sibling that is shown too long beside the one that was at work takes
 * nothing away from it; it shows in the error of its end.)
 */
export function wronglyCharged(windows: ReadonlyMap<JudgedSpan, Window>, resolution: Millis): Millis {
  const steps = [...windows].filter(([span]) => isStep(span));
  const near = steps.map((pair) => pair.map((window) => widened(window, resolution)));
  const edges = [...steps, ...near].flat().flatMap(({ start, end }) => [start, end]);
  const sorted = [...new Set(edges)].toSorted((a, b) => a - b);
  let wrong = 0;
  for (const [index, start] of sorted.slice(0, -1).entries()) {
    const piece = { start, end: sorted[index + 1] ?? start };
    const isAtWork = steps.some(([, truth]) => contains(truth, piece));
    const isRight = near.some((pair) => pair.every((window) => contains(window, piece)));
    if (isAtWork && !isRight) wrong += piece.end - piece.start;
  }
  return wrong;
}

/** Steps that only wait: what runs meanwhile is elsewhere. */
const WAITS = new Set(["SleepFor", "SleepUntil", "Wait", "WaitForWebhook", "Invoke"]);

/** How many steps are shown as begun before the group before theirs had ended, or as busy for longer than `resolution` while a step of another group waited. */
export function misplaced(windows: ReadonlyMap<JudgedSpan, Window>, resolution: Millis): number {
  const steps = [...windows].filter(([span]) => isStep(span));
  const isTooEarly = (span: JudgedSpan) => steps.some(([other]) => other.group < span.group && other.end > span.start);
  const holdsWait = (span: JudgedSpan) =>
    steps.some(([other, truth]) => {
      const inside = Math.min(span.end, truth.end) - Math.max(span.start, truth.start);
      return other.group !== span.group && WAITS.has(other.type) && inside > resolution;
    });
  return steps.filter(([span]) => isTooEarly(span) || holdsWait(span)).length;
}

const widened = ({ start, end }: Window, by: Millis): Window => ({ start: start - by, end: end + by });

const contains = (outer: Window, inner: Window) => outer.start <= inner.start && outer.end >= inner.end;
