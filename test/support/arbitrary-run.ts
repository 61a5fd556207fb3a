import fc from "fast-check";
import type { DeliveryError, FailureFunction, Headers, Step, StepGroup, WorkflowRun } from "../../src/model/run.ts";
import { T0 } from "./run-builder.ts";

/**
 * Runs as a decoder may hand them on, from the believable to the hostile: every optional field present or
 * not, names in any script, lone surrogates, times that run backwards or lie centuries away.
 */

const STEP_TYPES = ["Initial", "Run", "Call", "SleepFor", "SleepUntil", "Wait", "Notify", "Invoke", "CreateWebhook", "WaitForWebhook"];
const STEP_STATES = ["STEP_SUCCESS", "STEP_RETRY", "STEP_FAILED", "STEP_PROGRESS", "STEP_CANCELED"];
const RUN_STATES = ["RUN_SUCCESS", "RUN_FAILED", "RUN_CANCELED"];
const FAILURE_STATES = ["CALLBACK_INPROGRESS", "CALLBACK_SUCCESS", "CALLBACK_FAIL", "CALLBACK_CANCELED", "DELIVERED"];

const text = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom("", "step", "charge card", "订单", "🧾 Rechnung", "wfr_1", "Bearer abcdefghijklmnopqrstuvwxyz") },
  { weight: 3, arbitrary: fc.string({ unit: "binary", maxLength: 12 }) },
  { weight: 1, arbitrary: fc.constantFrom("\ud800", "a\udfff\u0000b", "x".repeat(5_000), "__proto__", "constructor", "REDACTED:0f") },
);
const url = fc.oneof(
  fc.constantFrom("https://shop.example.com/api/orders", "http://[::1]:3000/x?token=s", "not a url", ""),
  fc.webUrl(),
  text,
);
/** Near each other, mostly; sometimes impossible. */
const time = fc.oneof(
  { weight: 12, arbitrary: fc.integer({ min: -5_000, max: 100_000 }).map((offset) => T0 + offset) },
  { weight: 1, arbitrary: fc.constantFrom(0, -1, 9_999_999_999_999, Number.MAX_SAFE_INTEGER, -8.64e15, T0 + 0.5) },
);
const count = fc.oneof(fc.nat(50), fc.constantFrom(-1, 0.5, Number.MAX_SAFE_INTEGER, Number.MAX_VALUE));
const headers: fc.Arbitrary<Headers> = fc.dictionary(
  fc.constantFrom("Date", "date", "Traceparent", "tracestate", "Authorization", "content-type", "X-Mine"),
  fc.array(
    fc.oneof(text, fc.constantFrom(new Date(T0 + 30_000).toUTCString(), "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")),
    { maxLength: 2 },
  ),
  { maxKeys: 4 },
);

const error: fc.Arbitrary<DeliveryError> = fc.record(
  { message: text, status: fc.oneof(fc.constantFrom(0, 200, 489, 500, 503), count), body: text, headers, time },
  { requiredKeys: ["message"] },
);

function step(types: fc.Arbitrary<string>): fc.Arbitrary<Step> {
  return fc.record(
    {
      name: text,
      type: types,
      state: fc.oneof({ weight: 8, arbitrary: fc.constantFrom("STEP_SUCCESS", ...STEP_STATES) }, { weight: 1, arbitrary: text }),
      errors: fc.oneof({ weight: 4, arbitrary: fc.constant([]) }, fc.array(error, { maxLength: 3 })),
      id: fc.oneof(fc.nat(6), count),
      callType: text,
      messageId: text,
      createdAt: time,
      concurrent: count,
      out: text,
      headers,
      retries: count,
      retryDelay: text,
      nextDeliveryTime: time,
      call: fc.record(
        {
          url,
          method: text,
          requestHeaders: headers,
          requestBody: text,
          responseStatus: count,
          responseHeaders: headers,
          responseBody: text,
        },
        { requiredKeys: [] },
      ),
      sleepFor: fc.record({ value: fc.oneof(count, fc.constantFrom(1, 10, 400, 10_000)), unit: fc.constantFrom("ms", "unknown") }),
      sleepUntil: time,
      wait: fc.record({ eventId: text, deadline: time, duration: count, timedOut: fc.boolean() }, { requiredKeys: ["timedOut"] }),
      invoked: fc.record(
        { id: fc.oneof(fc.constantFrom("wfr_child", ""), text), url, createdAt: time, body: text, headers },
        { requiredKeys: [] },
      ),
    },
    { requiredKeys: ["name", "type", "state", "errors"] },
  );
}

const anyType = fc.oneof({ weight: 12, arbitrary: fc.constantFrom(...STEP_TYPES) }, { weight: 1, arbitrary: text });
const group: fc.Arbitrary<StepGroup> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ type: fc.constantFrom("sequential", "single", "whatever"), steps: fc.array(step(anyType), { maxLength: 1 }) }),
  },
  { weight: 3, arbitrary: fc.record({ type: fc.constant("parallel"), steps: fc.array(step(anyType), { maxLength: 4 }) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("next"), steps: fc.array(step(fc.constant("")), { maxLength: 2 }) }) },
);

const failureFunction: fc.Arbitrary<FailureFunction> = fc.record(
  {
    state: fc.oneof(fc.constantFrom(...FAILURE_STATES), text),
    errors: fc.array(error, { maxLength: 2 }),
    messageId: text,
    url,
    failHeaders: headers,
    failStatus: count,
    failResponse: text,
    dlqId: text,
    responseStatus: count,
    responseHeaders: headers,
    responseBody: text,
    maxRetries: count,
  },
  { requiredKeys: ["state", "errors"] },
);

export const arbitraryRun: fc.Arbitrary<WorkflowRun> = fc.record(
  {
    id: text,
    createdAt: fc.oneof({ weight: 8, arbitrary: fc.constant(T0) }, time),
    url,
    state: fc.oneof({ weight: 8, arbitrary: fc.constantFrom(...RUN_STATES) }, text),
    labels: fc.array(text, { maxLength: 3 }),
    groups: fc.array(group, { maxLength: 8 }),
    oddities: fc.constant([]),
    completedAt: time,
    callerIp: text,
    response: text,
    flowControlKey: text,
    dlqId: text,
    invoker: fc.record({ id: text, createdAt: time, url }, { requiredKeys: ["id"] }),
    failureFunction,
  },
  { requiredKeys: ["id", "createdAt", "url", "state", "labels", "groups", "oddities"] },
);
