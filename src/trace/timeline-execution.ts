import type { DeliveryError, Millis } from "../model/run.ts";
import type { PartKind } from "./ids.ts";
import type { Attempt } from "./message-attempts.ts";
import type { Message } from "./messages.ts";

/** A piece of a step's time: waiting for its turn, an attempt, or waiting to be tried again. */
export interface Part {
  readonly kind: PartKind;
  /** From 1, of its kind. */
  readonly n: number;
  readonly start: Millis;
  readonly end: Millis;
  /** Of an attempt that failed. */
  readonly error?: DeliveryError;
}

/** What a message's deliveries did until a moment. */
export interface Execution {
  /** Undefined where the log lost it. */
  readonly start: Millis | undefined;
  readonly end: Millis | undefined;
  /** Seen; those that came after the result are not counted. */
  readonly attempts: number;
  /** Of the attempts that failed. */
  readonly errors: readonly DeliveryError[];
  /** Tile the time from `start` to `end`; none where it was one attempt that hardly had to wait, or where the log has holes. */
  readonly parts: readonly Part[];
}

/**
 * A message's deliveries as the execution of a step: from the first ACTIVE, or from when the message was due
 * if it was in the queue for longer than `minQueue` ms.
 * @param until when the result was made: what came after it is not the step's. Without it the last attempt ends it.
 */
export function execution(message: Message, until: Millis | undefined, minQueue: Millis): Execution {
  const attempts = message.attempts.filter(({ start }) => until === undefined || start === undefined || start <= until);
  // It was to be tried again: what came of that is missing, or was cut with the run.
  const goesOn = until === undefined && attempts.at(-1)?.retryAt !== undefined && !message.failed;
  const end = until ?? (goesOn ? message.canceled : attempts.at(-1)?.end);
  const failed = attempts.map((attempt, index) =>
    isOver(attempt, index === attempts.length - 1 ? until : undefined) ? attempt.error : undefined,
  );
  const first = firstStart(message, attempts, minQueue);
  const execution = { start: first, end, attempts: attempts.length, errors: failed.filter((error) => error !== undefined), parts: [] };
  const isWhole = message.complete && (until === undefined || failed.at(-1) === undefined);
  if (first === undefined || end === undefined || end < first || !isWhole) return execution;
  // What Initial's message waits is the run's start delay.
  const due = message.role === "initial" || message.due === undefined ? first : message.due;
  const start = first - due > minQueue ? due : first;
  if (start === first && attempts.length === 1 && !goesOn) return execution;
  return { ...execution, start, parts: partsOf(attempts, failed, { start, end, minQueue, goesOn }) };
}

/** Where its CREATED is missing, so may be attempts; and where anything is, unless the first that is there came when it was due. */
function firstStart({ created, due, complete }: Message, attempts: readonly Attempt[], minQueue: Millis): Millis | undefined {
  const first = attempts[0]?.start;
  if (created === undefined || first === undefined) return undefined;
  return complete || first - (due ?? created) <= minQueue ? first : undefined;
}

/** An attempt that made the result before it failed is none that failed, for the step. */
function isOver({ end }: Attempt, until: Millis | undefined): boolean {
  return until === undefined || (end !== undefined && end < until);
}

/** Between two attempts lies the back-off and, where the second came late, the queue. */
function partsOf(
  attempts: readonly Attempt[],
  failed: readonly (DeliveryError | undefined)[],
  { start, end, minQueue, goesOn }: { readonly start: Millis; readonly end: Millis; readonly minQueue: Millis; readonly goesOn: boolean },
): Part[] {
  const parts: Part[] = [];
  const counts: Record<PartKind, number> = { attempt: 0, queued: 0, backoff: 0 };
  let free = start;
  const add = (kind: PartKind, until: Millis, error?: DeliveryError) => {
    if (until > free || kind === "attempt") {
      counts[kind] += 1;
      parts.push({ kind, n: counts[kind], start: free, end: until, ...(error !== undefined && { error }) });
    }
    free = until;
  };
  for (const [index, { start: active = free, end: over = active }] of attempts.entries()) {
    const retryAt = index === 0 ? free : (attempts[index - 1]?.retryAt ?? active);
    if (index > 0) add("backoff", active - retryAt > minQueue ? Math.max(retryAt, free) : active);
    add("queued", active);
    add("attempt", index === attempts.length - 1 && !goesOn ? end : over, failed[index]);
  }
  if (goesOn) add("backoff", end);
  return parts;
}
