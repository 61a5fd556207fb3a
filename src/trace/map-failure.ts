import type { MessageEvent } from "../model/event.ts";
import { type DeliveryError, type FailureFunction, header, isSettled, type Millis, type WorkflowRun } from "../model/run.ts";
import { type NewAttributes, set } from "./attribute.ts";
import { ATTRIBUTES } from "./attributes.ts";
import type { MappingSettings } from "./config.ts";
import { errorEvents, errorType, failedStatus, isHttpStatus, statusOf } from "./errors.ts";
import { failureSpanId } from "./ids.ts";
import { httpDate, instant } from "./instant.ts";
import { finished } from "./limits.ts";
import { resourceOf } from "./map-resource.ts";
import { type Mapping, mappingOf, spanOf, text, urlText } from "./mapping.ts";
import { readMessages } from "./messages.ts";
import type { Attributes, MappedRun, Placement, Span } from "./span.ts";
import { timeline } from "./timeline.ts";
import { type ChildEnd, lastErrorTime } from "./timeline-statement.ts";

/** As in `RunFacts`: what the run's end and the failure function's own depend on. */
interface Facts {
  readonly events?: readonly MessageEvent[];
  readonly childEnd?: ChildEnd;
}

/**
 * The failure function's span by itself, for a run that was sent before it settled: the same bytes as in
 * `mapRun` with the same facts. `n` counts its repetitions, from 2. No span while it is in progress.
 */
export function mapFailureFunction(
  run: WorkflowRun,
  placement: Placement,
  settings: MappingSettings,
  { events, childEnd }: Facts = {},
  n = 1,
): MappedRun {
  const mapping = mappingOf(run, placement, settings);
  const { end } = timeline(run, events, settings.traces.min_queue, childEnd);
  return { resource: resourceOf(mapping), spans: failureSpans(mapping, end, events, n).map((span) => finished(span, settings)) };
}

/** It begins at the run's end: the only span outside of its parent. It ends where the message log says or, without that, the answer's `Date`. */
export function failureSpans(mapping: Mapping, runEnd: Millis, events: readonly MessageEvent[] = [], n = 1): Span[] {
  const failure = mapping.run.failureFunction;
  if (failure === undefined || !isSettled(failure)) return [];
  // A `Date` is rounded down to its second: the last error may seem to come after it.
  const answered = deliveredAt(failure, events) ?? httpDate(header(failure.responseHeaders, "date"));
  const end = Math.max(runEnd, ...[answered, lastErrorTime(failure)].map((time) => instant(time ?? 0)));
  const error = finalError(failure);
  const errors = error === undefined ? failure.errors : failure.errors.map((one, n) => (n === failure.errors.length - 1 ? error : one));
  return [
    spanOf(mapping, {
      spanId: failureSpanId(mapping.run.id, mapping.run.createdAt, n),
      name: "failure function",
      start: runEnd,
      end,
      role: "failure",
      attributes: failureAttributes(mapping, failure, error),
      events: errorEvents(mapping, errors, error !== undefined, end),
      ...(error !== undefined && { status: failedStatus(mapping, error) }),
    }),
  ];
}

/** The end of its message's last attempt, to the millisecond; undefined where the message log does not have it. */
function deliveredAt({ messageId }: FailureFunction, events: readonly MessageEvent[]): Millis | undefined {
  if (messageId === undefined) return undefined;
  return readMessages(events.filter((event) => event.messageId === messageId)).messages[0]?.attempts.at(-1)?.end;
}

/** What it failed with: its last error, which its answer's status only completes, so that its span tells one story; undefined if it did not fail. */
function finalError({ state, errors, responseStatus }: FailureFunction): DeliveryError | undefined {
  if (state !== "CALLBACK_FAIL") return undefined;
  const last = errors.at(-1) ?? { message: "" };
  return { ...last, status: [statusOf(last), responseStatus].find(isHttpStatus) };
}

function failureAttributes(mapping: Mapping, failure: FailureFunction, error: DeliveryError | undefined): Attributes {
  const status = error === undefined ? failure.responseStatus : error.status;
  const made: NewAttributes = { ...mapping.identity };
  set(made, ATTRIBUTES.FAILURE_STATE, text(mapping, failure.state));
  set(made, ATTRIBUTES.FAILURE_URL, urlText(mapping, failure.url));
  set(made, ATTRIBUTES.FAILURE_MESSAGE_ID, text(mapping, failure.messageId));
  set(made, ATTRIBUTES.FAILURE_DLQ_ID, text(mapping, failure.dlqId));
  set(made, ATTRIBUTES.FAILURE_MAX_RETRIES, failure.maxRetries);
  set(made, ATTRIBUTES.HTTP_STATUS, isHttpStatus(status) ? status : undefined);
  set(made, ATTRIBUTES.ERROR_TYPE, error && errorType(error));
  return made;
}
