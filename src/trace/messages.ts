import { isEnd, type MessageEvent } from "../model/event.ts";
import type { Millis, Step } from "../model/run.ts";
import { instant } from "./instant.ts";
import { type Attempt, readAttempts } from "./message-attempts.ts";

/**
 * - `initial`: what the run was triggered with. `result`: carries what a step returned; its delivery executes what follows.
 * - `plan`: told the endpoint to execute one of several parallel steps.
 * - `toCallback`, `fromCallback`: a Call's request, and its answer on the way to the endpoint.
 * - `other`: says of no step what it is.
 */
export type MessageRole = "initial" | "plan" | "result" | "toCallback" | "fromCallback" | "other";

/** All that the log says of one message. */
export interface Message {
  /** Empty where the log does not say. */
  readonly id: string;
  readonly role: MessageRole;
  readonly step: Step | undefined;
  /** When it was made; undefined where its CREATED is not in the log, so that more may be missing before what is. */
  readonly created: Millis | undefined;
  /** When it was to be delivered first; not before `created`. */
  readonly due: Millis | undefined;
  readonly attempts: readonly Attempt[];
  /** No attempt lacks its start or its end, but perhaps the last one its end. */
  readonly complete: boolean;
  /** It was given up. */
  readonly failed: boolean;
  readonly canceled: Millis | undefined;
  /** The step that threw last, where an error names it. */
  readonly failedStepName: string | undefined;
}

/** What began apart from any message: WAITER_ADDED of a Wait, INVOKED of an Invoke. */
export interface Marker {
  readonly state: string;
  readonly time: Millis;
  readonly step: Step | undefined;
}

export interface MessageLog {
  /** By when they were made. */
  readonly messages: readonly Message[];
  /** By time. */
  readonly markers: readonly Marker[];
  /** When the log says that the run ended, and how. */
  readonly end: { readonly time: Millis; readonly state: string } | undefined;
}

/** One run's events, in any order and with repetitions, as its messages. Pure; never throws. */
export function readMessages(events: readonly MessageEvent[]): MessageLog {
  const sorted = inOrder(events);
  const ofMessages = sorted.filter((event) => !isMarker(event) && (event.messageId !== undefined || event.step !== undefined));
  const end = sorted.findLast(isEnd);
  return {
    messages: [...Map.groupBy(ofMessages, messageKey).values()].map(toMessage).toSorted((a, b) => madeAt(a) - madeAt(b)),
    markers: sorted.filter(isMarker).map(({ state, time, step }) => ({ state, time, step })),
    end: end && { time: end.time, state: end.state },
  };
}

/** The most attempts that one message took: what `keptByOutcome` asks for. */
export function mostAttempts(events: readonly MessageEvent[]): number {
  return readMessages(events).messages.reduce((most, { attempts }) => Math.max(most, attempts.length), 0);
}

/** By time, and where that is equal by what they say: whatever order the log has, the result is one. */
function inOrder(events: readonly MessageEvent[]): MessageEvent[] {
  const byText = (a: MessageEvent, b: MessageEvent) => compare(JSON.stringify(a), JSON.stringify(b));
  const sorted = events
    .map((event) => ({ ...event, time: instant(event.time) }))
    .sort((a, b) => a.time - b.time || compare(a.messageId ?? "", b.messageId ?? "") || compare(a.state, b.state) || byText(a, b));
  return sorted.filter((event, index) => !isRepetition(event, sorted[index - 1]));
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Of one message (or of the run), at one time, in one state. Without ids two messages may look alike. */
function isRepetition(event: MessageEvent, before: MessageEvent | undefined): boolean {
  if (before === undefined || event.time !== before.time || event.state !== before.state || event.messageId !== before.messageId)
    return false;
  return messageKey(event) === messageKey(before);
}

function isMarker(event: MessageEvent): boolean {
  return event.state === "WAITER_ADDED" || event.state === "INVOKED";
}

/** A Call's two messages may have one id. Where there is no id, a step has one message of each kind. */
function messageKey({ messageId, step }: MessageEvent): string {
  const callType = step?.callType === "toCallback" || step?.callType === "fromCallback" ? step.callType : "";
  return JSON.stringify(messageId === undefined ? [callType, step?.id, step?.name, step?.callType] : [callType, messageId]);
}

function toMessage(events: readonly MessageEvent[]): Message {
  const createdEvent = events.find((event) => event.state === "CREATED");
  const step = createdEvent?.step ?? events.find((event) => event.step !== undefined)?.step;
  const created = createdEvent?.time;
  return {
    id: events[0]?.messageId ?? "",
    role: roleOf(step),
    step,
    created,
    due: created === undefined ? undefined : Math.max(created, instant(createdEvent?.nextDeliveryTime ?? 0)),
    ...readAttempts(events),
    failed: events.some((event) => event.state === "FAILED"),
    canceled: events.find((event) => event.state === "CANCELED")?.time,
    failedStepName: events.findLast((event) => event.failedStepName !== undefined)?.failedStepName,
  };
}

/** The kinds that the wire names, and a plan as some logs show it: no id, one of several, and a type. */
function roleOf(step: Step | undefined): MessageRole {
  if (step === undefined) return "other";
  if (step.type === "Initial") return "initial";
  if (step.callType === "toCallback" || step.callType === "fromCallback") return step.callType;
  const unnumbered = step.id === undefined && (step.concurrent ?? 1) > 1 && step.callType !== "parallelResult";
  if (step.callType === "parallelPlan" || unnumbered) return "plan";
  return step.type === "" ? "other" : "result";
}

/** Where its CREATED is missing, what else it says it was made at, or when it is heard of first. */
export function madeAt({ created, step, attempts }: Pick<Message, "created" | "step" | "attempts">): Millis {
  return created ?? step?.createdAt ?? attempts[0]?.start ?? attempts[0]?.end ?? 0;
}
