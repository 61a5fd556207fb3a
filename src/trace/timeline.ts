import type { MessageEvent } from "../model/event.ts";
import { initialStep, type Millis, type Step, type StepGroup, type WorkflowRun } from "../model/run.ts";
import { instant, LATEST } from "./instant.ts";
import { isParallel } from "./message-plans.ts";
import type { Exact } from "./timeline-exact.ts";
import type { Part } from "./timeline-execution.ts";
import { type Delivery, type ExactLog, readLog } from "./timeline-log.ts";
import { type Sleep, sleepLengths } from "./timeline-sleep.ts";
import {
  begunBy,
  type ChildEnd,
  deliveryTimes,
  hasResult,
  lastErrorTime,
  type Statement,
  type Surroundings,
  showsEndReading,
  statementOf,
} from "./timeline-statement.ts";

/** Start and end of a run and of everything in it: `timeline` is the one place that derives them. */
export interface Timeline {
  readonly start: Millis;
  readonly end: Millis;
  /** The log's own end is missing or earlier than something that happened. */
  readonly adjusted: boolean;
  /** From the run's creation to its first delivery, where the log shows that it was held back. */
  readonly delay?: Window;
  /** Every entry of the log, in its order. */
  readonly steps: readonly StepTime[];
  /** Deliveries that took attempts or waited, and are no step's time (message log). */
  readonly deliveries: readonly Delivery[];
}

export interface Window {
  readonly start: Millis;
  readonly end: Millis;
}

export interface StepTime extends Window {
  /** With the errors of the message log where that has more. */
  readonly step: Step;
  /** Position in the run, from 0, and in its group; `size` is the group's. */
  readonly group: number;
  readonly index: number;
  readonly size: number;
  /** `initial` and `carried` (from the run that this one resumes) are points, not work. */
  readonly role: "initial" | "carried" | "step" | "delivery";
  /** `log`: the log states the step's own start and end; `inferred`: one is a neighbour's. */
  readonly source: "log" | "inferred";
  /** A time had to move: the log contradicts itself here. */
  readonly adjusted: boolean;
  /** How long a SleepFor was to sleep. */
  readonly sleep?: Millis;
  /** How often it was executed, where the message log tells. */
  readonly attempts?: number;
  /** Tile it exactly, if it was executed more than once or waited long for that (message log). */
  readonly parts: readonly Part[];
}

/** A run is created this much before its first delivery, at most, unless it was held back. */
const HELD_BACK = 100;

const NONE: readonly never[] = [];

const NO_SLEEPS: ReadonlyMap<Step, Millis> = new Map();

/** Nothing is known of other runs. */
const NO_CHILDREN: ChildEnd = () => undefined;

/** What all groups of a run are read by. */
interface Reading {
  readonly run: WorkflowRun;
  readonly start: Millis;
  /** The run's end as the log has it, or the latest time in the log. */
  readonly end: Millis;
  /** By group: the earliest time in it or a later one, else the run's end. */
  readonly earliest: readonly Millis[];
  readonly sleeps: ReadonlyMap<Step, Millis>;
  readonly waitsShowEnds: boolean;
  readonly childEnd: ChildEnd;
  readonly log: ExactLog | undefined;
}

/** Has a span of its own: not Initial, and nothing carried over. */
export function isWork({ role }: StepTime): boolean {
  return role === "step" || role === "delivery";
}

/**
 * Pure; never throws. Every window has end ≥ start, lies in the run, and no step starts before the previous group ended.
 * @param events the run's message log, whatever is there of it: its times go before those of the grouped log, step by step.
 * @param minQueue ms that a message may be in the queue before that counts as part of its step.
 * @param childEnd when the runs that this one invoked ended, as far as that is known.
 */
