import type { MessageEvent } from "../model/event.ts";
import type { Millis, Step, StepGroup, WorkflowRun } from "../model/run.ts";
import { type JoinedLog, joinMessages, type StepMessages } from "./message-join.ts";
import { type Message, type MessageLog, readMessages } from "./messages.ts";
import { type Exact, exactTimes } from "./timeline-exact.ts";
import { type Execution, execution } from "./timeline-execution.ts";

/** A delivery that is no step's time and yet took several attempts, or waited long. */
export interface Delivery extends Execution {
  /** Where it belongs: the group and the step it led to or came from; `index` is undefined where that is a whole group, or the run's end. */
  readonly group: number;
  readonly index: number | undefined;
  /** `request`: led to what the step began. `callback`: brought a Call's answer. */
  readonly purpose: "request" | "callback";
  readonly messageId: string;
  readonly start: Millis;
  readonly end: Millis;
}

/** One run's message log, read for its timeline. */
export interface ExactLog {
  /** When the run ended. */
  readonly end: Millis | undefined;
  /** When Initial's message was delivered first. */
  readonly firstDelivery: Millis | undefined;
  /** By group and by position in it. */
  readonly steps: readonly (readonly Exact[])[];
  readonly deliveries: readonly Delivery[];
}

/** Undefined without events. `minQueue` in ms. */
export function readLog(run: WorkflowRun, events: readonly MessageEvent[], minQueue: Millis): ExactLog | undefined {
  if (events.length === 0) return undefined;
  const log = readMessages(events);
  const joined = joinMessages(run, log);
  const steps = run.groups.map((group, position) =>
    group.steps.map((step, index) => {
      const messages = messagesOf(joined, position, index);
      return { ...exactTimes(step, messages, minQueue), notBefore: messages.notBefore };
    }),
  );
  const end = log.end?.state === "RUN_SUCCESS" ? log.end.time : undefined;
  return {
    end: log.end?.time,
    firstDelivery: firstDelivery(log),
    steps,
    deliveries: deliveries(run.groups, joined, end, minQueue),
  };
}

/** Where its CREATED is missing, so may be what came before its first ACTIVE. */
function firstDelivery({ messages }: MessageLog): Millis | undefined {
  const initial = messages.find(({ role }) => role === "initial");
  return initial?.created === undefined ? undefined : initial.attempts[0]?.start;
}

const NO_MESSAGES: StepMessages = {
  executing: undefined,
  own: undefined,
  toCallback: undefined,
  fromCallback: undefined,
  begun: undefined,
  notBefore: undefined,
};

function messagesOf(joined: JoinedLog, group: number, index: number): StepMessages {
  return joined.steps[group]?.[index] ?? NO_MESSAGES;
}

/** What led to a fork, a sleep, a wait, a call, or the run's end without being the execution of a step. */
function deliveries(groups: readonly StepGroup[], joined: JoinedLog, runEnd: Millis | undefined, minQueue: Millis): Delivery[] {
  const found: Delivery[] = [];
  const add = (at: Pick<Delivery, "group" | "index" | "purpose">, message: Message | undefined, until: Millis | undefined) => {
    if (message === undefined || until === undefined) return;
    const { start, end, ...done } = execution(message, until, minQueue);
    // One that came at once, and once, is not worth a span.
    if (start === undefined || end === undefined || done.parts.length === 0) return;
    found.push({ ...at, ...done, messageId: message.id, start, end });
  };
  for (const [group, { steps }] of groups.entries()) {
    add({ group, index: undefined, purpose: "request" }, joined.forks[group], earliestPlan(joined.steps[group] ?? []));
    for (const [index, step] of steps.entries()) {
      const messages = messagesOf(joined, group, index);
      add({ group, index, purpose: "request" }, messages.executing, beginning(step, messages));
      add({ group, index, purpose: "callback" }, messages.fromCallback, messages.own?.created);
    }
  }
  const isOpen = groups.at(-1)?.type === "next";
  if (!isOpen) add({ group: groups.length, index: undefined, purpose: "request" }, joined.last, runEnd);
  return found;
}

/** When a step that is not executed itself began; undefined for the others: their deliveries are their time. */
function beginning(step: Step, { own, toCallback, begun }: StepMessages): Millis | undefined {
  if (step.type === "SleepFor" || step.type === "SleepUntil") return own?.created;
  if (step.type === "Call") return toCallback?.created;
  return begun;
}

function earliestPlan(members: readonly StepMessages[]): Millis | undefined {
  const made = members.flatMap(({ executing }) => (executing?.role === "plan" ? (executing.created ?? []) : []));
  return made.length === 0 ? undefined : made.reduce((a, b) => Math.min(a, b));
}
