import type { Step } from "../model/run.ts";
import { attributes, type Pair } from "./attribute.ts";
import { ATTRIBUTES } from "./attributes.ts";
import { errorEvents, errorType, failedStatus } from "./errors.ts";
import { genAiAttributes } from "./gen-ai.ts";
import { iso, seconds } from "./instant.ts";
import { callAttributes, capturedCallHeaders, failedCallStatus } from "./map-call.ts";
import { type Mapping, spanOf, text, texts, urlText } from "./mapping.ts";
import { type CapturedValue, captureValue } from "./payload.ts";
import type { Span } from "./span.ts";
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
  const own = attributes(mapping.identity, [...stepAttributes(mapping, time, critical), ...typeAttributes(mapping, time)]);
  const called = step.call && { ...capturedCallHeaders(mapping, step.call), ...(genAi && texts(mapping, genAi)) };
  const known = called === undefined ? own : { ...own, ...called };
  return spanOf(mapping, {
    spanId,
    name: spanName(text(mapping, mapping.naming.stepName(step.name)), role === "delivery" ? "delivery" : step.type || "step"),
    kind: isCall || step.type === "Invoke" ? "client" : "internal",
    start: time.start,
    end: time.end,
    role: role === "delivery" ? "delivery" : "step",
    attributes: attributes(known, [
      [ATTRIBUTES.ERROR_TYPE, failed ? errorType(error) : badStatus?.toString()],
      ...payloadAttributes(mapping, step),
    ]),
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

function stepAttributes(mapping: Mapping, time: StepTime, critical: boolean): Pair[] {
  const { step } = time;
  return [
    [ATTRIBUTES.STEP_ID, step.id],
    [ATTRIBUTES.STEP_NAME, text(mapping, step.name)],
    [ATTRIBUTES.STEP_TYPE, text(mapping, step.type)],
    [ATTRIBUTES.STEP_CALL_TYPE, text(mapping, step.callType)],
    [ATTRIBUTES.STEP_STATE, text(mapping, step.state)],
    [ATTRIBUTES.STEP_MESSAGE_ID, text(mapping, step.messageId)],
    [ATTRIBUTES.GROUP_INDEX, time.group],
    [ATTRIBUTES.GROUP_SIZE, time.size],
    [ATTRIBUTES.STEP_RETRIES, step.retries],
    [ATTRIBUTES.STEP_ATTEMPTS, attemptsOf(mapping, time)],
    [ATTRIBUTES.STEP_CRITICAL, critical],
    [ATTRIBUTES.TIME_SOURCE, time.source],
    [ATTRIBUTES.TIME_ADJUSTED, time.adjusted || undefined],
  ];
}

function typeAttributes(mapping: Mapping, { step, sleep }: StepTime): Pair[] {
  const { wait, invoked } = step;
  return [
    [ATTRIBUTES.SLEEP_DURATION, seconds(sleep)],
    [ATTRIBUTES.SLEEP_UNTIL, iso(step.sleepUntil)],
    [ATTRIBUTES.WAIT_EVENT_ID, text(mapping, wait?.eventId)],
    [ATTRIBUTES.WAIT_TIMEOUT, seconds(wait?.duration)],
    [ATTRIBUTES.WAIT_TIMED_OUT, step.type.startsWith("Wait") ? wait?.timedOut : undefined],
    [ATTRIBUTES.INVOKED_ID, text(mapping, invoked?.id)],
    [ATTRIBUTES.INVOKED_URL, urlText(mapping, invoked?.url)],
    ...(step.call === undefined ? [] : callAttributes(mapping, step.call)),
  ];
}

function payloadAttributes(mapping: Mapping, { out, call }: Step): Pair[] {
  const { capture } = mapping.settings.traces;
  const output = captured(mapping, capture.outputs, out);
  const request = captured(mapping, capture.call_bodies, call?.requestBody);
  const response = captured(mapping, capture.call_bodies, call?.responseBody);
  return [
    [ATTRIBUTES.STEP_OUTPUT, output?.value],
    [ATTRIBUTES.STEP_OUTPUT_SIZE, output?.size],
    [ATTRIBUTES.CALL_REQUEST_BODY, request?.value],
    [ATTRIBUTES.CALL_REQUEST_BODY_SIZE, request?.size],
    [ATTRIBUTES.CALL_RESPONSE_BODY, response?.value],
    [ATTRIBUTES.CALL_RESPONSE_BODY_SIZE, response?.size],
  ];
}

/** A payload that the user wants captured, if the log has it. */
export function captured({ redactor, settings }: Mapping, wanted: boolean, payload: string | undefined): CapturedValue | undefined {
  return wanted && payload !== undefined ? captureValue(payload, redactor, settings.traces.capture.max_bytes) : undefined;
}
