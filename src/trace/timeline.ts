import type { Millis, Step, StepGroup, WorkflowRun } from "../model/run.ts";
import { instant, LATEST } from "./instant.ts";
import { type Sleep, sleepLengths } from "./timeline-sleep.ts";
import {
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
}

export interface Window {
  readonly start: Millis;
  readonly end: Millis;
}

export interface StepTime extends Window {
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
}

/** A run is created this much before its first delivery, at most, unless it was held back. */
const HELD_BACK = 100;

/** What all groups of a run are read by. */
interface Reading {
  readonly run: WorkflowRun;
  readonly start: Millis;
  /** The run's end as the log has it, or the latest time in the log. */
  readonly end: Millis;
  /** By group: the earliest time in it or a later one, else the run's end. */
  readonly earliest: readonly Millis[];
  readonly sleeps: ReadonlyMap<Step, Millis>;
  readonly endTypes: ReadonlySet<string>;
}

/** Has a span of its own: not Initial, and nothing carried over. */
export function isWork({ role }: StepTime): boolean {
  return role === "step" || role === "delivery";
}

/** Pure; never throws. Every window has end ≥ start, lies in the run, and no step starts before the previous group ended. */
export function timeline(run: WorkflowRun): Timeline {
  const start = instant(run.createdAt);
  const completed = run.completedAt === undefined ? undefined : instant(run.completedAt);
  const stated = Math.max(start, completed ?? latestTime(run));
  const earliest = earliestTimes(run, start, stated);
  const sleeps = readSleeps(run, start, earliest);
  const reading: Reading = { run, start, end: stated, earliest, sleeps, endTypes: typesThatMarkEnds(run) };
  const first = firstDelivery(reading);
  const steps: StepTime[] = [];
  let boundary = first.time;
  for (const [position, group] of run.groups.entries()) {
    const fork = boundary;
    for (const time of timeGroup(reading, group, position, fork)) {
      steps.push(time);
      boundary = Math.max(boundary, time.end);
    }
  }
  const end = Math.max(stated, boundary);
  return { start, end, adjusted: end !== completed, ...(first.heldBack && { delay: { start, end: first.time } }), steps };
}

function timeGroup(reading: Reading, group: StepGroup, position: number, boundary: Millis): StepTime[] {
  const size = group.steps.length;
  const surroundings: Surroundings = {
    boundary,
    next: reading.earliest[position + 1] ?? reading.end,
    parallel: isParallel(group),
    sleeps: reading.sleeps,
    endTypes: reading.endTypes,
  };
  return group.steps.map((step, index) => {
    const role = roleOf(step, group, reading.start);
    const at = { step, group: position, index, size, role };
    if (role === "step") return withSleep({ ...at, ...settle(statementOf(step, surroundings), surroundings, reading) }, reading);
    if (role === "delivery") return { ...at, ...settle(deliveryTimes(step), surroundings, reading) };
    const time = Math.min(Math.max(instant(step.createdAt ?? reading.start), reading.start), boundary);
    return { ...at, start: time, end: time, source: "log", adjusted: false };
  });
}

/** Fills what the log leaves open and takes out its contradictions, without making a step shorter. */
function settle(statement: Statement, { boundary, next }: Surroundings, { run, end: runEnd }: Reading) {
  const stated = { start: mapped(statement.start), end: mapped(statement.end) };
  const start = Math.max(boundary, stated.start ?? boundary);
  const cut = statement.planned === true && run.state === "RUN_CANCELED" ? runEnd : LATEST;
  const wanted = Math.min(stated.end ?? next, cut);
  const end = Math.max(start, wanted);
  const source: StepTime["source"] = stated.start === undefined || stated.end === undefined ? "inferred" : "log";
  const moved = start !== (stated.start ?? start) || (stated.end !== undefined && end !== wanted);
  return { start, end, source, adjusted: moved };
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

function isParallel(group: StepGroup): boolean {
  return group.type === "parallel" || group.steps.length > 1;
}

/** Initial's createdAt or, if it was held back, its nextDeliveryTime: before that there was no work. */
function firstDelivery({ run, start, end, earliest }: Reading): { time: Millis; heldBack: boolean } {
  const position = run.groups.findIndex((group) => group.steps.some((step) => step.type === "Initial"));
  const initial = run.groups[position]?.steps.find((step) => step.type === "Initial");
  const created = Math.min(Math.max(start, instant(initial?.createdAt ?? start)), end);
  const held = Math.min(instant(initial?.nextDeliveryTime ?? 0), end);
  // A step that was made before it shows that it is the time of a later delivery.
  const time = held > created && held <= (earliest[position + 1] ?? end) ? held : created;
  return { time, heldBack: time - start > HELD_BACK };
}

/** A `next` group has no times but its errors'. Steps of the resumed run are no boundary. */
function earliestTimes(run: WorkflowRun, start: Millis, end: Millis): Millis[] {
  const earliest = new Array<Millis>(run.groups.length + 1).fill(end);
  for (const [position, group] of [...run.groups.entries()].reverse()) {
    const times = group.steps.flatMap((step) => step.createdAt ?? step.errors.flatMap((error) => error.time ?? []));
    const own = times.map(instant).filter((time) => time >= start);
    earliest[position] = own.length > 0 ? own.reduce((a, b) => Math.min(a, b)) : (earliest[position + 1] ?? end);
  }
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
    const [step] = group.steps;
    if (isParallel(group) || step?.sleepFor === undefined || step.createdAt === undefined || isCarried(step, start)) continue;
    const room = (earliest[position + 1] ?? 0) - step.createdAt;
    const cut = run.state === "RUN_CANCELED" && position === run.groups.length - 1;
    found.push({ step, sleep: { length: step.sleepFor, room, cut } });
  }
  const lengths = sleepLengths(found.map(({ sleep }) => sleep));
  return new Map(found.map(({ step }, index) => [step, lengths[index] ?? 0]));
}

/** A parallel sleep ended at its createdAt: its length is what its window had room for. */
function withSleep(time: StepTime, { sleeps }: Reading): StepTime {
  const length = time.step.sleepFor;
  if (length === undefined) return time;
  const [sleep = 0] = sleepLengths([{ length, room: time.end - time.start, cut: !hasResult(time.step) }]);
  return { ...time, sleep: sleeps.get(time.step) ?? sleep };
}

function typesThatMarkEnds(run: WorkflowRun): ReadonlySet<string> {
  return new Set(run.groups.flatMap((group) => group.steps.filter(showsEndReading).map((step) => step.type)));
}

function mapped(time: Millis | undefined): Millis | undefined {
  return time === undefined ? undefined : instant(time);
}
