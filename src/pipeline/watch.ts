import { endOf, isSettled, isTerminal, type Millis, type Step, type WorkflowRun } from "../model/run.ts";
import type { Watch } from "../state/store.ts";

/** When a run is asked for again. Pure: the rules of delivery.md, "Open set". */

/** How often open runs are asked for while a trusted feed names what ended: only as a safety net. */
const FEED_OPEN_INTERVAL_MS = 3_600_000;
/** A failed run without a failure function is looked at twice more: the log may show one late. */
const FAILURE_CHECKS_MS = [30_000, 300_000] as const;
/** An id that no answer shows: how often, and over how long, until it counts as gone. */
const GONE_AFTER_ANSWERS = 3;
const GONE_AFTER_MS = 600_000;
const ROOM_FALLBACK_MS = 7 * 86_400_000;

export interface WatchRules {
  /** First interval, in ms; doubles with every poll. */
  readonly interval: number;
  readonly maxInterval: number;
  /** A trusted feed will say when the run ends. */
  readonly feed: boolean;
  /** Other runs of a tree are not read for so long: no verdict before, in ms. */
  readonly verdictAfter?: number | undefined;
}

/** Doubles with every poll, from `interval` to `maxInterval`, in ms. */
function pollInterval(polls: number, { interval, maxInterval }: WatchRules): number {
  return Math.min(maxInterval, interval * 2 ** Math.min(polls, 20));
}

/** How often it was asked for; a listing that shows it before it is due is no poll. */
function pollsSince(previous: Watch | undefined, reason: Watch["reason"], now: Millis): number {
  if (previous?.reason !== reason) return 0;
  return previous.polls + (now >= previous.dueAt ? 1 : 0);
}

/** The next look at a run that has not ended. */
export function watchOpen(run: WorkflowRun, previous: Watch | undefined, now: Millis, rules: WatchRules): Watch {
  const polls = pollsSince(previous, "open", now);
  if (rules.feed) return { reason: "open", polls, dueAt: now + Math.max(FEED_OPEN_INTERVAL_MS, rules.maxInterval) };
  const latest = now + rules.maxInterval;
  const soonest = now + pollInterval(polls, rules);
  return { reason: "open", polls, dueAt: Math.min(latest, Math.max(soonest, wakeUp(run) ?? soonest)) };
}

/** The next look at an ended run whose failure function may still change; undefined when it is settled. */
export function watchFailure(run: WorkflowRun, previous: Watch | undefined, now: Millis, rules: WatchRules): Watch | undefined {
  if (run.state !== "RUN_FAILED") return undefined;
  const polls = pollsSince(previous, "failure", now);
  if (run.failureFunction === undefined) {
    const wait = FAILURE_CHECKS_MS[polls];
    return wait === undefined ? undefined : { reason: "failure", polls, dueAt: now + wait };
  }
  if (isSettled(run.failureFunction)) return undefined;
  return { reason: "failure", polls, dueAt: now + pollInterval(polls, rules) };
}

/** The next look at a run that has to wait for its ancestor, for a verdict, or for the log to show the end that the feed named. */
export function watchWaiting(reason: "ancestor" | "verdict" | "ended", previous: Watch | undefined, now: Millis, rules: WatchRules): Watch {
  const polls = pollsSince(previous, reason, now);
  const atLeast = reason === "verdict" ? (rules.verdictAfter ?? 0) : 0;
  return { reason, polls, dueAt: now + Math.max(atLeast, pollInterval(polls, rules)) };
}

/** A run without room on the disk is called back when there is some; the time is for the case that nobody does. */
export function watchForRoom(now: Millis): Watch {
  return { reason: "room", polls: 0, dueAt: now + ROOM_FALLBACK_MS };
}

/** The same again, later: there was nothing to be had. */
export function watchAgain(previous: Watch, now: Millis, rules: WatchRules): Watch {
  return { ...previous, polls: previous.polls + 1, dueAt: now + pollInterval(previous.polls, rules) };
}

/**
 * A 200 answer did not show it: the next look, or `gone`. What a run that waits for its ancestor has counted
 * is the ancestor's absence: its own is counted from here.
 */
export function watchAbsent(previous: Watch, now: Millis, rules: WatchRules): Watch | "gone" {
  const ancestor = previous.reason === "ancestor";
  const absent = countAbsence(ancestor ? undefined : previous.absent, now);
  if (isGone(absent, now)) return "gone";
  const interval = Math.min(rules.maxInterval, Math.max(rules.interval, GONE_AFTER_MS / GONE_AFTER_ANSWERS));
  return { ...previous, reason: ancestor ? "refetch" : previous.reason, polls: previous.polls + 1, absent, dueAt: now + interval };
}

export function countAbsence(previous: Watch["absent"], now: Millis): NonNullable<Watch["absent"]> {
  return { count: (previous?.count ?? 0) + 1, since: previous?.since ?? now };
}

/** The absence of what nobody has to look for again. */
export const GONE: NonNullable<Watch["absent"]> = { count: GONE_AFTER_ANSWERS, since: 0 };

/** It ended so long ago that everything around it is in the log, or never will be. */
export function hasSettled(run: WorkflowRun, now: Millis): boolean {
  return isTerminal(run) && now - endOf(run) >= GONE_AFTER_MS;
}

export function isGone(absent: NonNullable<Watch["absent"]>, now: Millis): boolean {
  return absent.count >= GONE_AFTER_ANSWERS && now - absent.since >= GONE_AFTER_MS;
}

/** The earliest time at which something pending in the run is known to go on; undefined if it may be any moment. */
export function wakeUp(run: WorkflowRun): Millis | undefined {
  if (isTerminal(run)) return undefined;
  let earliest: Millis | undefined;
  for (const step of run.groups.at(-1)?.steps ?? []) {
    const time = pendingUntil(step);
    if (time === undefined && isInProgress(step)) return undefined;
    if (time !== undefined && (earliest === undefined || time < earliest)) earliest = time;
  }
  return earliest;
}

function isInProgress(step: Step): boolean {
  return step.state === "STEP_PROGRESS" || step.state === "STEP_RETRY";
}

function pendingUntil(step: Step): Millis | undefined {
  if (step.nextDeliveryTime !== undefined) return step.nextDeliveryTime;
  if (step.sleepUntil !== undefined) return step.sleepUntil;
  if (step.sleepFor?.unit === "ms" && step.createdAt !== undefined) return step.createdAt + step.sleepFor.value;
  return isInProgress(step) ? step.wait?.deadline : undefined;
}
