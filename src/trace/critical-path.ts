import type { DeliveryError, Millis } from "../model/run.ts";
import { isWork, type StepTime, type Timeline, type Window } from "./timeline.ts";
import type { Part } from "./timeline-execution.ts";

export type PathKind = "run" | "call" | "sleep" | "wait" | "invoke" | "retry" | "unknown";

export interface CriticalPath {
  /** By group: the step that the run's duration depends on; none of a group that did no work. */
  readonly steps: readonly (StepTime | undefined)[];
  /** What the run's duration is made of, in ms; adds up to it exactly. */
  readonly durations: Readonly<Record<PathKind, Millis>>;
}

/** A piece of the path. */
interface Stretch extends Window {
  readonly kind: PathKind;
  readonly parts: readonly Part[];
  readonly errors: readonly DeliveryError[];
}

/** A failed or canceled delivery (it has no type) executes the app's code, as a Run does. */
const KINDS: Readonly<Record<string, PathKind>> = {
  "": "run",
  Run: "run",
  Notify: "run",
  CreateWebhook: "run",
  Call: "call",
  SleepFor: "sleep",
  SleepUntil: "sleep",
  Wait: "wait",
  WaitForWebhook: "wait",
  Invoke: "invoke",
};

/**
 * Groups follow one another, so the path leads through one step of each: the one whose end the next group
 * waited for. What no step of the path explains (start delay, gaps, time in the queue, a sibling that outlived
 * the failed one, types unknown to this version) is `unknown`; of what was retried, all after the first error is `retry`.
 */
export function criticalPath({ start, end, steps, deliveries }: Timeline): CriticalPath {
  const path: (StepTime | undefined)[] = [];
  for (const step of steps) {
    const rival = path[step.group];
    if (isWork(step) && (rival === undefined || outlasts(step, rival))) path[step.group] = step;
  }
  const stretches: Stretch[] = [];
  for (const time of path) {
    if (time === undefined) continue;
    stretches.push({ kind: kindOf(time), start: time.start, end: time.end, parts: time.parts, errors: time.step.errors });
  }
  if (deliveries.length > 0) {
    for (const { group, index, start: from, end: to, parts, errors } of deliveries) {
      if (index === undefined || path[group]?.index === index) stretches.push({ kind: "run", start: from, end: to, parts, errors });
    }
    stretches.sort((a, b) => a.start - b.start); // steps alone are in order
  }
  const durations: Record<PathKind, Millis> = { run: 0, call: 0, sleep: 0, wait: 0, invoke: 0, retry: 0, unknown: end - start };
  let charged = start;
  const charge = (kind: PathKind, until: Millis) => {
    const length = Math.max(0, until - charged);
    durations[kind] += length;
    durations.unknown -= length;
    charged += length;
  };
  for (const stretch of stretches) {
    const first = stretch.parts[0];
    charge("unknown", first?.kind === "queued" ? first.end : stretch.start);
    charge(stretch.kind, firstRetriedError(stretch));
    charge("retry", stretch.end);
  }
  return { steps: path, durations };
}

/** In a failed run nothing waited for the siblings of the step that failed. */
function outlasts(step: StepTime, rival: StepTime): boolean {
  const failed = step.step.state === "STEP_FAILED";
  return failed === (rival.step.state === "STEP_FAILED") ? step.end > rival.end : failed;
}

function kindOf({ step }: StepTime): PathKind {
  return Object.hasOwn(KINDS, step.type) ? (KINDS[step.type] ?? "unknown") : "unknown";
}

/** When the first attempt failed: for what was not retried, its end. */
function firstRetriedError({ errors, start, end }: Stretch): Millis {
  let first = end;
  for (const { time } of errors) if (time !== undefined && time >= start && time < first) first = time;
  return first;
}
