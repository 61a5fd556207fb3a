import type { Millis, Step, StepGroup, WorkflowRun } from "../model/run.ts";
import { isParallel, matchPlans } from "./message-plans.ts";
import type { Message, MessageLog } from "./messages.ts";

/** The messages of one step. */
export interface StepMessages {
  /** Its delivery is what executed the step: the previous step's message or, among parallel ones, the step's plan. */
  readonly executing: Message | undefined;
  /** Carries the step's result. */
  readonly own: Message | undefined;
  readonly toCallback: Message | undefined;
  readonly fromCallback: Message | undefined;
  /** When its waiter was added, or its run invoked. */
  readonly begun: Millis | undefined;
  /** When the message was made whose delivery led to it: it did not begin before that. */
  readonly notBefore: Millis | undefined;
}

export interface JoinedLog {
  /** By group and by position in it. */
  readonly steps: readonly (readonly StepMessages[])[];
  /** By group: the message whose delivery made its plans, if the group is parallel. */
  readonly forks: readonly (Message | undefined)[];
  /** The message whose delivery came last. */
  readonly last: Message | undefined;
}

/** Finds each step's messages: by message id where the grouped log has it, else by step id or name, in order. Linear but for sorting. */
export function joinMessages(run: Pick<WorkflowRun, "groups">, log: MessageLog): JoinedLog {
  const find = finder(log);
  const plans = log.messages.filter(({ role }) => role === "plan");
  const owns = run.groups.map((group) => group.steps.map(find.own));
  const executing = matchPlans(run.groups, owns, plans).plans;
  const forks: (Message | undefined)[] = [];
  let carrier: Message | undefined;
  let made: Millis | undefined;
  let number: number | undefined = 0;
  const steps = run.groups.map((group, position) => {
    const parallel = isParallel(group);
    const own = owns[position] ?? [];
    // A number that is skipped is that of a step of which the log lost everything, and so the message that led here.
    if (number !== undefined && firstNumber(group) > number + 1) carrier = undefined;
    number = lastNumber(group) ?? (group.steps[0]?.type === "Initial" ? number : undefined);
    forks.push(parallel ? carrier : undefined);
    const members = group.steps.map((step, index): StepMessages => {
      const isNext = group.type === "next";
      const failing = isNext ? find.delivered(step) : undefined;
      const plan = parallel ? executing[position]?.[index] : undefined;
      return {
        executing: failing ?? (parallel ? plan : carrier),
        own: isNext ? undefined : own[index],
        ...find.call(step),
        begun: find.begun(step),
        notBefore: plan?.created ?? made,
      };
    });
    ({ message: carrier, made } = lastMade(group.steps, own));
    return members;
  });
  return { steps, forks, last: carrier };
}

function firstNumber({ steps }: StepGroup): number {
  return steps.reduce((first, { id }) => Math.min(first, id ?? 0), Number.POSITIVE_INFINITY);
}

/** Undefined where a step has none. */
function lastNumber({ steps }: StepGroup): number | undefined {
  return steps.reduce<number | undefined>((last, { id }) => (last === undefined || id === undefined ? undefined : Math.max(last, id)), 0);
}

/** Of parallel results the last one made: only its delivery holds them all, so it goes on. */
function lastMade(
  steps: readonly Step[],
  own: readonly (Message | undefined)[],
): { readonly message: Message | undefined; readonly made: Millis | undefined } {
  let latest: { readonly time: Millis; readonly message: Message | undefined } | undefined;
  for (const [index, step] of steps.entries()) {
    const message = own[index];
    const time = message?.created ?? step.createdAt ?? Number.POSITIVE_INFINITY;
    if (latest === undefined || time > latest.time || (time === latest.time && outlasts(message, latest.message)))
      latest = { time, message };
  }
  const message = latest?.message;
  return { message, made: message === undefined || latest?.time === Number.POSITIVE_INFINITY ? undefined : latest?.time };
}

/** Results of one millisecond: the one whose delivery took longer has executed something. */
function outlasts(message: Message | undefined, other: Message | undefined): boolean {
  const end = (one: Message | undefined) => one?.attempts.at(-1)?.end ?? Number.POSITIVE_INFINITY;
  return end(message) > end(other);
}

/** Looks up messages by id, and in the order of the log by step. */
function finder({ messages, markers }: MessageLog) {
  const byId = new Map<string, Message>();
  for (const message of messages) {
    // A Call's request and what follows it may have one id.
    const isFree = !byId.has(message.id) || byId.get(message.id)?.role === "toCallback";
    if (message.id !== "" && isFree) byId.set(message.id, message);
  }
  const ofRole = (role: Message["role"]) => queue(messages.filter((message) => message.role === role));
  const [results, requests, answers] = [ofRole("result"), ofRole("toCallback"), ofRole("fromCallback")];
  const waiters = queue(markers.filter(({ state }) => state === "WAITER_ADDED"));
  const invocations = queue(markers.filter(({ state }) => state === "INVOKED"));
  const initial = messages.find(({ role }) => role === "initial");
  const stated = (step: Step) => (step.messageId === undefined ? undefined : byId.get(step.messageId));
  return {
    own(step: Step): Message | undefined {
      const message = stated(step);
      if (message !== undefined && (message.role === "result" || message.role === "initial" || message.role === "other")) return message;
      if (step.type === "Initial") return initial;
      // A step without a result shows its plan's message, or none.
      return message?.role === "plan" || step.id === undefined ? undefined : results(step);
    },
    delivered(step: Step): Message | undefined {
      const message = stated(step);
      return message !== undefined && message.attempts.length > 0 ? message : undefined;
    },
    call(step: Step) {
      const isCall = step.type === "Call";
      return { toCallback: isCall ? requests(step) : undefined, fromCallback: isCall ? answers(step) : undefined };
    },
    begun(step: Step): Millis | undefined {
      if (step.type === "Invoke") return invocations(step)?.time;
      return step.type === "Wait" || step.type === "WaitForWebhook" ? waiters(step)?.time : undefined;
    },
  };
}

/** Each item is handed out once, in order: by the step's number, where it has none by type and name, and what names no step to whoever asks. */
function queue<T extends { readonly step: Step | undefined }>(items: readonly T[]): (step: Step) => T | undefined {
  const byKey = Map.groupBy(items, ({ step }) => (step === undefined ? "" : step.id === undefined ? nameKey(step) : String(step.id)));
  const taken = new Map<string, number>();
  return (step) => {
    for (const key of [String(step.id), nameKey(step), ""]) {
      const count = taken.get(key) ?? 0;
      const item = byKey.get(key)?.[count];
      if (item === undefined) continue;
      taken.set(key, count + 1);
      return item;
    }
    return undefined;
  };
}

function nameKey({ type, name }: Step): string {
  return JSON.stringify([type, name]);
}
