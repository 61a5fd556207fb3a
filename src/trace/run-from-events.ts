import { eventsByRun, isEnd, type MessageEvent } from "../model/event.ts";
import { isTerminal, type Step, type StepGroup, type WorkflowRun } from "../model/run.ts";
import { type Entry, stepGroups } from "./group-messages.ts";
import { type Message, type MessageLog, madeAt, readMessages } from "./messages.ts";

/**
 * Runs as the grouped log would show them, from the message log alone: the same groups and steps; what only
 * the grouped log holds (labels, flow control, caller, failure function, …) stays empty. A run whose end is
 * not among its events is in progress. Pure; never throws.
 * @param events of any runs, in any order, with repetitions.
 */
export function runsFromEvents(events: readonly MessageEvent[]): WorkflowRun[] {
  return [...eventsByRun(events).values()].map(runFromEvents);
}

/** A run that the grouped log shows in progress (it lags behind) and the message log as ended: with the end and the steps of the latter. */
export function broughtUpToDate(run: WorkflowRun, events: readonly MessageEvent[]): WorkflowRun {
  if (isTerminal(run) || !events.some(isEnd)) return run;
  const { state, completedAt, response, groups } = runFromEvents(events);
  return { ...run, state, completedAt, groups, response: response ?? run.response };
}

function runFromEvents(events: readonly MessageEvent[]): WorkflowRun {
  const log = readMessages(events);
  const known = <T>(read: (event: MessageEvent) => T | undefined) =>
    events.map(read).reduce<T | undefined>((least, value) => lesser(least, value), undefined);
  const [first] = events;
  const response = known((event) => event.runResponse);
  const invoker = known((event) => event.invoker);
  return {
    id: first?.id ?? "",
    createdAt: first?.createdAt ?? 0,
    url: known((event) => event.url || undefined) ?? "",
    state: log.end?.state ?? "RUN_STARTED",
    ...(log.end !== undefined && { completedAt: log.end.time }),
    ...(response !== undefined && { response }),
    ...(invoker !== undefined && { invoker }),
    labels: [],
    groups: groupsOf(log),
    oddities: [],
  };
}

/** Whatever the order of the events: one of the values that they give, the same always. */
function lesser<T>(one: T | undefined, other: T | undefined): T | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return JSON.stringify(other) < JSON.stringify(one) ? other : one;
}

/** Initial, the groups of steps, and the delivery that failed or was canceled. */
function groupsOf(log: MessageLog): StepGroup[] {
  const initial = log.messages.find(({ role }) => role === "initial");
  const groups = stepGroups(log);
  const carrier = groups.length === 0 ? initial : carrierOf(groups.at(-1) ?? []);
  const steps = groups.map((entries) => ({ type: isSplit(entries) ? "parallel" : "sequential", steps: entries.map(({ step }) => step) }));
  const failed = carrier === undefined ? [] : unfinishedDelivery(carrier, log.end?.state);
  return [...(initial === undefined ? [] : [{ type: "sequential", steps: [initialStep(initial)] }]), ...steps, ...failed];
}

function isSplit(entries: readonly Entry[]): boolean {
  return entries.some(({ step }) => (step.concurrent ?? 1) > 1);
}

function initialStep({ id, step, created, due }: Message): Step {
  const heldBack = due !== undefined && created !== undefined && due > created;
  return {
    name: "",
    type: "Initial",
    errors: [],
    ...step,
    messageId: id,
    state: "STEP_SUCCESS",
    ...(heldBack && { nextDeliveryTime: due }),
  };
}

/** The message whose delivery goes on; undefined where a step of the group has no result. */
function carrierOf(group: readonly Entry[]): Message | undefined {
  const messages = group.flatMap(({ result }) => result ?? []);
  if (messages.length < group.length) return undefined;
  return messages.reduce<Message | undefined>((last, one) => (last !== undefined && madeAt(last) > madeAt(one) ? last : one), undefined);
}

/** The grouped log's `next` group, for a run that ended with it. */
function unfinishedDelivery(carrier: Message, end: string | undefined): StepGroup[] {
  const last = carrier.attempts.at(-1);
  const isPending = carrier.canceled !== undefined || (last !== undefined && (last.end === undefined || last.error !== undefined));
  const isCut = end === "RUN_CANCELED" && isPending;
  if (end !== "RUN_FAILED" && !isCut) return [];
  const state = isCut ? "STEP_CANCELED" : "STEP_FAILED";
  return [{ type: "next", steps: [{ name: carrier.failedStepName ?? "", type: "", state, messageId: carrier.id, errors: [] }] }];
}
