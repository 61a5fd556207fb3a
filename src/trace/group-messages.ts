import type { Millis, Step, StepGroup } from "../model/run.ts";
import { matchPlans } from "./message-plans.ts";
import { type Message, type MessageLog, madeAt } from "./messages.ts";

/** A step that the message log shows. */
export interface Entry {
  readonly step: Step;
  readonly made: Millis;
  /** The message that carries its result. */
  readonly result: Message | undefined;
}

interface Group {
  readonly entries: readonly Entry[];
  /** How many steps it has, and the number of the first; undefined where steps have none. */
  readonly size: number;
  readonly from: number | undefined;
}

/**
 * The steps of one run in their groups: those with a result, those that were begun without one (a Call, a wait,
 * an invocation), and parallel ones of which there is nothing but a plan.
 */
export function stepGroups(log: MessageLog): Entry[][] {
  const results = log.messages.filter(({ role }) => role === "result").map(finished);
  const { groups, next } = grouped([...results, ...begunOnly(log, results)]);
  const plans = log.messages.filter(({ role }) => role === "plan");
  const shapes = groups.map(
    ({ entries, size }): StepGroup => ({ type: size > 1 ? "parallel" : "single", steps: entries.map(({ step }) => step) }),
  );
  const { left } = matchPlans(
    shapes,
    groups.map(({ entries }) => entries.map(({ result }) => result)),
    plans,
  );
  const whole = groups.map((group, position) => [
    ...group.entries,
    ...planned(group, left[position] ?? [], log, position < groups.length - 1),
  ]);
  const forked = left.at(-1) ?? [];
  const last = planned({ entries: [], size: forked[0]?.step?.concurrent ?? 1, from: next }, forked, log, false);
  return [...whole, ...(last.length > 0 ? [last] : [])].map((entries) => entries.toSorted((a, b) => number(a) - number(b)));
}

/** What carries a result has one, whatever state the log shows with it. */
function finished(message: Message): Entry {
  const { id, step, created } = message;
  const createdAt = step?.createdAt ?? created;
  const own = { name: "", type: "", errors: [], ...step, messageId: id, state: "STEP_SUCCESS" };
  return { step: createdAt === undefined ? own : { ...own, createdAt }, made: madeAt(message), result: message };
}

/** Calls, waits and invocations without a result. They say their number at least where results do. */
function begunOnly(log: MessageLog, results: readonly Entry[]): Entry[] {
  const numbered = results.every(({ step }) => step.id !== undefined);
  const keyOf = (step: Step) => (numbered && step.id !== undefined ? String(step.id) : nameKey(step));
  const requests = log.messages
    .filter(({ role }) => role === "toCallback")
    .map((message) => ({ step: message.step, time: madeAt(message) }));
  const untold = log.messages.flatMap(({ role, failed, step }) => (role === "fromCallback" && failed && step ? [keyOf(step)] : []));
  const done = new Set(results.flatMap(({ step }) => [keyOf(step), nameKey(step)]));
  const entries: Entry[] = [];
  for (const { step, time } of [...requests, ...log.markers]) {
    if (step === undefined || done.has(keyOf(step))) continue;
    done.add(keyOf(step));
    const state = untold.includes(keyOf(step)) ? "STEP_FAILED" : stateWithoutResult(log);
    const createdAt = state === "STEP_SUCCESS" ? undefined : time;
    entries.push({ step: { ...step, messageId: undefined, state, createdAt }, made: time, result: undefined });
  }
  return entries;
}

/** In a run that succeeded it had a result; the log just does not show it. */
function stateWithoutResult(log: MessageLog): string {
  if (log.end === undefined) return "STEP_PROGRESS";
  return log.end.state === "RUN_SUCCESS" ? "STEP_SUCCESS" : "STEP_CANCELED";
}

/** By number where all have one, else as they were made; n parallel ones have consecutive numbers. */
function grouped(entries: readonly Entry[]): { groups: Group[]; next: number | undefined } {
  const numbered = entries.every(({ step }) => step.id !== undefined);
  const groups: { entries: Entry[]; size: number; from: number | undefined }[] = [];
  let next = 1;
  for (const entry of entries.toSorted((a, b) => (numbered ? number(a) - number(b) : 0) || a.made - b.made)) {
    const size = Math.max(1, entry.step.concurrent ?? 1);
    const open = groups.at(-1);
    const hasRoom = open !== undefined && open.size === size && open.entries.length < size;
    if (hasRoom && (open.from === undefined || number(entry) < open.from + size)) {
      open.entries.push(entry);
      continue;
    }
    // A number that is skipped may be that of a sibling without a result.
    const from = size > 1 && number(entry) - next < size ? Math.min(next, number(entry)) : number(entry);
    next = from + size;
    groups.push({ entries: [entry], size, from: numbered ? from : undefined });
  }
  return { groups, next: numbered ? next : undefined };
}

/** Siblings of which the log shows only the plan: they failed, never ended, or (where the run went on) their result is lost. */
function planned({ entries, size, from }: Group, plans: readonly Message[], log: MessageLog, wentOn: boolean): Entry[] {
  const taken = new Set(entries.map(({ step }) => step.id));
  const free = from === undefined ? [] : plans.length === size - entries.length ? range(from, size).filter((id) => !taken.has(id)) : [];
  return plans.slice(0, Math.max(0, size - entries.length)).map((plan, index) => {
    const lost = wentOn || stateWithoutResult(log) === "STEP_SUCCESS";
    const state = lost ? "STEP_SUCCESS" : plan.failed ? "STEP_FAILED" : stateWithoutResult(log);
    const step: Step = {
      name: "",
      type: "",
      errors: [],
      ...plan.step,
      ...(free[index] !== undefined && { id: free[index] }),
      messageId: plan.id,
      state,
      createdAt: lost ? undefined : madeAt(plan),
    };
    return { step, made: madeAt(plan), result: undefined };
  });
}

function range(from: number, size: number): number[] {
  return Array.from({ length: size }, (_, index) => from + index);
}

function number({ step }: Entry): number {
  return step.id ?? Number.MAX_SAFE_INTEGER;
}

function nameKey({ type, name }: Step): string {
  return JSON.stringify([type, name]);
}
