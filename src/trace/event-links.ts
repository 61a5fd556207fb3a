import { ATTRIBUTES } from "./attributes.ts";
import type { MappedRun, Span, SpanLink } from "./span.ts";

/**
 * Notify → Wait: the step that notifies and the step that was woken know of each other by the event's id
 * alone. Whichever is exported later links to the other; a span that was sent is not changed.
 */
export interface EventSide {
  readonly side: "wait" | "notify";
  readonly eventId: string;
}

/** Which event a step's span waited for or notified; a Notify says so only in its output, where that is captured. */
export function eventOf(span: Span): EventSide | undefined {
  if (span.role !== "step") return undefined;
  const type = span.attributes[ATTRIBUTES.STEP_TYPE.name];
  const waited = span.attributes[ATTRIBUTES.WAIT_EVENT_ID.name];
  if (typeof waited === "string" && waited !== "" && type === "Wait") return { side: "wait", eventId: waited };
  const output = span.attributes[ATTRIBUTES.STEP_OUTPUT.name];
  const eventId = type === "Notify" && typeof output === "string" ? notifiedEvent(output) : undefined;
  return eventId === undefined ? undefined : { side: "notify", eventId };
}

/** `{"eventId":"…","eventData":…,"notifyResponse":[…]}`, perhaps cut short behind the id. */
export function notifiedEvent(output: string): string | undefined {
  const quoted = /"eventId"\s*:\s*("(?:[^"\\]|\\.)*")/.exec(output)?.[1];
  if (quoted === undefined) return undefined;
  try {
    return String(JSON.parse(quoted)) || undefined;
  } catch {
    return undefined; // an escape that JSON does not have
  }
}

/** @param find the spans of the other side that were exported before */
export function withEventLinks(run: MappedRun, find: (other: EventSide) => readonly SpanLink[]): MappedRun {
  const spans = run.spans.map((span) => {
    const event = eventOf(span);
    const links = event === undefined ? [] : find({ side: event.side === "wait" ? "notify" : "wait", eventId: event.eventId });
    return links.length === 0 ? span : { ...span, links: [...span.links, ...links] };
  });
  return { ...run, spans };
}
