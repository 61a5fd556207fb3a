import type { DeliveryError } from "../model/run.ts";
import { type NewAttributes, set } from "./attribute.ts";
import { ATTRIBUTES } from "./attributes.ts";
import { errorEvents, errorType, failedStatus, statusOf } from "./errors.ts";
import { partSpanId, stepSpanId } from "./ids.ts";
import { failedCallStatus } from "./map-call.ts";
import { type Mapping, spanOf, text } from "./mapping.ts";
import type { Span } from "./span.ts";
import type { StepId } from "./step-ids.ts";
import type { Part } from "./timeline-execution.ts";
import type { Delivery } from "./timeline-log.ts";

/** Children of a step that was executed more than once or waited long for it; they tile it. */
export function partSpans(mapping: Mapping, id: StepId): Span[] {
  const { parts, step } = id.time;
  const status = failedCallStatus(step.call);
  return parts.map((part, index) => {
    // A Call's last answer is its result, though it may be an error.
    const answer = status !== undefined && index === parts.length - 1 ? { message: "", status } : undefined;
    return partSpan(mapping, part, id, part.error ?? answer);
  });
}

/** A delivery that is no step's time, but took attempts or waited long; with its parts. `key` is its place in the run. */
export function deliverySpans(mapping: Mapping, delivery: Delivery): Span[] {
  const key = [delivery.group, delivery.index, delivery.purpose].filter((part) => part !== undefined).join(".");
  const id = { key, spanId: stepSpanId(mapping.run.id, mapping.run.createdAt, key) };
  const attributes: NewAttributes = { ...mapping.identity };
  set(attributes, ATTRIBUTES.STEP_MESSAGE_ID, text(mapping, delivery.messageId));
  set(attributes, ATTRIBUTES.STEP_ATTEMPTS, delivery.attempts);
  set(attributes, ATTRIBUTES.TIME_SOURCE, "log");
  const span = spanOf(mapping, {
    spanId: id.spanId,
    name: "delivery",
    start: delivery.start,
    end: delivery.end,
    role: "delivery",
    attributes,
    events: errorEvents(mapping, delivery.errors, false, delivery.end),
  });
  return [span, ...delivery.parts.map((part) => partSpan(mapping, part, id, part.error))];
}

function partSpan(mapping: Mapping, part: Part, { key, spanId }: Pick<StepId, "key" | "spanId">, error: DeliveryError | undefined): Span {
  const { id, createdAt } = mapping.run;
  const isAttempt = part.kind === "attempt";
  const attributes: NewAttributes = { ...mapping.identity };
  set(attributes, ATTRIBUTES.ATTEMPT_NUMBER, isAttempt ? part.n : undefined);
  set(attributes, ATTRIBUTES.TIME_SOURCE, "log");
  set(attributes, ATTRIBUTES.HTTP_STATUS, statusOf(error));
  set(attributes, ATTRIBUTES.ERROR_TYPE, error && errorType(error));
  return spanOf(mapping, {
    parentSpanId: spanId,
    spanId: partSpanId(part.kind, id, createdAt, key, part.n),
    name: isAttempt ? `attempt ${part.n}` : part.kind,
    start: part.start,
    end: part.end,
    role: "part",
    attributes,
    status: error && failedStatus(mapping, error),
  });
}
