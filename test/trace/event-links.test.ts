import { expect, test } from "vitest";
import type { Step } from "../../src/model/run.ts";
import { eventWords, withEventLinks } from "../../src/trace/event-links.ts";
import { mapRun } from "../../src/trace/map-run.ts";
import { ownPlacement } from "../../src/trace/placement.ts";
import { aRun, group, settingsWith, step } from "../support/run-builder.ts";

const capturing = settingsWith({ capture: { outputs: true } });
const mapped = (settings = capturing, ...steps: readonly Step[]) => {
  const run = aRun(1_000, [group(...steps)]);
  return mapRun(run, ownPlacement(run, settings), settings);
};
const wait = step("Wait", "approved", 900, { wait: { eventId: "order-7", timedOut: false } });
const notifyWith = (out: string) => step("Notify", "tell", 900, { out });
const told = (notifyResponse: unknown, eventId: unknown = "order-7") =>
  notifyWith(JSON.stringify({ eventId, eventData: 1, notifyResponse }));
const waiter = { waiter: { url: "https://shop.example.com/api/orders" }, messageId: "msg_1", error: "" };
const notify = told([waiter]);
const link = { traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331", traceFlags: 3, isRemote: true, attributes: {} };

test("a wait that was woken and a notify that woke it find each other by the event's id, which is nowhere to be read", () => {
  const [woken, waking] = [eventWords(wait), eventWords(notify)];
  expect(woken).toEqual({ own: waking?.other, other: waking?.own });
  expect(woken?.own).not.toBe(woken?.other);
  expect(JSON.stringify([woken, waking])).not.toContain("order-7");
  expect(eventWords(told([waiter], "order-8"))?.own).not.toBe(waking?.own);
});

test.each([
  ["timed out", step("Wait", "approved", 900, { wait: { eventId: "order-7", timedOut: true } })],
  ["was canceled", step("Wait", "approved", 900, { state: "STEP_CANCELED", wait: { eventId: "order-7", timedOut: false } })],
  [
    "still waited when its run failed",
    step("Wait", "approved", 900, { state: "STEP_PROGRESS", wait: { eventId: "order-7", timedOut: false } }),
  ],
  ["names no event", step("Wait", "approved", 900, { wait: { timedOut: false } })],
])("a wait that %s was woken by nobody", (_, step) => {
  expect(eventWords(step)).toBeUndefined();
});

test.each([
  ["an empty list", told([])],
  ["null", told(null)],
  ["a waiter that could not be told", told([{ ...waiter, error: "run is over" }])],
  ["an event for one run that could not be kept", told({ error: "no such run" })],
])("a notify answered with %s woke nobody", (_, step) => {
  expect(eventWords(step)).toBeUndefined();
});

test.each([
  ["two waiters, one of which could not be told", told([{ ...waiter, error: "run is over" }, waiter])],
  ["the one run that it was for", told(waiter)],
  ["an object without a waiter: the event is kept for the run until it waits", told({ workflowRunId: "wfr_1" })],
  ["nothing that is shown", told(undefined)],
  ["a list, all of it in base64", notifyWith(Buffer.from(notify.out ?? "").toString("base64"))],
])("a notify answered with %s may have woken a wait", (_, step) => {
  expect(eventWords(step)?.own).toBe(eventWords(notify)?.own);
});

test.each([
  "",
  "null",
  '"order-7"',
  "[1]",
  '{"eventId":""}',
  '{"eventId":7}',
  '{"eventId":"order-7","eventData":{"x":',
  `REDACTED:${"a".repeat(64)}`,
])("a notify says nothing with the output %s", (out) => {
  expect(eventWords(notifyWith(out))).toBeUndefined();
});

test("a notify whose output is not there, and steps of any other type, have no event", () => {
  expect(eventWords(step("Notify", "tell", 900))).toBeUndefined();
  expect(eventWords(step("Run", "x", 900, { out: notify.out }))).toBeUndefined();
  expect(eventWords(step("WaitForWebhook", "x", 900, { wait: { eventId: "order-7", timedOut: false } }))).toBeUndefined();
});

test("a step's span carries its event's words, whatever redaction and limits made of the id", () => {
  const strict = settingsWith({ capture: { outputs: true, max_bytes: 16 }, redact: { patterns: ["order-[0-9]"] } });
  expect(mapped(strict, wait).spans.map((span) => span.event)).toEqual([undefined, eventWords(wait)]);
  expect(mapped(strict, notify).spans.map((span) => span.event)).toEqual([undefined, eventWords(notify)]);
});

test("where outputs are not captured no span has an event", () => {
  expect(mapped(settingsWith(), wait, notify).spans.map((span) => span.event)).toEqual([undefined, undefined, undefined]);
});

test("the later exported side links to the other, and only that span changes", () => {
  const asked: unknown[] = [];
  const run = mapped(capturing, wait, step("Run", "x", 900));
  const linked = withEventLinks(run, (word) => {
    asked.push(word);
    return [link];
  });
  expect(asked).toEqual([eventWords(notify)?.own]);
  expect(linked.spans.map((span) => span.links)).toEqual([[], [link], []]);
  expect(linked.spans[2]).toBe(run.spans[2]);
  expect(withEventLinks(run, () => []).spans).toEqual(run.spans);
});