export function timeline(
  run: WorkflowRun,
  events: readonly MessageEvent[] = [],
  minQueue: Millis = 1_000,
  childEnd: ChildEnd = NO_CHILDREN,
): Timeline {
  const log = readLog(run, events, minQueue);
  const start = instant(run.createdAt);
  const ended = log?.end ?? run.completedAt;
  const completed = ended === undefined ? undefined : instant(ended);
  const stated = Math.max(start, completed ?? latestTime(run));
  const earliest = earliestTimes(run, start, stated);
  const sleeps = readSleeps(run, start, earliest);
  const waitsShowEnds = run.groups.some((group) => group.steps.some(showsEndReading));
  const reading: Reading = { run, start, end: stated, earliest, sleeps, waitsShowEnds, childEnd: until(stated, childEnd), log };
  const first = firstDelivery(reading);
  const steps: StepTime[] = [];
  let boundary = first.time;
  for (const [position, group] of run.groups.entries()) {
    for (const time of timeGroup(reading, group, position, boundary)) {
      steps.push(time);
      boundary = Math.max(boundary, time.end);
    }
  }
  const end = Math.max(stated, boundary);
  const deliveries = (log?.deliveries ?? []).filter((delivery) => delivery.start >= first.time && delivery.end <= end);
  const delay = first.heldBack ? { start, end: first.time } : undefined;
  return { start, end, adjusted: end !== completed, delay, steps, deliveries };
}

function timeGroup(reading: Reading, group: StepGroup, position: number, boundary: Millis): StepTime[] {
  const size = group.steps.length;
  const surroundings: Surroundings = {
    boundary,
    next: nextTime(reading, position + 1),
    parallel: isParallel(group),
    sleeps: reading.sleeps,
    waitsShowEnds: reading.waitsShowEnds,
    childEnd: reading.childEnd,
  };
  return group.steps.map((step, index) => {
    const role = roleOf(step, group, reading.start);
    const isPoint = role === "initial" || role === "carried";
    const exact = isPoint ? undefined : reading.log?.steps[position]?.[index];
    const window = isPoint ? pointOf(step, reading, boundary) : settle(stated(step, role, exact, surroundings), surroundings, reading);
    const { start, end, source, adjusted } = window;
    const sleep = role === "step" ? sleepOf(step, window, reading, exact?.asked) : undefined;
    const time = { step, group: position, index, size, role, start, end, source, adjusted, sleep, attempts: undefined, parts: NONE };
    return exact === undefined ? time : refinedStep(time, exact);
  });
}

/** The earliest time in that group or a later one: what the message log states goes first. */
function nextTime({ earliest, end, log }: Reading, position: number): Millis {
  let next = earliest[position] ?? end;
  for (const { start } of log?.steps[position] ?? NONE) if (start !== undefined) next = Math.min(next, instant(start));
  return next;
}

type Settled = Pick<StepTime, "start" | "end" | "source" | "adjusted">;

function pointOf(step: Step, { start }: Reading, boundary: Millis): Settled {
  const time = Math.min(Math.max(instant(step.createdAt ?? start), start), boundary);
  return { start: time, end: time, source: "log", adjusted: false };
}

/** The message log's times go first. */
function stated(step: Step, role: StepTime["role"], exact: Exact | undefined, surroundings: Surroundings): Statement {
  const own = role === "step" ? statementOf(step, surroundings) : deliveryTimes(step);
  if (exact === undefined) return own;
  const { start = own.start, end, notBefore } = exact;
  return end === undefined ? { ...own, start, notBefore } : { start, end, notBefore };
}

function refinedStep(time: StepTime, { attempts = 0, errors, parts, start, end }: Exact): StepTime {
  const { step } = time;
  return {
    ...time,
    step: errors.length > step.errors.length ? { ...step, errors } : step,
    attempts: attempts > 0 ? attempts : undefined,
    parts: time.start === start && time.end === end ? parts : NONE,
  };
}

/** Fills what the log leaves open and takes out its contradictions, without making a step shorter. */
function settle(statement: Statement, { boundary, next }: Surroundings, { run, end: runEnd }: Reading): Settled {
  const statedStart = mapped(statement.start);
  const statedEnd = mapped(statement.end);
  const cut = statement.planned === true && run.state === "RUN_CANCELED" ? runEnd : LATEST;
  const wanted = Math.min(statedEnd ?? next, cut);
  const start = Math.max(boundary, statedStart ?? Math.min(mapped(statement.notBefore) ?? boundary, wanted));
  const end = Math.max(start, wanted);
  const isStated = statedStart !== undefined && statedEnd !== undefined && statement.inferred !== true;
  const moved = start !== (statedStart ?? start) || (statedEnd !== undefined && end !== wanted);
  return { start, end, source: isStated ? "log" : "inferred", adjusted: moved };
}

function roleOf(step: Step, group: StepGroup, runStart: Millis): StepTime["role"] {
  if (step.type === "Initial") return "initial";
  if (group.type === "next") return "delivery";
  return isCarried(step, runStart) ? "carried" : "step";
}

