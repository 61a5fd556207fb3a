import type { Millis, WireEvent, WireGroup, WireInvoker, WireRun, WireStep } from "../../../src/fake-upstash/wire.ts";
import type { Program } from "./program.ts";
import type { Random } from "./random.ts";

/** What really happened in a step, for tests that compare a timeline with it. */
export interface Truth {
  readonly name: string;
  readonly start: Millis;
  /** Of the last attempt. */
  readonly lastAttempt: Millis;
  readonly end: Millis;
}

/** One run that has happened: both logs, and the truth. */
export interface PlayedRun {
  /** The grouped log as it stood, each from its `since` on; the last is the run's final form. */
  readonly versions: readonly { readonly since: Millis; readonly run: WireRun }[];
  /** In the order of time. */
  readonly events: readonly WireEvent[];
  readonly truth: readonly Truth[];
}

/** A run that is being played. Its two logs grow together, so they cannot disagree. */
export interface Recording {
  readonly random: Random;
  readonly program: Program;
  readonly identity: Pick<WireEvent, "workflowRunId" | "workflowUrl" | "workflowCreatedAt">;
  readonly invoker: WireInvoker | undefined;
  /** Lets an invoked program happen. */
  readonly playChild: PlayChild;
  /** The runs that were invoked by this one, and theirs. */
  readonly children: PlayedRun[];
  readonly groups: WireGroup[];
  readonly versions: { since: Millis; run: WireRun }[];
  readonly events: WireEvent[];
  readonly truth: Truth[];
}

/** The child first, then its own children. */
export type PlayChild = (program: Program, start: Millis, invoker: WireInvoker) => readonly [PlayedRun, ...PlayedRun[]];

/** Adds a line to the message log. */
export function emit(recording: Recording, time: Millis, state: string, stepInfo?: WireStep, more: Partial<WireEvent> = {}): void {
  recording.events.push({ time, state, ...recording.identity, ...(stepInfo === undefined ? {} : { stepInfo }), ...more });
}

/** What the grouped log shows from `since` on: the groups so far, those that are pending, and whatever else is known. */
export function snapshot(recording: Recording, since: Millis, pending: readonly WireGroup[], more: Partial<WireRun> = {}): void {
  const { identity, program, invoker, groups } = recording;
  const { labels, flowControlKey, callerIp } = program;
  const run: WireRun = {
    workflowRunId: identity.workflowRunId,
    workflowUrl: identity.workflowUrl,
    workflowState: "RUN_STARTED",
    workflowRunCreatedAt: identity.workflowCreatedAt,
    ...(labels?.[0] === undefined ? {} : { label: labels[0], labels }),
    ...(flowControlKey === undefined ? {} : { flowControlKey }),
    ...(callerIp === undefined ? {} : { workflowRunCallerIp: callerIp }),
    ...(invoker === undefined ? {} : { invoker }),
    ...more,
    steps: [...groups, ...pending],
  };
  recording.versions.push({ since, run });
}

/**
 * Ends the run at `end`: what was still to happen then never happens, and what was pending gets `state`
 * (a canceled run; a failed one with siblings at work). Returns the groups as they stood.
 */
export function cut(recording: Recording, end: Millis, state: string): WireGroup[] {
  const { versions, events, truth } = recording;
  versions.splice(0, versions.length, ...versions.filter((version) => version.since <= end));
  events.splice(0, events.length, ...events.filter((event) => event.time <= end));
  truth.splice(0, truth.length, ...truth.filter((each) => each.start <= end).map((each) => ({ ...each, end: Math.min(each.end, end) })));
  const settle = (step: WireStep) => (step.state === "STEP_PROGRESS" || step.state === "STEP_RETRY" ? { ...step, state } : step);
  const groups = versions.at(-1)?.run.steps ?? [];
  return groups.map((group) => ({ ...group, steps: group.steps.map(settle) }));
}

/** Messages that were made and neither delivered nor given up. */
export function pendingMessages(recording: Recording): WireStep[] {
  const pending = new Map<string | undefined, WireStep>();
  for (const { state, stepInfo } of recording.events.toSorted((a, b) => a.time - b.time)) {
    if (state === "CREATED" && stepInfo !== undefined) pending.set(stepInfo.messageId, stepInfo);
    if (state === "DELIVERED" || state === "FAILED") pending.delete(stepInfo?.messageId);
  }
  return [...pending.values()];
}

/** Configured retries; the default where the trigger does not say. */
export const retriesOf = ({ program }: Recording): number => program.retries ?? 3;
