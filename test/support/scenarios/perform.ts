import type { Millis, WireError, WireEvent, WireStep } from "../../../src/fake-upstash/wire.ts";
import type { CallWork, FailedAttempt, InvokeWork, RunWork, SleepWork, WaitWork, Work } from "./program.ts";
import { between, newId } from "./random.ts";
import { emit, type Recording, retriesOf } from "./recording.ts";

/** The delivery that executes a step: the message that carries it, and since when it is ACTIVE. */
export interface Delivery {
  readonly carrier: WireStep;
  readonly at: Millis;
  /** Of the step it executes. */
  readonly stepId: number;
  readonly concurrent: number;
}

/** How a step went. */
export interface Performed {
  /** When it was over; of a sleep in sequence: when it is due. */
  readonly end: Millis;
  /** As the grouped log has it, without the time it was made and the message that carries it. */
  readonly step: WireStep;
  /** Set where all attempts failed. */
  readonly errors?: readonly WireError[];
  /** When each failed attempt was answered. */
  readonly retries: readonly { readonly error: WireError; readonly next: Millis }[];
}

/** Milliseconds a request between engine and endpoint takes here. */
export const hop = (recording: Recording) => between(recording.random, 1, 4);

/** Executes one step, writes what the message log sees of it, and tells how it went. */
export function perform(recording: Recording, delivery: Delivery, work: Work): Performed {
  switch (work.kind) {
    case "run":
      return performRun(recording, delivery, work);
    case "call":
      return performCall(recording, delivery, work);
    case "sleep":
      return performSleep(delivery, work);
    case "wait":
      return performWait(recording, delivery, work);
    case "invoke":
      return performInvoke(recording, delivery, work);
  }
}

/** The step's type, as the SDK names it. */
export function typeOf(work: Work): string {
  if (work.kind === "sleep") return work.until === true ? "SleepUntil" : "SleepFor";
  if (work.kind === "run") return work.type ?? "Run";
  if (work.kind === "wait") return work.type ?? "Wait";
  return work.kind === "call" ? "Call" : "Invoke";
}

function stepOf({ stepId, concurrent }: Delivery, work: Work, more: WireStep): WireStep {
  return { stepId, stepName: work.name, stepType: typeOf(work), callType: "step", concurrent, state: "STEP_SUCCESS", ...more };
}

function performRun(recording: Recording, delivery: Delivery, work: RunWork): Performed {
  const { retries, at } = failedAttempts(recording, delivery.carrier, delivery.at, work.failed ?? [], work.name);
  const step = stepOf(delivery, work, work.out === undefined ? {} : { out: JSON.stringify(work.out) });
  const end = work.gaveUp === true ? at : at + jittered(recording, work.ms);
  const last = retries.at(-1);
  recording.truth.push({ name: work.name, start: delivery.at, lastAttempt: last === undefined ? delivery.at : last.next, end });
  return work.gaveUp === true ? { end, step, retries, errors: retries.map((retry) => retry.error) } : { end, step, retries };
}

/** ERROR and RETRY of each failed delivery of one message; `at`: when it was delivered for the last time, or gave up. */
function failedAttempts(recording: Recording, carrier: WireStep, start: Millis, failed: readonly FailedAttempt[], name: string) {
  const retries: { error: WireError; next: Millis }[] = [];
  let at = start;
  for (const attempt of failed) {
    const time = at + attempt.ms;
    const body = JSON.stringify({ error: "Error", message: attempt.message });
    const headers = { "Content-Type": ["application/json"], Date: [new Date(time).toUTCString()], "Upstash-Error-Step-Name": [name] };
    const error = { error: `${attempt.status} ${REASONS[attempt.status] ?? "Error"}`, body, headers, status: attempt.status, time };
    const told: Partial<WireEvent> = { error: error.error, responseStatus: attempt.status, responseBody: body, headers };
    emit(recording, time, "ERROR", carrier, told);
    at = time + attempt.retryAfterMs;
    if (attempt.retryAfterMs > 0) {
      emit(recording, time, "RETRY", carrier, { nextDeliveryTime: at });
      emit(recording, at, "ACTIVE", carrier);
    }
    retries.push({ error, next: at });
  }
  return { retries, at };
}

const REASONS: Readonly<Record<number, string>> = {
  429: "Too Many Requests",
  489: "Non-Retryable Error",
  500: "Internal Server Error",
  502: "Bad Gateway",
  503: "Service Unavailable",
};