/** A step older than its run comes from the run that this one resumes. */
function isCarried(step: Step, runStart: Millis): boolean {
  return step.createdAt !== undefined && step.createdAt < runStart;
}

/**
 * Initial's createdAt or, if it was held back (delay, not-before, flow control), its first delivery: before that
 * there was no work. The grouped log says until when it was to be held back.
 */
function firstDelivery({ run, start, end, earliest, log }: Reading): { time: Millis; heldBack: boolean } {
  const initial = initialStep(run);
  const position = initial === undefined ? -1 : run.groups.findIndex(({ steps }) => steps.includes(initial));
  const created = Math.min(Math.max(start, instant(initial?.createdAt ?? start)), end);
  const held = Math.min(instant(log?.firstDelivery ?? initial?.nextDeliveryTime ?? 0), end);
  // A step that was made before it shows that it is the time of a later delivery.
  const time = held > created && held <= (earliest[position + 1] ?? end) ? held : created;
  return { time, heldBack: time - start > HELD_BACK };
}

/** By when each group had begun, and the run's end behind the last. A `next` group has no times but its errors'. Steps of the resumed run are no boundary. */
function earliestTimes(run: WorkflowRun, start: Millis, end: Millis): Millis[] {
  const earliest = [end];
  let later = end;
  for (const { steps } of run.groups.toReversed()) {
    let own = Number.POSITIVE_INFINITY;
    for (const step of steps) {
      const begun = begunBy(step);
      if (begun === undefined) own = Math.min(own, earliestError(step, start));
      else if (!isCarried(step, start)) own = Math.min(own, Math.max(start, instant(begun)));
    }
    if (own < Number.POSITIVE_INFINITY) later = own;
    earliest.push(later);
  }
  return earliest.reverse();
}

function earliestError({ errors }: Step, start: Millis): Millis {
  let earliest = Number.POSITIVE_INFINITY;
  for (const { time } of errors) if (time !== undefined && instant(time) >= start) earliest = Math.min(earliest, instant(time));
  return earliest;
}

/** The latest step or error time: the end of a run that does not state one. */
function latestTime(run: WorkflowRun): Millis {
  const times = run.groups.flatMap((group) => group.steps.flatMap((step) => [step.createdAt ?? 0, lastErrorTime(step) ?? 0]));
  return times.map(instant).reduce((latest, time) => Math.max(latest, time), 0);
}

function readSleeps(run: WorkflowRun, start: Millis, earliest: readonly Millis[]): ReadonlyMap<Step, Millis> {
  const found: { readonly step: Step; readonly sleep: Sleep }[] = [];
  for (const [position, group] of run.groups.entries()) {
    const step = group.steps[0];
    if (step?.sleepFor === undefined || step.createdAt === undefined || isParallel(group) || isCarried(step, start)) continue;
    const room = (earliest[position + 1] ?? 0) - step.createdAt;
    const cut = run.state === "RUN_CANCELED" && position === run.groups.length - 1;
    found.push({ step, sleep: { length: step.sleepFor, room, cut } });
  }
  if (found.length === 0) return NO_SLEEPS;
  const lengths = sleepLengths(found.map(({ sleep }) => sleep));
  return new Map(found.map(({ step }, index) => [step, lengths[index] ?? 0]));
}

/** A parallel sleep ended at its createdAt: its length is what its window had room for. The message log has what the engine was asked for. */
function sleepOf(step: Step, { start, end }: Settled, { sleeps }: Reading, asked: Millis | undefined): Millis | undefined {
  const length = step.sleepFor;
  if (length === undefined) return undefined;
  const isAsked = asked !== undefined && asked > 0;
  const room = isAsked ? asked : end - start;
  const [sleep = 0] = sleepLengths([{ length, room, cut: !isAsked && !hasResult(step) }]);
  return isAsked ? sleep : (sleeps.get(step) ?? sleep);
}

/** A child that outlived its invoker ended nothing in it. */
function until(latest: Millis, childEnd: ChildEnd): ChildEnd {
  return (child) => {
    const end = mapped(childEnd(child));
    return end !== undefined && end <= latest ? end : undefined;
  };
}

function mapped(time: Millis | undefined): Millis | undefined {
  return time === undefined ? undefined : instant(time);
}
