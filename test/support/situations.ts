import type { FailureFunction, WorkflowRun } from "../../src/model/run.ts";
import { aRun, at, error, group, initial, next, step, T0 } from "./run-builder.ts";

/** Every situation that trace-model.md names, each under every reading that the log leaves open. Times: ms after the run's creation. */
export const SITUATIONS: Readonly<Record<string, WorkflowRun>> = {
  "run, notify, webhook, unknown type": aRun(900, [
    group(step("Run", "price", 100, { id: 1, out: '{"total":12}', messageId: "msg_1", retries: 3 })),
    group(step("Notify", "tell", 150, { id: 2, wait: { eventId: "order-7", timedOut: false }, out: "[]" })),
    group(step("CreateWebhook", "hook", 160, { id: 3, out: '{"webhookUrl":"https://q.example/hooks/1"}' })),
    group(step("Teleport", "beam", 400, { id: 4 })),
    group(step("Run", "", 800, { id: 5 })),
  ]),
  "parallel siblings": aRun(2_000, [
    group(step("Run", "fork", 500, { id: 1 })),
    group(
      step("Run", "a", 1_500, { id: 2, concurrent: 3 }),
      step("Run", "b", 700, { id: 3 }),
      step("SleepFor", "nap", 1_502, { id: 4, sleepFor: { value: 1, unit: "unknown" } }),
    ),
    group(step("Run", "join", 1_900, { id: 5 })),
  ]),
  "sleeps in sequence": aRun(300_000_000, [
    group(step("SleepFor", "ten seconds", 10, { id: 1, sleepFor: { value: 10, unit: "unknown" } })),
    group(step("Run", "between", 10_200, { id: 2 })),
    group(step("SleepUntil", "until", 10_210, { id: 3, sleepUntil: at(40_000) })),
    group(step("Run", "after", 40_100, { id: 4 })),
    group(step("SleepFor", "three days", 40_110, { id: 5, sleepFor: { value: 259_200_000, unit: "ms" } })),
    group(step("SleepUntil", "already past", 299_999_000, { id: 6, sleepUntil: at(100) })),
  ]),
  "sleeps, log in ms": aRun(13_000, [
    group(step("SleepFor", "ten seconds", 10, { id: 1, sleepFor: { value: 10_000, unit: "unknown" } })),
    group(step("Run", "between", 10_200, { id: 2 })),
    group(step("SleepFor", "one second", 10_210, { id: 3, sleepFor: { value: 1_000, unit: "unknown" } })),
    group(step("Run", "after", 12_900, { id: 4 })),
  ]),
  "call, createdAt its end": callRun(2_700),
  "call, createdAt its start": callRun(110),
  "wait, createdAt its end": waitRun(6_000, 20_000),
  "wait, createdAt its start": waitRun(103, 8_003),
  "invoke, createdAt its end": invokeRun(5_000, 9_000),
  "invoke, createdAt its start": invokeRun(104, 5_504),
  "start delay": aRun(62_000, [group(step("Run", "late", 61_000, { id: 1 }))], {
    groups: [group(initial({ nextDeliveryTime: at(60_000) })), group(step("Run", "late", 61_000, { id: 1 }))],
  }),
  "failed delivery, retried": aRun(
    4_010,
    [
      group(step("Run", "fine", 100, { id: 1, messageId: "msg_1" })),
      next({
        name: "charge",
        messageId: "msg_1",
        retries: 2,
        errors: [error(300, 500), error(1_500, 503), error(4_000, 489, "489 no such card")],
      }),
    ],
    { state: "RUN_FAILED", dlqId: "dlq_1" },
  ),
  "parallel sibling failed": aRun(
    3_005,
    [
      group(
        step("Run", "good", 800, { id: 1 }),
        step("Call", "bad", 5, { id: 2, state: "STEP_FAILED", errors: [error(1_000, 500), error(3_000, undefined, "connection refused")] }),
        step("Wait", "pending", 5, {
          id: 3,
          state: "STEP_CANCELED",
          wait: { eventId: "e", deadline: at(60_010), duration: 60_000, timedOut: false },
        }),
        step("Invoke", "child", 12, { id: 4, invoked: { id: "wfr_child", createdAt: at(10) } }),
      ),
    ],
    { state: "RUN_FAILED" },
  ),
  "canceled in mid-sleep": aRun(
    5_000,
    [
      group(step("Run", "before", 100, { id: 1 })),
      group(step("SleepFor", "a day", 110, { id: 2, sleepFor: { value: 86_400, unit: "unknown" } })),
    ],
    { state: "RUN_CANCELED" },
  ),
  "canceled delivery": aRun(
    5_000,
    [group(step("Run", "before", 100, { id: 1 })), next({ state: "STEP_CANCELED", errors: [error(400, undefined, "request timed out")] })],
    { state: "RUN_CANCELED" },
  ),
  "recovered step with errors": aRun(9_000, [
    group(step("Run", "flaky", 8_000, { id: 1, errors: [error(1_000, 502), error(undefined, 504)] })),
  ]),
  "resumed run": aRun(
    1_000,
    [
      group(step("Run", "done before", -50_000, { id: 1, messageId: "msg_old" })),
      group(step("Run", "sibling done before", -40_000, { id: 2 }), step("Run", "sibling done now", 400, { id: 3 })),
      group(step("Run", "rest", 900, { id: 4 })),
    ],
    {},
  ),
  "no end in the log": aRun(undefined, [group(step("Run", "one", 500, { id: 1 })), next({ errors: [error(800, 500)] })], {
    state: "RUN_FAILED",
  }),
  "end before the last step": aRun(500, [group(step("Run", "one", 400, { id: 1 })), group(step("Run", "two", 700, { id: 2 }))]),
  "times that run backwards": aRun(1_000, [
    group(step("Run", "one", 800, { id: 1 })),
    group(step("Run", "two", 300, { id: 2 })),
    group(step("SleepFor", "three", 200, { id: 3, sleepFor: { value: 100, unit: "ms" } })),
  ]),
  "repeated and missing step ids": aRun(1_000, [
    group(step("Run", "same", 100, { id: 1, messageId: "msg_1" })),
    group(step("Run", "same", 200, { id: 1, messageId: "msg_1" }), step("Run", "same", 210)),
    group(step("Run", "no time", undefined, { id: 2 })),
  ]),
  "no steps at all": aRun(1_000, [], { groups: [] }),
  "failure function failed": failedRun({
    state: "CALLBACK_FAIL",
    messageId: "msg_f",
    url: "https://user:secret@shop.example.com/fail?token=abc",
    dlqId: "dlq_f",
    maxRetries: 1,
    errors: [error(600, 500), error(2_000, 500, "500 again")],
  }),
  "failure function succeeded": failedRun({
    state: "CALLBACK_SUCCESS",
    errors: [error(700, 500)],
    responseStatus: 200,
    responseHeaders: { date: [new Date(at(3_000)).toUTCString()] },
    responseBody: "{}",
  }),
  "failure function canceled": failedRun({ state: "CALLBACK_CANCELED", errors: [] }),
  "failure function in progress": failedRun({ state: "CALLBACK_INPROGRESS", errors: [] }),
  "everything a run can carry": aRun(1_000, [group(step("Run", "one", 900, { id: 1, out: "1" }))], {
    labels: ["eu", "vip"],
    flowControlKey: "tenant-7",
    callerIp: "203.0.113.9",
    response: '{"ok":true}',
    groups: [
      group(initial({ out: '{"order":7}', headers: { Traceparent: ["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"] } })),
      group(step("Run", "one", 900, { id: 1, out: "1" })),
    ],
  }),
};

