import { expect, test } from "vitest";
import type { WorkflowRun } from "../../src/model/run.ts";
import { spansOfJson } from "../../src/otlp/decode-json.ts";
import { eventLinks, factsOf, findMarks, marksOf } from "../../src/pipeline/marks.ts";
import type { Mark } from "../../src/state/store.ts";
import { withEventLinks } from "../../src/trace/event-links.ts";
import { mapRun } from "../../src/trace/map-run.ts";
import { ownPlacement } from "../../src/trace/placement.ts";
import { logApi } from "../support/log-api.ts";
import { KEEP_ALL, readRig } from "../support/pipeline.ts";
import { aRun, at, group, settingsWith, step, T0 } from "../support/run-builder.ts";
import { virtualClock } from "../support/virtual-clock.ts";

const capturing = settingsWith({ capture: { outputs: true } });

/** The store's half: what was left is found again by its word. */
function memory(settings = capturing) {
  const left: Mark[] = [];
  const store = { findMarks: (_: string, words: readonly string[]) => Promise.resolve(left.filter((mark) => words.includes(mark.word))) };
  return async (run: WorkflowRun) => {
    const marks = await findMarks({ store, source: { name: "eu" }, settings } as never, [run]);
    const mapped = withEventLinks(mapRun(run, ownPlacement(run, settings), settings, factsOf(run, marks)), eventLinks(marks, run));
    left.push(...marksOf(run, mapped));
    return mapped;
  };
}

/** Whom a notify woke, as the API answers. */
const woke = { waiter: { url: "https://shop.example.com/api/orders" }, messageId: "msg_woken", error: "" };
const notified = (eventId: string, notifyResponse: unknown) => JSON.stringify({ eventId, eventData: 1, notifyResponse });

const waiter = aRun(1_000, [group(step("Wait", "approved", 900, { wait: { eventId: "order-7", timedOut: false } }))], {
  id: "wfr_waiter",
});
const notifier = aRun(1_000, [group(step("Notify", "tell", 900, { out: notified("order-7", [woke]) }))], {
  id: "wfr_notifier",
});

test.each([
  ["wait", waiter, notifier],
  ["notify", notifier, waiter],
])("whichever is exported later links to the other: first the %s", async (_, first, second) => {
  const collect = memory();
  const [earlier, later] = [await collect(first), await collect(second)];
  expect(earlier.spans[1]?.links).toEqual([]);
  expect(later.spans[1]?.links).toEqual([
    expect.objectContaining({ traceId: earlier.spans[1]?.traceId, spanId: earlier.spans[1]?.spanId }),
  ]);
});

test("a wait that timed out and a notify that woke nobody leave nothing behind and are linked to nothing", async () => {
  const timedOut = aRun(1_000, [group(step("Wait", "approved", 900, { wait: { eventId: "order-7", timedOut: true } }))], {
    id: "wfr_late",
  });
  const unheard = aRun(1_000, [group(step("Notify", "tell", 900, { out: notified("order-7", []) }))], { id: "wfr_unheard" });
  for (const [first, second] of [
    [timedOut, notifier],
    [notifier, timedOut],
    [unheard, waiter],
    [waiter, unheard],
  ] as const) {
    const collect = memory();
    await collect(first);
    expect((await collect(second)).spans[1]?.links).toEqual([]);
  }
});

test("events whose ids look alike once redacted or cut are linked to their own, on one page and across pages", async () => {
  const settings = settingsWith({ capture: { outputs: true }, redact: { patterns: ["cust_[0-9]{8}"] }, max_value_bytes: 64 });
  const collect = memory(settings);
  const idOf = (n: number) => `${"long ".repeat(20)}approval-cust_${n}`;
  const waiting = (n: number) =>
    collect(aRun(1_000, [group(step("Wait", "w", 900, { wait: { eventId: idOf(n), timedOut: false } }))], { id: `wfr_waiter_${n}` }));
  const [first, second] = [await waiting(11_111_111), await waiting(22_222_222)];
  const attribute = "upstash.workflow.step.wait.event.id";
  expect(first.spans[1]?.attributes[attribute]).toBe(second.spans[1]?.attributes[attribute]);
  const out = notified(idOf(22_222_222), [woke]);
  const telling = await collect(aRun(1_000, [group(step("Notify", "n", 900, { out }))], { id: "wfr_telling" }));
  expect(telling.spans[1]?.links).toMatchObject([{ traceId: second.spans[1]?.traceId, spanId: second.spans[1]?.spanId }]);
});

test("where outputs are not captured no event is remembered, and none is asked for", async () => {
  const settings = settingsWith();
  const collect = memory(settings);
  await collect(notifier);
  expect((await collect(waiter)).spans[1]?.links).toEqual([]);
  expect(marksOf(waiter, mapRun(waiter, ownPlacement(waiter, settings), settings))).toEqual([]);
});

test("a resumed run links to the run whose messages it carries, and says its id", async () => {
  const carried = step("Run", "charge", 100, { messageId: "msg_carried" });
  const failed = aRun(1_000, [group(carried)], { id: "wfr_failed", state: "RUN_FAILED" });
  const resumed = aRun(9_000, [group(carried), group(step("Run", "ship", 8_500))], { id: "wfr_resumed", createdAt: at(8_000) });
  const collect = memory(settingsWith());
  const [before] = (await collect(failed)).spans;
  const [root] = (await collect(resumed)).spans;
  expect(root?.attributes["upstash.workflow.run.resumed_from.id"]).toBe("wfr_failed");
  expect(root?.links).toEqual([expect.objectContaining({ traceId: before?.traceId, spanId: before?.spanId })]);
});

test("event ids are the user's words: only their hashes are left behind", async () => {
  const marks = marksOf(waiter, mapRun(waiter, ownPlacement(waiter, capturing), capturing));
  expect(marks).toHaveLength(1);
  expect(JSON.stringify(marks)).not.toContain("order-7");
});

test("runs that come on one page link to each other too: in the order of their ends, whatever the page's order", async () => {
  const clock = virtualClock(T0 + 60_000);
  const rig = await readRig({
    clock,
    api: logApi(clock, T0 + 60_000),
    traces: { capture: { outputs: true } },
    destinations: KEEP_ALL.map((plan) => ({ ...plan, encoding: "json" as const })),
  });
  const woken = { ...notifier, completedAt: at(950) };
  rig.api.programs.push(...[waiter, woken].map((run) => ({ id: run.id, createdAt: run.createdAt, endsAt: at(1_000), over: run })));
  await rig.runFor(60_000);
  const queued = await rig.store.queued("jaeger", "json", 0, Number.POSITIVE_INFINITY);
  const spans = queued.flatMap(({ chunks }) => chunks.flatMap(({ bytes }) => spansOfJson(bytes).flatMap((run) => run.spans)));
  const step = (type: string) => spans.find((span) => span.attributes["upstash.workflow.step.type"] === type);
  expect(step("Notify")?.links).toEqual([]);
  expect(step("Wait")?.links).toMatchObject([{ traceId: step("Notify")?.traceId, spanId: step("Notify")?.spanId }]);
});
