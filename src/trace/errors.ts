import type { DeliveryError, Millis } from "../model/run.ts";
import { type NewAttributes, set } from "./attribute.ts";
import { ATTRIBUTES, EVENTS } from "./attributes.ts";
import { instant } from "./instant.ts";
import { type Mapping, text } from "./mapping.ts";
import type { SpanEvent, SpanStatus } from "./span.ts";

/** The SDK answers it for a WorkflowNonRetryableError. */
const NON_RETRYABLE = 489;
const TIMEOUT = /time[d -]?\s?out|deadline exceeded|ETIMEDOUT/i;
const CONNECTION =
  /connect|ECONN|ENOTFOUND|EPIPE|EAI_AGAIN|dial tcp|no such host|unreachable|broken pipe|\bEOF\b|\bTLS\b|certificate|socket/i;

/** `error.type`: the HTTP status, `timeout`, `connection`, `non_retryable` (489) or `_OTHER`. */
export function errorType(error: Pick<DeliveryError, "message" | "status"> | undefined): string {
  const status = statusOf(error);
  if (status !== undefined) return status === NON_RETRYABLE ? "non_retryable" : String(status);
  if (TIMEOUT.test(error?.message ?? "")) return "timeout";
  return CONNECTION.test(error?.message ?? "") ? "connection" : "_OTHER";
}

/** The status of the answer; where the log leaves it out, a message such as `500 Internal Server Error` begins with it. */
export function statusOf(error: Pick<DeliveryError, "message" | "status"> | undefined): number | undefined {
  if (error === undefined) return undefined;
  if (isHttpStatus(error.status)) return error.status;
  const leading = /^[1-5]\d\d(?= |$)/.exec(error.message)?.[0];
  return leading === undefined ? undefined : Number(leading);
}

export function isHttpStatus(status: number | undefined): status is number {
  return status !== undefined && Number.isInteger(status) && status >= 100 && status <= 999;
}

/** Attempts that were retried, one event each; the error that ended it (if one did) is its `exception`. */
export function errorEvents(mapping: Mapping, errors: readonly DeliveryError[], failed: boolean, end: Millis): SpanEvent[] {
  return errors.map((error, index) => {
    const time = instant(error.time ?? end);
    return failed && index === errors.length - 1 ? exception(mapping, error, time) : attemptFailed(mapping, error, index + 1, time);
  });
}

function attemptFailed(mapping: Mapping, error: DeliveryError, number: number, time: Millis): SpanEvent {
  const attributes: NewAttributes = {};
  set(attributes, ATTRIBUTES.ATTEMPT_NUMBER, number);
  set(attributes, ATTRIBUTES.HTTP_STATUS, statusOf(error));
  set(attributes, ATTRIBUTES.ERROR_TYPE, errorType(error));
  set(attributes, ATTRIBUTES.ATTEMPT_MESSAGE, text(mapping, error.message));
  return { name: EVENTS.ATTEMPT_FAILED, time, attributes };
}

function exception(mapping: Mapping, error: DeliveryError, time: Millis): SpanEvent {
  const attributes: NewAttributes = {};
  set(attributes, ATTRIBUTES.EXCEPTION_TYPE, errorType(error));
  set(attributes, ATTRIBUTES.EXCEPTION_MESSAGE, text(mapping, error.message));
  return { name: EVENTS.EXCEPTION, time, attributes };
}

/** ERROR, with the error's words where there are any. */
export function failedStatus(mapping: Mapping, error: DeliveryError | undefined): SpanStatus {
  const message = text(mapping, error?.message);
  return message === undefined || message === "" ? { code: "error" } : { code: "error", message };
}
