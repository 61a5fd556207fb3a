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
  const { groups, next } = grouped([...results, ...begunOnly(log, results)], beginsLate(log));
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
  const untold = new Set(
    log.messages.flatMap(({ role, failed, step }) => (role === "fromCallback" && failed && step ? [keyOf(step)] : [])),
  );
  const done = new Set(results.flatMap(({ step }) => [keyOf(step), nameKey(step)]));
  const entries: Entry[] = [];
  for (const { step, time } of [...requests, ...log.markers]) {
    if (step === undefined || done.has(keyOf(step))) continue;
    done.add(keyOf(step));
    const state = untold.has(keyOf(step)) ? "STEP_FAILED" : stateWithoutResult(log);
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

/** What came first is not in the log. */
function beginsLate({ messages }: MessageLog): boolean {
  return messages.find(({ role }) => role === "initial")?.created === undefined;
}

/**
 * By number where all have one, else as they were made; n parallel ones have consecutive numbers. Counted from the
 * end where the first ones are missing: what is left of a fork is what it ended with.
 */
function grouped(entries: readonly Entry[], late: boolean): { groups: Group[]; next: number | undefined } {
  const numbered = entries.every(({ step }) => step.id !== undefined);
  const sorted = entries.toSorted((a, b) => (numbered ? number(a) - number(b) : 0) || a.made - b.made);
  if (late && sorted.length === 0) return { groups: [], next: undefined };
  if (!late || (numbered && number(sorted[0]) === 1)) return filled(sorted, numbered ? number : undefined, 1);
  const next = number(sorted.at(-1)) + 1;
  const mirrored = filled(sorted.toReversed(), numbered ? (entry) => -number(entry) : undefined, 1 - next);
  const groups = mirrored.groups.toReversed().map(({ entries: own, size, from }) => ({
    entries: own.toReversed(),
    size,
    from: from === undefined ? undefined : Math.max(1, 1 - from - size),
  }));
  return { groups, next: numbered ? next : undefined };
}

/** Puts each entry into the group before it while that has room. */
function filled(entries: readonly Entry[], numberOf: ((entry: Entry) => number) | undefined, first: number): ReturnType<typeof grouped> {
  const groups: { entries: Entry[]; size: number; from: number | undefined }[] = [];
  let next = first;
  for (const entry of entries) {
    const size = Math.max(1, entry.step.concurrent ?? 1);
    const own = numberOf?.(entry) ?? Number.MAX_SAFE_INTEGER;
    const open = groups.at(-1);
    const hasRoom = open !== undefined && open.size === size && open.entries.length < size;
    if (hasRoom && (open.from === undefined || own < open.from + size)) {
      open.entries.push(entry);
      continue;
    }
    // A number that is skipped may be that of a sibling without a result.
    const from = size > 1 && own - next < size ? Math.min(next, own) : own;
    next = from + size;
    groups.push({ entries: [entry], size, from: numberOf === undefined ? undefined : from });
  }
  return { groups, next: numberOf === undefined ? undefined : next };
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

function number(entry: Entry | undefined): number {
  return entry?.step.id ?? Number.MAX_SAFE_INTEGER;
}

function nameKey({ type, name }: Step): string {
  return JSON.stringify([type, name]);
}