/** A Call is three messages: the request (`toCallback`), its answer (`fromCallback`), and the step's result. */
function performCall(recording: Recording, delivery: Delivery, work: CallWork): Performed {
  const asked = delivery.at + hop(recording);
  const request: WireStep = {
    callUrl: work.url,
    callMethod: work.method,
    callHeaders: work.headers ?? { "Content-Type": ["application/json"] },
    ...(work.body === undefined ? {} : { callBody: JSON.stringify(work.body) }),
  };
  const step = stepOf(delivery, work, request);
  const retries = retriesOf(recording);
  const toCallback = { ...step, callType: "toCallback", messageId: newId(recording.random, "msg"), createdAt: asked, retries };
  emit(recording, asked, "CREATED", toCallback, { nextDeliveryTime: asked });
  emit(recording, asked, "ACTIVE", toCallback);
  const { retries: failed, at } = failedAttempts(recording, toCallback, asked, work.failed ?? [], work.name);
  const answered = at + jittered(recording, work.ms);
  const fromCallback = { ...step, callType: "fromCallback", messageId: newId(recording.random, "msg"), createdAt: answered, retries };
  emit(recording, answered, "DELIVERED", toCallback);
  emit(recording, answered, "CREATED", fromCallback, { nextDeliveryTime: answered });
  emit(recording, answered, "ACTIVE", fromCallback);
  const end = answered + hop(recording);
  emit(recording, end + 1, "DELIVERED", fromCallback);
  recording.truth.push({ name: work.name, start: asked, lastAttempt: at, end: answered });
  const body = typeof work.response === "string" ? work.response : JSON.stringify(work.response);
  const header = { "Content-Type": ["application/json"], Date: [new Date(answered).toUTCString()] };
  const out = JSON.stringify({ status: work.status, body, header });
  const response = { callResponseStatus: work.status, callResponseBody: body, callResponseHeaders: header };
  return { end, step: { ...step, ...response, out }, retries: failed };
}

function performSleep(delivery: Delivery, work: SleepWork): Performed {
  const end = delivery.at + work.ms;
  const step = work.until === true ? stepOf(delivery, work, { sleepUntil: end }) : stepOf(delivery, work, { sleepFor: work.ms });
  return { end, step, retries: [] };
}

function performWait(recording: Recording, delivery: Delivery, work: WaitWork): Performed {
  const start = delivery.at + hop(recording);
  const timedOut = work.notifiedAfterMs === undefined;
  const end = start + (work.notifiedAfterMs ?? work.timeoutMs);
  const details = {
    waitEventId: work.eventId,
    waitTimeoutDeadline: start + work.timeoutMs,
    waitTimeoutDuration: `${work.timeoutMs / 1_000}s`,
  };
  const step = stepOf(delivery, work, details);
  emit(recording, start, "WAITER_ADDED", { ...step, state: "STEP_PROGRESS", createdAt: start });
  recording.truth.push({ name: work.name, start, lastAttempt: start, end });
  const data = Buffer.from(JSON.stringify(work.eventData ?? {})).toString("base64");
  return { end, step: { ...step, ...(timedOut ? { waitTimeout: true } : { out: data }) }, retries: [] };
}

function performInvoke(recording: Recording, delivery: Delivery, work: InvokeWork): Performed {
  const start = delivery.at + hop(recording);
  const { workflowRunId, workflowUrl, workflowCreatedAt } = recording.identity;
  const invoker = { workflowRunId, workflowUrl, workflowRunCreatedAt: workflowCreatedAt };
  const family = recording.playChild(work.program, start, invoker);
  recording.children.push(...family);
  const child = family[0].versions.at(-1)?.run;
  const end = (child?.workflowRunCompletedAt ?? start) + hop(recording);
  const body = JSON.stringify(work.program.payload ?? null);
  const step = stepOf(delivery, work, {
    ...(child === undefined ? {} : { invokedWorkflowRunId: child.workflowRunId }),
    invokedWorkflowUrl: work.program.url,
    invokedWorkflowCreatedAt: start,
    invokedWorkflowRunBody: body,
  });
  emit(recording, start, "INVOKED", { ...step, state: "STEP_PROGRESS", createdAt: start });
  recording.truth.push({ name: work.name, start, lastAttempt: start, end });
  const out = JSON.stringify({
    body: work.program.response,
    isFailed: child?.workflowState === "RUN_FAILED",
    isCanceled: child?.workflowState === "RUN_CANCELED",
  });
  return { end, step: { ...step, out }, retries: [] };
}

/** Nothing takes exactly as long twice. */
function jittered(recording: Recording, ms: number): number {
  return Math.round(ms * (0.9 + 0.2 * recording.random()));
}
