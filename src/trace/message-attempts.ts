import type { MessageEvent } from "../model/event.ts";
import type { DeliveryError, Millis } from "../model/run.ts";

/** One delivery of a message: from ACTIVE to what came of it. */
export interface Attempt {
  /** Undefined where the log lost its ACTIVE. */
  readonly start: Millis | undefined;
  /** Undefined where nothing came of it, or where the log lost that. */
  readonly end: Millis | undefined;
  /** Of the answer, where the log has it. */
  readonly status?: number;
  /** Set where it failed. */
  readonly error?: DeliveryError;
  /** When the next attempt was to come. */
  readonly retryAt?: Millis;
}

interface Draft {
  start: Millis | undefined;
  end: Millis | undefined;
  status?: number;
  error?: DeliveryError;
  retryAt?: Millis;
  /** RETRY or FAILED has been read of it. */
  settled?: boolean;
}

/** ms; what came of an attempt is said at once: later than that it was another one's. */
const AT_ONCE = 1_000;

/** States that fall on one millisecond, in the order in which they can have come: while an attempt goes on, and while none does. */
const WHILE_OPEN = ["CREATED", "ERROR", "RETRY", "ACTIVE", "DELIVERED", "FAILED", "CANCELED"];
const WHILE_OPEN_DELIVERED = ["CREATED", "DELIVERED", "FAILED", "ACTIVE", "CANCELED"];
const WHILE_CLOSED = ["CREATED", "ACTIVE", "ERROR", "RETRY", "DELIVERED", "FAILED", "CANCELED"];

/**
 * One message's attempts, in order. `complete` is false where events are missing among them.
 * @param events the message's, by time, without repetitions.
 */
export function readAttempts(events: readonly MessageEvent[]): { attempts: readonly Attempt[]; complete: boolean } {
  const attempts: Draft[] = [];
  let complete = true;
  for (const sameTime of runsOfOneTime(events)) {
    for (const event of inSequence(sameTime, isOpen(attempts.at(-1)))) complete = take(attempts, event) && complete;
  }
  // What was delivered and then delivered again had failed: so some logs show a Call's attempts.
  for (const attempt of attempts.slice(0, -1)) {
    const { end, status } = attempt;
    attempt.error ??= { message: "", ...(status !== undefined && { status }), ...(end !== undefined && { time: end }) };
  }
  return { attempts, complete };
}

function isOpen(attempt: Draft | undefined): boolean {
  return attempt !== undefined && attempt.end === undefined;
}

/** Adds what one event says; false where it shows that others are missing. */
function take(attempts: Draft[], event: MessageEvent): boolean {
  const last = attempts.at(-1);
  const open = last !== undefined && last.end === undefined ? last : undefined;
  switch (event.state) {
    case "ACTIVE":
      attempts.push({ start: event.time, end: undefined });
      return open === undefined;
    case "DELIVERED":
    case "ERROR":
      if (open !== undefined) {
        Object.assign(open, ending(event));
        return true;
      }
      attempts.push({ start: undefined, ...ending(event) });
      return false;
    case "RETRY":
    case "FAILED":
      return settle(last, open, event) || lost(attempts, event);
    case "CANCELED":
      if (open !== undefined) open.end = event.time;
      return true;
    default:
      return true;
  }
}

/** RETRY and FAILED belong to the last attempt, unless that is known to have been another. */
function settle(last: Draft | undefined, open: Draft | undefined, event: MessageEvent): boolean {
  if (last === undefined || (open === undefined && isAnothers(last, event))) return false;
  if (open !== undefined) Object.assign(open, ending(event));
  last.error ??= errorOf(event);
  if (event.nextDeliveryTime !== undefined) last.retryAt = event.nextDeliveryTime;
  last.settled = true;
  return true;
}

/** A second RETRY, or a FAILED behind an announced retry, speaks of an attempt that the log lost; so does what comes long after the last one's end. */
function isAnothers({ end, retryAt, settled }: Draft, { state, time, nextDeliveryTime }: MessageEvent): boolean {
  if (settled === true || (state === "FAILED" && retryAt !== undefined)) return true;
  // A RETRY may stand at the time of the next attempt.
  const isSaidAtOnce = state === "FAILED" || (nextDeliveryTime ?? 0) > time;
  return isSaidAtOnce && end !== undefined && time - end > AT_ONCE;
}

/** Nothing is known of that attempt but how it ended. */
function lost(attempts: Draft[], event: MessageEvent): false {
  attempts.push({ start: undefined, ...ending(event), settled: true });
  return false;
}

function ending(event: MessageEvent): Omit<Draft, "start"> {
  const { state, time, responseStatus, nextDeliveryTime } = event;
  const own = { end: time, ...(responseStatus !== undefined && { status: responseStatus }) };
  if (state === "DELIVERED") return own;
  return { ...own, error: errorOf(event), ...(nextDeliveryTime !== undefined && { retryAt: nextDeliveryTime }) };
}

function errorOf({ error, responseStatus, time }: MessageEvent): DeliveryError {
  return { message: error ?? "", ...(responseStatus !== undefined && { status: responseStatus }), time };
}

function runsOfOneTime(events: readonly MessageEvent[]): MessageEvent[][] {
  const runs: MessageEvent[][] = [];
  for (const event of events) {
    const last = runs.at(-1);
    if (last?.[0]?.time === event.time) last.push(event);
    else runs.push([event]);
  }
  return runs;
}

function inSequence(events: MessageEvent[], open: boolean): readonly MessageEvent[] {
  if (events.length === 1) return events;
  const failed = events.some(({ state }) => state === "ERROR" || state === "RETRY");
  const order = open ? (failed ? WHILE_OPEN : WHILE_OPEN_DELIVERED) : WHILE_CLOSED;
  return events.toSorted((a, b) => order.indexOf(a.state) - order.indexOf(b.state));
}
