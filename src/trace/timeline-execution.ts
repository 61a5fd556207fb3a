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
  const last = attempts.at(-1);
  const end = until ?? last?.end;
  const errors = attempts.map(({ error }, index) => (isOver(attempts, index, until) ? error : undefined));
  // Where CREATED is missing, so may be attempts.
  const first = message.created === undefined ? undefined : attempts[0]?.start;
  const execution = { start: first, end, attempts: attempts.length, errors: errors.filter((error) => error !== undefined), parts: [] };
  const isWhole = message.complete && !(until !== undefined && last?.error !== undefined && (last.end ?? until) < until);
  if (first === undefined || end === undefined || end < first || !isWhole) return execution;
  // What Initial's message waits is the run's start delay.
  const due = message.role === "initial" ? first : (message.due ?? first);
  const parts = partsOf(attempts, errors, { due, end, minQueue });
  return parts.length < 2 ? execution : { ...execution, start: parts[0]?.start ?? first, parts };
}

/** An attempt that made the result before it failed is none that failed, for the step. */
function isOver(attempts: readonly Attempt[], index: number, until: Millis | undefined): boolean {
  return index < attempts.length - 1 || until === undefined || (attempts[index]?.end ?? until) < until;
}

function partsOf(
  attempts: readonly Attempt[],
  errors: readonly (DeliveryError | undefined)[],
  { due, end, minQueue }: { readonly due: Millis; readonly end: Millis; readonly minQueue: Millis },
): Part[] {
  const parts: Part[] = [];
  const counts: Record<PartKind, number> = { attempt: 0, queued: 0, backoff: 0 };
  const add = (kind: PartKind, start: Millis, until: Millis, error?: DeliveryError) => {
    if (until <= start && kind !== "attempt") return;
    counts[kind] += 1;
    parts.push({ kind, n: counts[kind], start, end: until, ...(error !== undefined && { error }) });
  };
  let free: Millis | undefined;
  for (const [index, attempt] of attempts.entries()) {
    const start = attempt.start ?? end;
    const ready = free === undefined ? due : Math.min(Math.max(attempts[index - 1]?.retryAt ?? start, free), start);
    const queued = start - ready > minQueue ? ready : start;
    if (free !== undefined) add("backoff", free, queued);
    add("queued", queued, start);
    free = index === attempts.length - 1 ? end : (attempt.end ?? start);
    add("attempt", start, free, errors[index]);
  }
  return parts;
}
