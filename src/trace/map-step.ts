import type { DeliveryError, Step } from "../model/run.ts";
import { type NewAttributes, set } from "./attribute.ts";
import { ATTRIBUTES } from "./attributes.ts";
import { errorEvents, errorType, failedStatus } from "./errors.ts";
import { eventWords } from "./event-links.ts";
import { genAiAttributes } from "./gen-ai.ts";
import { iso, seconds } from "./instant.ts";
import { capturedCallHeaders, failedCallStatus, setCall } from "./map-call.ts";
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
  const error = failed ? errorsOf(step).at(-1) : undefined;
  const badStatus = isCall ? failedCallStatus(step.call) : undefined;
  const own: NewAttributes = { ...mapping.identity };
  setStep(own, mapping, time, critical);
  setType(own, mapping, time);
  const more: NewAttributes = step.call === undefined ? own : {};
  if (step.call !== undefined) {
    setCall(more, mapping, step.call);
    Object.assign(more, capturedCallHeaders(mapping, step.call), genAi && texts(mapping, genAi));
  }
  set(more, ATTRIBUTES.ERROR_TYPE, failed ? errorType(error) : badStatus?.toString());
  setPayloads(more, mapping, step);
  return spanOf(mapping, {
    spanId,
    name: spanName(text(mapping, mapping.naming.stepName(step.name)), role === "delivery" ? "delivery" : step.type || "step"),
    kind: isCall || step.type === "Invoke" ? "client" : "internal",
    start: time.start,
    end: time.end,
    role: role === "delivery" ? "delivery" : "step",
    attributes: more === own ? own : { ...own, ...more },
    events: errorEvents(mapping, step.errors, failed, time.end),
    status: failed ? failedStatus(mapping, error) : badStatus === undefined ? undefined : { code: "error" },
    scope: genAi === undefined ? undefined : "gen_ai",
    event: mapping.settings.traces.capture.outputs ? eventWords(step) : undefined,
  });
}

/** The log may leave out the state of a delivery; in a failed run it is what failed. */
export function hasFailed({ run }: Pick<Mapping, "run">, { step, role }: StepTime): boolean {
  return step.state === "STEP_FAILED" || (role === "delivery" && step.state === "" && run.state === "RUN_FAILED");
}

/** As the log has them; of a Call without any, what its answer says. */
export function errorsOf(step: Step): readonly DeliveryError[] {
  const status = step.errors.length === 0 && step.type === "Call" ? failedCallStatus(step.call) : undefined;
  return status === undefined ? step.errors : [{ message: "", status }];
}

/** Attempts seen in the log; undefined where the grouped log shows none, since a retry that recovered may leave nothing in it. */
export function attemptsOf(mapping: Pick<Mapping, "run">, time: StepTime): number | undefined {
  const { errors, state } = time.step;
  if (time.attempts !== undefined) return Math.max(time.attempts, errors.length);
  if (errors.length === 0) return undefined;
  return state === "STEP_SUCCESS" || (state === "" && !hasFailed(mapping, time)) ? errors.length + 1 : errors.length;
}

function setStep(made: NewAttributes, mapping: Mapping, time: StepTime, critical: boolean): void {
  const { step } = time;
  set(made, ATTRIBUTES.STEP_ID, step.id);
  set(made, ATTRIBUTES.STEP_NAME, text(mapping, step.name));
  set(made, ATTRIBUTES.STEP_TYPE, text(mapping, step.type));
  set(made, ATTRIBUTES.STEP_CALL_TYPE, text(mapping, step.callType));
  set(made, ATTRIBUTES.STEP_STATE, text(mapping, step.state));
  set(made, ATTRIBUTES.STEP_MESSAGE_ID, text(mapping, step.messageId));
  set(made, ATTRIBUTES.GROUP_INDEX, time.group);
  set(made, ATTRIBUTES.GROUP_SIZE, time.size);
  set(made, ATTRIBUTES.STEP_RETRIES, step.retries);
  set(made, ATTRIBUTES.STEP_ATTEMPTS, attemptsOf(mapping, time));
  set(made, ATTRIBUTES.STEP_CRITICAL, critical);
  set(made, ATTRIBUTES.TIME_SOURCE, time.source);
  set(made, ATTRIBUTES.TIME_ADJUSTED, time.adjusted || undefined);
}

function setType(made: NewAttributes, mapping: Mapping, { step, sleep }: StepTime): void {
  const { wait, invoked } = step;
  set(made, ATTRIBUTES.SLEEP_DURATION, seconds(sleep));
  set(made, ATTRIBUTES.SLEEP_UNTIL, iso(step.sleepUntil));
  if (wait !== undefined) {
    set(made, ATTRIBUTES.WAIT_EVENT_ID, text(mapping, wait.eventId));
    set(made, ATTRIBUTES.WAIT_TIMEOUT, seconds(wait.duration));
    set(made, ATTRIBUTES.WAIT_TIMED_OUT, step.type.startsWith("Wait") ? wait.timedOut : undefined);
  }
  if (invoked !== undefined) {
    set(made, ATTRIBUTES.INVOKED_ID, text(mapping, invoked.id));
    set(made, ATTRIBUTES.INVOKED_URL, urlText(mapping, invoked.url));
  }
}

function setPayloads(made: NewAttributes, mapping: Mapping, { out, call }: Step): void {
  const { capture } = mapping.settings.traces;
  const output = captured(mapping, capture.outputs, out);
  const request = captured(mapping, capture.call_bodies, call?.requestBody);
  const response = captured(mapping, capture.call_bodies, call?.responseBody);
  set(made, ATTRIBUTES.STEP_OUTPUT, output?.value);
  set(made, ATTRIBUTES.STEP_OUTPUT_SIZE, output?.size);
  set(made, ATTRIBUTES.CALL_REQUEST_BODY, request?.value);
  set(made, ATTRIBUTES.CALL_REQUEST_BODY_SIZE, request?.size);
  set(made, ATTRIBUTES.CALL_RESPONSE_BODY, response?.value);
  set(made, ATTRIBUTES.CALL_RESPONSE_BODY_SIZE, response?.size);
}

/** A payload that the user wants captured, if the log has it. */
export function captured({ redactor, settings }: Mapping, wanted: boolean, payload: string | undefined): CapturedValue | undefined {
  return wanted && payload !== undefined ? captureValue(payload, redactor, settings.traces.capture.max_bytes) : undefined;
}
