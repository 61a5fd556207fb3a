import { isTerminal, keyOf, type WorkflowRun } from "../model/run.ts";
import { MAX_PART, type RunChange, type RunRecord } from "../state/store.ts";
import { mapFailureFunction } from "../trace/map-failure.ts";
import type { Page } from "./decide.ts";
import { failureWord } from "./marks.ts";
import { type FailurePart, failureParts, RUN_PART } from "./parts.ts";
import { decodePlacement, type Located, type Resolution } from "./place.ts";
import { watchAgain, watchFailure, watchForRoom } from "./watch.ts";

/**
 * The failure function of a run that was sent already: its span alone follows once it has settled, to those that have
 * got the run. A user can have it run again (from the dead letter queue); the log then shows another message, and no
 * longer the one before. Each is a part of its own: the first is part 1, its n-th repetition part n, told by the words
 * for their messages that the run's row keeps. So each is sent once, whatever page shows it, however often and in
 * whatever order. Where the log names no message, or did not when the first was collected, no repetition can be told.
 */

/** @param record undefined while nothing of the run was collected. Undefined: it cannot be told which one the log shows. */
export function failurePart({ failureFunction }: WorkflowRun, record: RunRecord | undefined): FailurePart | undefined {
  const message = failureFunction?.messageId === undefined ? undefined : failureWord(failureFunction.messageId);
  const { parts = [], failures = [] } = record ?? {};
  const collected = parts.filter((part) => part !== RUN_PART).length;
  if (collected === 0) return { part: 1, message };
  if (message === undefined || failures.length !== collected) return undefined;
  const part = failures.includes(message) ? failures.indexOf(message) + 1 : collected + 1;
  return part > MAX_PART ? undefined : { part, message };
}

/** The log shows a failure function that this run, of which nothing else is to come, has not had yet. */
export function isLateFailure(run: WorkflowRun, record: RunRecord | undefined): boolean {
  if (record === undefined || (record.phase !== "collected" && record.phase !== "done")) return false;
  if (!record.parts.includes(RUN_PART) || !isTerminal(run) || run.failureFunction === undefined) return false;
  const shown = failurePart(run, record);
  return shown !== undefined && !record.parts.includes(shown.part);
}

/** What becomes of a run that was collected. Undefined: nothing is new. */
export function failureChange(page: Page, run: WorkflowRun, record: RunRecord): RunChange | undefined {
  const shown = isLateFailure(run, record) ? failurePart(run, record) : undefined;
  if (record.phase === "done" && (shown === undefined || placementOf(page, run, record) === undefined)) return undefined;
  const watch = isTerminal(run)
    ? watchFailure(run, record.watch, page.now, page.rules)
    : record.watch && watchAgain(record.watch, page.now, page.rules);
  if (watch !== undefined) return { key: run, phase: "collected", watch };
  const located = placementOf(page, run, record);
  if (located === undefined || shown === undefined) {
    return record.phase === "done" ? undefined : { key: run, phase: "done" };
  }
  if (!page.room) return { key: run, phase: "collected", watch: watchForRoom(page.now) };
  const parts = partsAlone(page, run, located, shown);
  return record.phase === "done" && parts.length === 0 ? undefined : { key: run, phase: "done", parts };
}

function placementOf({ context }: Page, run: WorkflowRun, { placement }: RunRecord): (Resolution & Located) | undefined {
  const resolution = placement === undefined ? undefined : decodePlacement(run, placement, context.settings);
  return resolution?.kind === "placed" ? resolution : undefined;
}

function partsAlone({ context, outcomes, details, childEnd }: Page, run: WorkflowRun, { placement }: Located, shown: FailurePart) {
  const got = outcomes.get(keyOf(run)) ?? {};
  const plans = context.destinations.filter(({ name }) => got[name] !== undefined && !/^(excluded|dropped)/.test(got[name]));
  const deliveries = plans.map((plan) => ({ destination: plan.name, encoding: plan.encoding }));
  const detail = details.get(keyOf(run)) ?? [];
  const facts = { events: typeof detail === "object" ? detail : [], childEnd };
  const mapped = mapFailureFunction(run, placement, context.settings, facts, shown.part);
  return failureParts(context, mapped, deliveries, shown);
}
