import type { DeliveryError, Millis, Step } from "../model/run.ts";
import type { StepMessages } from "./message-join.ts";
import { execution, type Part } from "./timeline-execution.ts";
import { hasResult } from "./timeline-statement.ts";

/** What the message log knows of one step's times; what it does not, stays open. */
export interface Exact {
  readonly start?: Millis | undefined;
  readonly end?: Millis | undefined;
  /** Where its start is not known: no earlier than that. */
  readonly notBefore?: Millis | undefined;
  /** Of a step that is executed: undefined for a sleep or a wait. */
  readonly attempts?: number;
  readonly errors: readonly DeliveryError[];
  readonly parts: readonly Part[];
  /** For how long a sleep was asked for. */
  readonly asked?: Millis | undefined;
}

/** ms; the engine's own work for one request. */
const AT_ONCE = 50;

/**
 * Execution = ACTIVE of the message before → CREATED of the step's own; a parallel step's = ACTIVE of its plan;
 * a Call's = ACTIVE → DELIVERED of its request; a sleep = CREATED → ACTIVE; a wait or an invocation = since it
 * was registered → CREATED of its result.
 */
export function exactTimes(step: Step, messages: StepMessages, minQueue: Millis): Exact {
  const made = messages.own?.created ?? messages.own?.step?.createdAt;
  switch (step.type) {
    case "SleepFor":
    case "SleepUntil":
      return sleepTimes(messages, minQueue);
    case "Call":
      return callTimes(step, messages, minQueue);
    case "Wait":
    case "WaitForWebhook":
    case "Invoke":
      return { start: messages.begun, end: made, errors: [], parts: [] };
    default:
      return runTimes(step, messages, made, minQueue);
  }
}

function runTimes(step: Step, { executing, own }: StepMessages, made: Millis | undefined, minQueue: Millis): Exact {
  const isUnfinished = own === undefined && (!hasResult(step) || step.type === "");
  const end = isUnfinished ? undefined : (made ?? step.createdAt);
  if (executing !== undefined && (isUnfinished || end !== undefined)) return execution(executing, end, minQueue);
  return { end, errors: [], parts: [] };
}

/** A sequential sleep delays its own message, a parallel one its plan. What came late is the queue's, not the sleep's. */
function sleepTimes({ executing, own }: StepMessages, minQueue: Millis): Exact {
  const delayed = executing?.role === "plan" ? executing : own;
  // After it nothing but its first delivery is the sleep's: where anything is missing, what is there may be a later one.
  const first = delayed?.created === undefined ? undefined : delayed.attempts[0]?.start;
  const woke = first ?? delayed?.canceled;
  const late = woke !== undefined && delayed?.due !== undefined && woke - delayed.due > minQueue;
  const asked = delayed?.due === undefined || delayed.created === undefined ? undefined : delayed.due - delayed.created;
  return { start: delayed?.created, end: late ? delayed.due : woke, errors: [], parts: [], asked };
}

/** The request alone: its answer's way to the endpoint is a delivery like others. */
function callTimes(step: Step, { toCallback, fromCallback }: StepMessages, minQueue: Millis): Exact {
  if (toCallback === undefined) return { errors: [], parts: [] };
  const answered = hasResult(step) && !toCallback.failed ? fromCallback?.created : undefined;
  const request = execution(toCallback, undefined, minQueue);
  // The answer is passed on at once: if that comes later, or alone, the log lost what it was the answer to.
  if (answered !== undefined && (request.end === undefined || answered - request.end > AT_ONCE)) {
    return execution(toCallback, answered, minQueue);
  }
  const errors = request.errors.slice(0, Math.max(0, request.attempts - 1));
  const answer = hasResult(step) || fromCallback === undefined ? undefined : execution(fromCallback, undefined, minQueue);
  // What failed was to tell the endpoint.
  if (answer !== undefined) return { ...request, end: answer.end, errors: answer.errors, parts: [] };
  return { ...request, errors };
}
