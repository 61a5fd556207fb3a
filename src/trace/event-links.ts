import { createHash } from "node:crypto";
import type { Step } from "../model/run.ts";
import { decodePayload } from "./payload.ts";
import type { EventWords, MappedRun, SpanLink } from "./span.ts";

/**
 * Notify → Wait: the step that notifies and the step that was woken know of each other by the event's id
 * alone. Whichever is exported later links to the other; a span that was sent is not changed.
 */

/** Which event woke a step, or which one it woke others with: a Notify says so in its output. Undefined where nobody woke it, and where it woke nobody. */
export function eventWords(step: Step): EventWords | undefined {
  const woken = wokenBy(step);
  if (woken !== undefined) return { own: wordOf("woken", woken), other: wordOf("waking", woken) };
  const waking = notifiedEvent(step);
  return waking === undefined ? undefined : { own: wordOf("waking", waking), other: wordOf("woken", waking) };
}

function wokenBy({ type, state, wait }: Step): string | undefined {
  return type === "Wait" && state === "STEP_SUCCESS" && wait?.timedOut === false ? wait.eventId : undefined;
}

/** `{"eventId":"…","eventData":…,"notifyResponse":[…]}`. */
function notifiedEvent({ type, out }: Step): string | undefined {
  if (type !== "Notify" || out === undefined) return undefined;
  try {
    const { eventId, notifyResponse } = Object(JSON.parse(decodePayload(out)));
    return typeof eventId === "string" && eventId !== "" && mayWake(notifyResponse) ? eventId : undefined;
  } catch {
    return undefined; // cut short, or replaced by a hash
  }
}

/**
 * An event for whoever waits is answered with a list of those who did, and is lost where there are none (`[]`, `null`).
 * One for a certain run is answered with an object, whether the run waits or the event is kept until it does.
 */
function mayWake(response: unknown): boolean {
  if (response === null) return false;
  return Array.isArray(response) ? response.some(isTold) : isTold(response);
}

function isTold(answer: unknown): boolean {
  return !Object(answer).error;
}

/** Stands for what the parts say, without showing them. */
export function wordOf(...parts: readonly string[]): string {
  return createHash("sha256").update(JSON.stringify(parts)).digest("base64url").slice(0, 16);
}

/** @param find the spans that left a word behind, as far as they were exported before */
export function withEventLinks(run: MappedRun, find: (word: string) => readonly SpanLink[]): MappedRun {
  const spans = run.spans.map((span) => {
    const links = span.event === undefined ? [] : find(span.event.other);
    return links.length === 0 ? span : { ...span, links: [...span.links, ...links] };
  });
  return { ...run, spans };
}
