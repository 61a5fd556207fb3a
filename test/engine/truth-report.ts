import { FAILURE_FUNCTION } from "../programs/truth-book.ts";
import { type Charge, INPUTS, type Input, type Judgement } from "./truth-measure.ts";

/** All that was measured under one reading of createdAt. */
export interface Measurement {
  readonly reading: string;
  /** ms, p99 of what lies between a program's own clock readings and the engine's log lines, however they are mapped. */
  readonly resolution: number;
  readonly judgements: readonly Judgement[];
  readonly charges: readonly Charge[];
}

/** Errors of start and end in ms, of one type of span from one input under one reading. */
export interface Row {
  readonly reading: string;
  readonly input: Input;
  readonly type: string;
  readonly spans: number;
  readonly start: Summary;
  readonly end: Summary;
}
type Summary = readonly [p50: number, p99: number, max: number];

/** What the timeline promises, and whether it holds. */
export interface Bar {
  readonly input: Input;
  readonly promise: string;
  readonly measured: string;
  readonly met: boolean;
}

/** ms that the mapping may add to the engine's own resolution. */
const ALLOWED = 10;
const MOST_WRONG_PERCENT = 2;
/** What a response's `Date` says. */
const DATE_RESOLUTION = 1_000;

export function rowsOf({ reading, judgements }: Measurement): Row[] {
  return INPUTS.flatMap((input) => {
    const types = Map.groupBy(
      judgements.filter((each) => each.input === input),
      ({ span }) => span.type,
    );
    return [...types].map(([type, members]): Row => {
      const start = members.map(startError);
      return { reading, input, type, spans: members.length, start: summary(start), end: summary(members.map(endError)) };
    });
  });
}

/** The bars that an input has to meet. */
export function barsOf(measurement: Measurement): Bar[] {
  return INPUTS.flatMap((input) => (input === "grouped log" ? groupedBars(measurement) : messageBars(measurement, input)));
}

function messageBars({ resolution, judgements, charges }: Measurement, input: Input): Bar[] {
  // A failure function has no messages in the log: its end is its response's `Date`, from either input.
  const own = judgements.filter((each) => each.input === input && each.span.type !== FAILURE_FUNCTION);
  const p99 = percentile([...own.map(startError), ...own.map(endError)], 0.99);
  const limit = ALLOWED + resolution;
  const runs = charges.filter((each) => each.input === input);
  const wrong = worstShare(runs);
  const made = runs.flatMap(({ attempts }) => attempts.made);
  const lost = runs.filter(({ attempts }) => attempts.shown.join() !== attempts.made.join());
  return [
    {
      input,
      promise: `p99 of starts and ends ≤ ${limit} ms (${ALLOWED} + the engine's ${resolution})`,
      measured: `${p99} ms`,
      met: p99 <= limit,
    },
    { input, promise: "0 % of a run charged to the wrong step", measured: `${wrong.toFixed(2)} %`, met: wrong === 0 },
    {
      input,
      promise: `every attempt of the ${made.length} steps that had several`,
      measured: `missing in ${lost.length} runs`,
      met: lost.length === 0,
    },
  ];
}

function groupedBars({ resolution, judgements, charges }: Measurement): Bar[] {
  const input = "grouped log";
  const runs = charges.filter((each) => each.input === input);
  const wrong = worstShare(runs);
  const astray = runs.reduce((sum, run) => sum + run.misplaced, 0);
  const stated = judgements.filter((each) => each.input === input && each.span.isStated === true);
  const limit = 2 * (ALLOWED + resolution); // of what no user code sees, each neighbour has the engine's resolution
  const isOff = (each: Judgement) => Math.max(startError(each), endError(each)) > limit + (each.span.type === "Call" ? DATE_RESOLUTION : 0);
  const off = stated.filter(isOff).length;
  return [
    {
      input,
      promise: `≤ ${MOST_WRONG_PERCENT} % of a run charged to the wrong step`,
      measured: `${wrong.toFixed(2)} %`,
      met: wrong <= MOST_WRONG_PERCENT,
    },
    { input, promise: "no step before the previous group's end, or around another's wait", measured: `${astray} steps`, met: astray === 0 },
    {
      input,
      promise: `what is marked log is within ${limit} ms (a Call: and its Date's second)`,
      measured: `${off} of ${stated.length} are not`,
      met: off === 0,
    },
  ];
}

export function startError({ span, truth }: Judgement): number {
  return Math.abs(span.start - truth.start);
}

export function endError({ span, truth }: Judgement): number {
  return Math.abs(span.end - truth.end);
}

function worstShare(charges: readonly Charge[]): number {
  return Math.max(0, ...charges.map(({ wrongMs, durationMs }) => (durationMs === 0 ? 0 : (100 * wrongMs) / durationMs)));
}

function summary(errors: readonly number[]): Summary {
  return [percentile(errors, 0.5), percentile(errors, 0.99), percentile(errors, 1)];
}

export function percentile(numbers: readonly number[], share: number): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0;
}
