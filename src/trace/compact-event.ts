import { isEnd, type MessageEvent } from "../model/event.ts";
import type { MappingSettings } from "./config.ts";
import { redactorOf } from "./mapping.ts";

const OF_MESSAGES = new Set(["CREATED", "ACTIVE", "DELIVERED", "ERROR", "RETRY", "FAILED", "CANCELED"]);
const MARKERS = new Set(["WAITER_ADDED", "INVOKED"]);

/**
 * An event as it may wait on disk for its run's end: what `timeline` will read of it beside the grouped log,
 * and nothing else. No bodies, no headers, no URL; texts redacted, and whole: a span says how long what it cuts was. Undefined for one that says nothing.
 */
export function compactEvent(event: MessageEvent, settings: MappingSettings): MessageEvent | undefined {
  const { id, createdAt, time, state, messageId, nextDeliveryTime, error, responseStatus } = event;
  if (!OF_MESSAGES.has(state) && !MARKERS.has(state) && !isEnd(event)) return undefined;
  const { text } = redactorOf(settings);
  const step = compactStep(event, text);
  return {
    id,
    createdAt,
    time,
    state,
    url: "",
    ...(messageId !== undefined && { messageId }),
    ...(step !== undefined && { step }),
    ...(nextDeliveryTime !== undefined && { nextDeliveryTime }),
    ...(error !== undefined && { error: text(error) }),
    ...(responseStatus !== undefined && { responseStatus }),
  };
}

/** Once for each message is enough; but a Call's messages may have one id, and some have none. */
function compactStep({ state, messageId, step }: MessageEvent, text: (value: string) => string): MessageEvent["step"] {
  if (step === undefined) return undefined;
  const { id, name, type, callType, concurrent, createdAt } = step;
  const isCall = callType === "toCallback" || callType === "fromCallback";
  if (state !== "CREATED" && messageId !== undefined && !isCall) return undefined;
  return {
    ...(id !== undefined && { id }),
    name: text(name),
    type: text(type),
    ...(callType !== undefined && { callType: text(callType) }),
    state: "",
    ...(concurrent !== undefined && { concurrent }),
    ...(createdAt !== undefined && { createdAt }),
    errors: [],
  };
}
