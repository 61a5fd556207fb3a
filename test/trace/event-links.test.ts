import { expect, test } from "vitest";
import type { Step } from "../../src/model/run.ts";
import { eventOf, notifiedEvent, withEventLinks } from "../../src/trace/event-links.ts";
import { mapRun } from "../../src/trace/map-run.ts";
import { ownPlacement } from "../../src/trace/placement.ts";
import { aRun, group, settingsWith, step } from "../support/run-builder.ts";

const settings = settingsWith({ capture: { outputs: true } });
const mapped = (...steps: readonly Step[]) => {
  const run = aRun(1_000, [group(...steps)]);
  return mapRun(run, ownPlacement(run, settings), settings);
};
const wait = step("Wait", "approved", 900, { wait: { eventId: "order-7", timedOut: false } });
const notify = step("Notify", "tell", 900, { out: '{"eventId":"order-7","eventData":1,"notifyResponse":[]}' });
const link = { traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331", traceFlags: 3, isRemote: true, attributes: {} };

test("a wait names its event, a notify names it in its captured output, nothing else does", () => {
  expect(mapped(wait).spans.map(eventOf)).toEqual([undefined, { side: "wait", eventId: "order-7" }]);
  expect(mapped(notify).spans.map(eventOf)).toEqual([undefined, { side: "notify", eventId: "order-7" }]);
  expect(mapped(step("Run", "x", 900, { out: '{"eventId":"order-7"}' })).spans.map(eventOf)).toEqual([undefined, undefined]);
  expect(mapped(step("Notify", "tell", 900)).spans.map(eventOf)).toEqual([undefined, undefined]);
});

test("an event's id is read from an output that was cut behind it, with its escapes, and not from a broken one", () => {
  expect(notifiedEvent('{"eventId":"a\\"b","eventData":{"x":')).toBe('a"b');
  expect(notifiedEvent('{"eventId":"a\\q"}')).toBeUndefined();
  expect(notifiedEvent('{"eventId":"cut')).toBeUndefined();
  expect(notifiedEvent('{"eventId":""}')).toBeUndefined();
  expect(notifiedEvent("")).toBeUndefined();
});

test("the later exported side links to the other, and only that span changes", () => {
  const asked: unknown[] = [];
  const run = mapped(wait, step("Run", "x", 900));
  const linked = withEventLinks(run, (other) => {
    asked.push(other);
    return [link];
  });
  expect(asked).toEqual([{ side: "notify", eventId: "order-7" }]);
  expect(linked.spans.map((span) => span.links)).toEqual([[], [link], []]);
  expect(linked.spans[2]).toBe(run.spans[2]);
  expect(withEventLinks(run, () => []).spans).toEqual(run.spans);
});
