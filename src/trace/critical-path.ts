import type { Millis } from "../model/run.ts";
import { isWork, type StepTime, type Timeline } from "./timeline.ts";

export const PATH_KINDS = ["run", "call", "sleep", "wait", "invoke", "retry", "unknown"] as const;
export type PathKind = (typeof PATH_KINDS)[number];

export interface CriticalPath {
  /** The steps that the run's duration depends on. */
  readonly steps: ReadonlySet<StepTime>;
  /** What the run's duration is made of, in ms; adds up to it exactly. */
  readonly durations: Readonly<Record<PathKind, Millis>>;
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
 * waited for. What no step of the path explains (start delay, gaps, a sibling that outlived the failed one,
 * types unknown to this version) is `unknown`; of a step that was retried, what followed the first error is `retry`.
 */
export function criticalPath({ start, end, steps }: Timeline): CriticalPath {
  const last = new Map<number, StepTime>();
  for (const step of steps.filter(isWork)) {
    const rival = last.get(step.group);
    if (rival === undefined || outlasts(step, rival)) last.set(step.group, step);
  }
  const durations: Record<PathKind, Millis> = { run: 0, call: 0, sleep: 0, wait: 0, invoke: 0, retry: 0, unknown: end - start };
  const charge = (kind: PathKind, length: Millis) => {
    durations[kind] += length;
    durations.unknown -= length;
  };
  for (const step of last.values()) {
    const failedAt = firstRetriedError(step);
    charge(kindOf(step), failedAt - step.start);
    charge("retry", step.end - failedAt);
  }
  return { steps: new Set(last.values()), durations };
}

/** In a failed run nothing waited for the siblings of the step that failed. */
function outlasts(step: StepTime, rival: StepTime): boolean {
  const [failed, rivalFailed] = [step, rival].map((one) => one.step.state === "STEP_FAILED");
  return failed === rivalFailed ? step.end > rival.end : failed === true;
}

function kindOf({ step }: StepTime): PathKind {
  return Object.hasOwn(KINDS, step.type) ? (KINDS[step.type] ?? "unknown") : "unknown";
}

/** When the first attempt failed: for a step that was not retried, its end. */
function firstRetriedError({ step, start, end }: StepTime): Millis {
  const times = step.errors.flatMap((error) => error.time ?? []).filter((time) => time >= start && time <= end);
  return times.reduce((earliest, time) => Math.min(earliest, time), end);
}