function callRun(createdAt: number): WorkflowRun {
  const call = {
    url: "https://user:pw@api.example.net:8443/v1/pay?token=t0ps3cret&x=1",
    method: "post",
    requestHeaders: { Authorization: ["Bearer abcdefghijklmnop"], "X-Trace": ["7"] },
    requestBody: '{"amount":12}',
    responseStatus: 200,
    responseBody: '{"id":"p_1"}',
    responseHeaders: { Date: [new Date(T0 + 2_600).toUTCString()], "Content-Type": ["application/json"] },
  };
  const missing = { ...call, url: "http://api.example.net/none", method: "BREW", responseStatus: 404 };
  return aRun(6_000, [
    group(step("Run", "before", 100, { id: 1 })),
    group(step("Call", "pay", createdAt, { id: 2, call, out: '{"status":200}' })),
    group(step("Run", "between", 2_800, { id: 3 })),
    group(step("Call", "lookup", 2_900, { id: 4, call: { ...missing, responseHeaders: {} } })),
    group(step("Run", "after", 3_000, { id: 5 })),
  ]);
}

function waitRun(createdAt: number, webhookAt: number): WorkflowRun {
  const wait = { eventId: "order-7", deadline: at(60_100), duration: 60_000, timedOut: false };
  return aRun(22_000, [
    group(step("Run", "before", 100, { id: 1 })),
    group(step("Wait", "approval", createdAt, { id: 2, wait, out: "e30=" })),
    group(step("Run", "between", 6_500, { id: 3 })),
    group(
      step("Wait", "nobody came", createdAt > 1_000 ? 8_000 : 6_503, {
        id: 4,
        wait: { ...wait, deadline: at(8_000), duration: 1_500, timedOut: true },
      }),
    ),
    group(step("WaitForWebhook", "hook", webhookAt, { id: 5, wait: { ...wait, deadline: at(68_000) } })),
    group(step("SleepUntil", "rest", 20_010, { id: 6, sleepUntil: at(21_000) })),
  ]);
}

function invokeRun(createdAt: number, secondAt: number): WorkflowRun {
  const invoked = { id: "wfr_child", url: "https://shop.example.com/api/child", createdAt: at(101), body: "{}" };
  return aRun(10_000, [
    group(step("Run", "before", 100, { id: 1 })),
    group(step("Invoke", "child", createdAt, { id: 2, invoked, out: '{"body":1}' })),
    group(step("Run", "between", 5_500, { id: 3 })),
    group(step("Invoke", "the same child again", secondAt, { id: 4, invoked: { ...invoked, createdAt: at(5_501) } })),
  ]);
}

function failedRun(failureFunction: FailureFunction): WorkflowRun {
  return aRun(500, [next({ errors: [error(499, 500)] })], { state: "RUN_FAILED", failureFunction });
}
