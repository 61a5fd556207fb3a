import { header, type InvokedRun, type Millis, type Step } from "../model/run.ts";
import { httpDate } from "./instant.ts";

/**
 * What the grouped log states of one step's start and end, by the table "What the times mean" (README,
 * "How times are derived"). What it does not state stays open: the timeline fills it from the neighbours.
 */
export interface Statement {
  readonly start?: Millis | undefined;
  readonly end?: Millis | undefined;
  /** Where the start is open: no earlier than that. */
  readonly notBefore?: Millis | undefined;
  /** A canceled run cuts it: its end is a plan, not something that happened. */
  readonly planned?: boolean;
  /** An end that is not the step's own word, though it is better than a neighbour's. */
  readonly inferred?: boolean;
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
  /** createdAt of Waits and Invokes marks their end, as one of the run's shows: a log has one way for all of them. */
  readonly waitsShowEnds: boolean;
  readonly childEnd: ChildEnd;
}

/** When a run that was invoked ended, where that is known. */
export type ChildEnd = (child: InvokedRun) => Millis | undefined;

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
      return invokeTimes(step, surroundings);
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
  if (step.wait?.deadline === undefined || step.wait.duration === undefined) return undefined;
  return step.wait.deadline - step.wait.duration;
}

function sleepTimes(step: Step, { sleeps }: Surroundings): Statement {
  const { createdAt, sleepUntil } = step;
  if (createdAt === undefined) return { end: sleepUntil, planned: true };
  // A zero is omitted, but 1970 is no time to sleep until: what cannot be read is not known.
  if (step.type === "SleepUntil" && sleepUntil === undefined) return { start: createdAt, planned: true };
  // No sleep at all is a length of zero. A sleep that was due before it began ended at once.
  const wake = sleepUntil ?? createdAt + (sleeps.get(step) ?? 0);
  return { start: createdAt, end: Math.max(createdAt, wake), planned: true };
}

/**
 * A Call's createdAt marks its end, unless it is that of the request's message, or the response is later: but for one
 * that is even later than what followed the call, which only shows that its server's clock is ahead. What the request
 * was answered in is known to a `Date` second at best, and if it may have been retried, not even that it was one request.
 */
function callTimes(step: Step, { next }: Surroundings): Statement {
  const { createdAt, callType } = step;
  if (createdAt === undefined || callType === "fromCallback") return { end: createdAt };
  const date = httpDate(header(step.call?.responseHeaders, "date"));
  const answered = date !== undefined && date <= next && date + SECOND > createdAt ? date : undefined;
  const isLater = answered !== undefined && answered - createdAt > SECOND;
  if (isLater) return { start: createdAt, end: answered, inferred: (step.retries ?? 0) > 0 };
  // By then its answer had been delivered, too.
  if (callType !== "toCallback") return { end: createdAt, inferred: true };
  return { start: createdAt, end: answered === undefined ? undefined : Math.min(next, answered + SECOND), inferred: true };
}

function waitTimes(step: Step, surroundings: Surroundings): Statement {
  const start = ownStart(step);
  if (step.wait?.timedOut) return { start, end: step.wait.deadline ?? step.createdAt };
  return { start, end: endReading(step, start, surroundings) };
}

function invokeTimes(step: Step, surroundings: Surroundings): Statement {
  const { invoked } = step;
  const start = invoked?.createdAt;
  const own = endReading(step, start, surroundings);
  const end = own ?? (invoked && surroundings.childEnd(invoked));
  return { start, end, inferred: own === undefined };
}

/** createdAt, where it is the end of a Wait or Invoke. */
function endReading(step: Step, start: Millis | undefined, { boundary, waitsShowEnds }: Surroundings): Millis | undefined {
  return waitsShowEnds || isWellAfter(step, start ?? boundary) ? step.createdAt : undefined;
}

function isWellAfter(step: Step, start: Millis): boolean {
  return step.createdAt !== undefined && step.createdAt - start > (isCoarse(step) ? SECOND : SAME_MOMENT);
}

/** Its deadline is in whole seconds, and so is the start that follows from it. */
function isCoarse({ wait }: Step): boolean {
  return wait?.deadline !== undefined && wait.deadline % SECOND === 0;
}

/** By when a step had begun, whichever of its times createdAt marks. */
export function begunBy(step: Step): Millis | undefined {
  const start = ownStart(step);
  if (start === undefined) return step.createdAt;
  return Math.min(start + (isCoarse(step) ? SECOND : 0), step.createdAt ?? Number.POSITIVE_INFINITY);
}

/** A Wait or Invoke whose createdAt is well after its own start speaks for all of the run: the log has one way of marking them. */
export function showsEndReading(step: Step): boolean {
  const start = ownStart(step);
  return start !== undefined && hasResult(step) && isWellAfter(step, start);
}

export function lastErrorTime(step: Pick<Step, "errors">): Millis | undefined {
  let latest: Millis | undefined;
  for (const { time } of step.errors) if (time !== undefined) latest = Math.max(latest ?? time, time);
  return latest;
}
