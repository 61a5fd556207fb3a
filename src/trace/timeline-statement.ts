import { header, type Millis, type Step } from "../model/run.ts";
import { httpDate } from "./instant.ts";

/**
 * What the grouped log states of one step's start and end, by the table "What the times mean" (README,
 * "How times are derived"). What it does not state stays open: the timeline fills it from the neighbours.
 */
export interface Statement {
  readonly start?: Millis | undefined;
  readonly end?: Millis | undefined;
  /** A canceled run cuts it: its end is a plan, not something that happened. */
  readonly planned?: boolean;
}

/** The neighbourhood a statement is read in. */
export interface Surroundings {
  /** The end of the previous group: the fork of parallel siblings. */
  readonly boundary: Millis;
  /** The next group's earliest time, else the run's end. */
  readonly next: Millis;
  readonly parallel: boolean;
  /** How long the run's SleepFor steps slept, in ms. */
  readonly sleeps: ReadonlyMap<Step, number>;
  /** Types whose createdAt marks the end, as another step of the run shows. */
  readonly endTypes: ReadonlySet<string>;
}

const WITHOUT_RESULT = new Set(["STEP_FAILED", "STEP_CANCELED", "STEP_PROGRESS", "STEP_RETRY"]);
/** `Date` headers are this coarse, and deadlines in whole seconds. */
const SECOND = 1_000;
/** How much later than its start a step's createdAt may be and still mark it: the engine's own work for one request. */
const SAME_MOMENT = 50;

/** Judged by the state alone: a missing `out` may just have been trimmed. */
export function hasResult(step: Step): boolean {
  return !WITHOUT_RESULT.has(step.state);
}

/** The step's own times; it takes what follows from `surroundings` only to tell the readings apart. */
export function statementOf(step: Step, surroundings: Surroundings): Statement {
  if (!hasResult(step)) return unfinished(step);
  switch (step.type) {
    case "SleepFor":
    case "SleepUntil":
      return surroundings.parallel ? { end: step.createdAt } : sleepTimes(step, surroundings);
    case "Call":
      return callTimes(step, surroundings);
    case "Wait":
    case "WaitForWebhook":
      return waitTimes(step, surroundings);
    case "Invoke":
      return { start: step.invoked?.createdAt, end: endReading(step, step.invoked?.createdAt, surroundings) };
    default:
      return { end: step.createdAt };
  }
}

/** Failed, canceled or in progress: its createdAt is its plan's, and it ends with its last error or with what follows. */
function unfinished(step: Step): Statement {
  const start = ownStart(step);
  return step.state === "STEP_FAILED" ? { start, end: lastErrorTime(step) } : { start };
}

/** An entry of a `next` group: from the previous boundary to the error that ended it, else to the run's end. */
export function deliveryTimes(step: Step): Statement {
  return step.state === "STEP_FAILED" || step.state === "" ? { end: lastErrorTime(step) } : {};
}

/** Of a Wait or an Invoke; the others do not say when they began. */
function ownStart(step: Step): Millis | undefined {
  if (step.type === "Invoke") return step.invoked?.createdAt;
  const { deadline, duration } = step.wait ?? {};
  return deadline === undefined || duration === undefined ? undefined : deadline - duration;
}

function sleepTimes(step: Step, { sleeps }: Surroundings): Statement {
  const { createdAt, sleepUntil } = step;
  if (createdAt === undefined) return { end: sleepUntil, planned: true };
  // An omitted field is a zero: no sleep at all. One that was due before it began ended at once.
  const wake = sleepUntil ?? createdAt + (sleeps.get(step) ?? 0);
  return { start: createdAt, end: Math.max(createdAt, wake), planned: true };
}

/**
 * A response later than createdAt shows that createdAt marks the call's start; one that is even later than
 * what followed the call only shows that its server's clock is ahead.
 */
function callTimes(step: Step, { next }: Surroundings): Statement {
  const { createdAt } = step;
  const answered = httpDate(header(step.call?.responseHeaders, "date"));
  const isStart = createdAt !== undefined && answered !== undefined && answered - createdAt > SECOND && answered <= next;
  return isStart ? { start: createdAt, end: answered } : { end: createdAt };
}

function waitTimes(step: Step, surroundings: Surroundings): Statement {
  const start = ownStart(step);
  if (step.wait?.timedOut) return { start, end: step.wait.deadline ?? step.createdAt };
  return { start, end: endReading(step, start, surroundings) };
}

/** createdAt, where it is the end of a Wait or Invoke. */
function endReading(step: Step, start: Millis | undefined, { boundary, endTypes }: Surroundings): Millis | undefined {
  return isWellAfter(step, start ?? boundary) || endTypes.has(step.type) ? step.createdAt : undefined;
}

function isWellAfter({ createdAt, wait }: Step, start: Millis): boolean {
  const coarse = wait?.deadline !== undefined && wait.deadline % SECOND === 0;
  return createdAt !== undefined && createdAt - start > (coarse ? SECOND : SAME_MOMENT);
}

/** A Wait or Invoke whose createdAt is well after its own start speaks for its whole type: the log has one way of marking it. */
export function showsEndReading(step: Step): boolean {
  const start = ownStart(step);
  return hasResult(step) && start !== undefined && isWellAfter(step, start);
}

export function lastErrorTime(step: Pick<Step, "errors">): Millis | undefined {
  const times = step.errors.flatMap((error) => error.time ?? []);
  return times.length === 0 ? undefined : times.reduce((latest, time) => Math.max(latest, time));
}
