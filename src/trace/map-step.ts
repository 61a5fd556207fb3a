import type { Step } from "../model/run.ts";
import { attribute } from "./attribute.ts";
import { ATTRIBUTES } from "./attributes.ts";
import { errorEvents, errorType, failedStatus } from "./errors.ts";
import { genAiAttributes } from "./gen-ai.ts";
import { iso, seconds } from "./instant.ts";
import { callAttributes, failedCallStatus } from "./map-call.ts";
import { type Mapping, spanOf, text, texts, urlText } from "./mapping.ts";
import { type CapturedValue, captureValue } from "./payload.ts";
import type { Attributes, Span } from "./span.ts";
import type { StepTime } from "./timeline.ts";
import { spanName } from "./value.ts";

/** A step's span, or that of a delivery which failed or was canceled. */
export function stepSpan(mapping: Mapping, time: StepTime, spanId: string, critical: boolean): Span {
  const { step, role } = time;
  const failed = hasFailed(mapping, time);
  const isCall = step.type === "Call";
  const genAi = isCall && step.call !== undefined ? genAiAttributes(step.call, step.out, mapping.settings.traces.gen_ai) : undefined;
  const error = failed ? step.errors.at(-1) : undefined;
  const badStatus = isCall ? failedCallStatus(step.call) : undefined;
  return spanOf(mapping, {
    spanId,
    name: spanName(text(mapping, mapping.naming.stepName(step.name)), role === "delivery" ? "delivery" : step.type || "step"),
    kind: isCall || step.type === "Invoke" ? "client" : "internal",
    start: time.start,
    end: time.end,
    role: role === "delivery" ? "delivery" : "step",
    attributes: {
      ...stepAttributes(mapping, time, critical),
      ...typeAttributes(mapping, time),
      ...(genAi && texts(mapping, genAi)),
      ...attribute(ATTRIBUTES.ERROR_TYPE, failed ? errorType(error) : badStatus?.toString()),
      ...payloadAttributes(mapping, step),
    },
    events: errorEvents(mapping, step.errors, failed, time.end),
    ...(failed ? { status: failedStatus(mapping, error) } : badStatus !== undefined && { status: { code: "error" as const } }),
    ...(genAi !== undefined && { scope: "gen_ai" as const }),
  });
}

/** The log may leave out the state of a delivery; in a failed run it is what failed. */
export function hasFailed({ run }: Pick<Mapping, "run">, { step, role }: StepTime): boolean {
  return step.state === "STEP_FAILED" || (role === "delivery" && step.state === "" && run.state === "RUN_FAILED");
}

/** Attempts seen in the log; undefined where the grouped log shows none, since a retry that recovered may leave nothing in it. */
export function attemptsOf(mapping: Pick<Mapping, "run">, time: StepTime): number | undefined {
  const { errors, state } = time.step;
  if (time.attempts !== undefined) return Math.max(time.attempts, errors.length);
  if (errors.length === 0) return undefined;
  return state === "STEP_SUCCESS" || (state === "" && !hasFailed(mapping, time)) ? errors.length + 1 : errors.length;
}

function stepAttributes(mapping: Mapping, time: StepTime, critical: boolean): Attributes {
  const { step } = time;
  return {
    ...attribute(ATTRIBUTES.STEP_ID, step.id),
    ...attribute(ATTRIBUTES.STEP_NAME, text(mapping, step.name)),
    ...attribute(ATTRIBUTES.STEP_TYPE, text(mapping, step.type)),
    ...attribute(ATTRIBUTES.STEP_CALL_TYPE, text(mapping, step.callType)),
    ...attribute(ATTRIBUTES.STEP_STATE, text(mapping, step.state)),
    ...attribute(ATTRIBUTES.STEP_MESSAGE_ID, text(mapping, step.messageId)),
    ...attribute(ATTRIBUTES.GROUP_INDEX, time.group),
    ...attribute(ATTRIBUTES.GROUP_SIZE, time.size),
    ...attribute(ATTRIBUTES.STEP_RETRIES, step.retries),
    ...attribute(ATTRIBUTES.STEP_ATTEMPTS, attemptsOf(mapping, time)),
    ...attribute(ATTRIBUTES.STEP_CRITICAL, critical),
    ...attribute(ATTRIBUTES.TIME_SOURCE, time.source),
    ...attribute(ATTRIBUTES.TIME_ADJUSTED, time.adjusted || undefined),
  };
}

function typeAttributes(mapping: Mapping, { step, sleep }: StepTime): Attributes {
  const { wait, invoked } = step;
  return {
    ...attribute(ATTRIBUTES.SLEEP_DURATION, seconds(sleep)),
    ...attribute(ATTRIBUTES.SLEEP_UNTIL, iso(step.sleepUntil)),
    ...attribute(ATTRIBUTES.WAIT_EVENT_ID, text(mapping, wait?.eventId)),
    ...attribute(ATTRIBUTES.WAIT_TIMEOUT, seconds(wait?.duration)),
    ...attribute(ATTRIBUTES.WAIT_TIMED_OUT, step.type.startsWith("Wait") ? wait?.timedOut : undefined),
    ...attribute(ATTRIBUTES.INVOKED_ID, text(mapping, invoked?.id)),
    ...attribute(ATTRIBUTES.INVOKED_URL, urlText(mapping, invoked?.url)),
    ...(step.call === undefined ? {} : callAttributes(mapping, step.call)),
  };
}

function payloadAttributes(mapping: Mapping, { out, call }: Step): Attributes {
  const { capture } = mapping.settings.traces;
  const output = captured(mapping, capture.outputs, out);
  const request = captured(mapping, capture.call_bodies, call?.requestBody);
  const response = captured(mapping, capture.call_bodies, call?.responseBody);
  return {
    ...attribute(ATTRIBUTES.STEP_OUTPUT, output?.value),
    ...attribute(ATTRIBUTES.STEP_OUTPUT_SIZE, output?.size),
    ...attribute(ATTRIBUTES.CALL_REQUEST_BODY, request?.value),
    ...attribute(ATTRIBUTES.CALL_REQUEST_BODY_SIZE, request?.size),
    ...attribute(ATTRIBUTES.CALL_RESPONSE_BODY, response?.value),
    ...attribute(ATTRIBUTES.CALL_RESPONSE_BODY_SIZE, response?.size),
  };
}

/** A payload that the user wants captured, if the log has it. */
export function captured({ redactor, settings }: Mapping, wanted: boolean, payload: string | undefined): CapturedValue | undefined {
  return wanted && payload !== undefined ? captureValue(payload, redactor, settings.traces.capture.max_bytes) : undefined;
}
