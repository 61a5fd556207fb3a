import type { Millis } from "../../src/fake-upstash/wire.ts";
import type { Core } from "./core.ts";
import { parseDuration } from "./duration.ts";
import { logEvent, logRun } from "./log.ts";
import type { EngineRun, Message, SubmittedStep } from "./run.ts";
import { beginStep, createStep } from "./steps.ts";

/** A run that waits for an event. */
export interface Waiter {
  readonly run: EngineRun;
  readonly eventId: string;
  readonly step: SubmittedStep;
  readonly url: string;
  readonly deadline: Millis;
  readonly headers: Readonly<Record<string, readonly string[]>>;
  /** Aborted when the event has come. */
  readonly came: AbortController;
}

/** The body of `/v2/wait/{event}`. */
export interface WaitRequest {
  readonly url: string;
  readonly timeout: string;
  readonly timeoutHeaders?: Readonly<Record<string, readonly string[]>>;
  readonly step: SubmittedStep;
}

export function beginWait(core: Core, run: EngineRun, eventId: string, request: WaitRequest): void {
  const { step, timeout, url, timeoutHeaders = {} } = request;
  const now = core.clock.now();
  const deadline = now + parseDuration(timeout);
  const { info, createdAt } = beginStep(core, run, step, now, {
    waitEventId: eventId,
    waitTimeoutDeadline: deadline,
    waitTimeoutDuration: timeout,
  });
  logEvent(core, run, "WAITER_ADDED", { ...info, state: "STEP_PROGRESS", createdAt }, { time: createdAt });
  const waiter: Waiter = { run, eventId, step, url, deadline, headers: timeoutHeaders, came: new AbortController() };
  core.waiters.push(waiter);
  logRun(core, run);
  const early = run.early.get(eventId);
  run.early.delete(eventId);
  if (early === undefined) void timeOut(core, waiter);
  else resume(core, waiter, early);
}

async function timeOut(core: Core, waiter: Waiter): Promise<void> {
  await core.clock.until(waiter.deadline, AbortSignal.any([waiter.came.signal, waiter.run.over.signal]));
  if (core.waiters.includes(waiter)) resume(core, waiter, undefined);
}

/** The event's data, or undefined where it never came. */
function resume(core: Core, waiter: Waiter, data: string | undefined): Message {
  core.waiters.splice(core.waiters.indexOf(waiter), 1);
  waiter.came.abort();
  const { run, step, url } = waiter;
  const came = data === undefined ? { waitTimeout: true } : { out: Buffer.from(data).toString("base64") };
  const result = { ...step, ...came };
  return createStep(core, run, result, { destination: url, body: JSON.stringify(result) });
}

/**
 * Notifies who waits for an event. With a run, only that one; and if it does not wait yet, the event is kept for it.
 * Returns what the API answers: one entry a waiter, null where there was none.
 */
export function notify(core: Core, eventId: string, data: string, run?: EngineRun): unknown {
  const woken = core.waiters.filter((waiter) => waiter.eventId === eventId && (run === undefined || waiter.run === run));
  if (woken.length === 0 && run !== undefined) run.early.set(eventId, data);
  const told = woken.map((waiter) => ({ waiter: publicWaiter(waiter), messageId: resume(core, waiter, data).id, error: "" }));
  return told.length === 0 ? null : told;
}

export function waitersOf(core: Core, eventId: string): unknown[] {
  return core.waiters.filter((waiter) => waiter.eventId === eventId).map(publicWaiter);
}

/** Deadlines are seconds, as the SDK's documentation has them. */
function publicWaiter({ url, deadline, headers }: Waiter) {
  return { url, deadline: Math.floor(deadline / 1_000), headers, timeoutUrl: url, timeoutHeaders: headers };
}
