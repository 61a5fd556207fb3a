import { expect, test } from "vitest";
import type { Step, StepGroup, WorkflowRun } from "../../src/model/run.ts";
import { LATEST } from "../../src/trace/instant.ts";
import { timeline } from "../../src/trace/timeline.ts";
import { aRun, at, error, group, initial, next, step, T0 } from "../support/run-builder.ts";

/** Every step as `name: start … end source`, in ms after the run's creation; `!` where a time had to move. */
function picture(run: WorkflowRun): string[] {
  return timeline(run)
    .steps.filter((one) => one.role === "step" || one.role === "delivery")
    .map((one) => `${one.step.name}: ${one.start - T0} … ${one.end - T0} ${one.source}${one.adjusted ? "!" : ""}`);
}

const run = (name: string, createdAt: number, over: Partial<Step> = {}): StepGroup => group(step("Run", name, createdAt, over));
const wait = (createdAt: number, over: object = {}, type = "Wait") =>
  step(type, "wait", createdAt, { wait: { deadline: at(60_100), duration: 60_000, timedOut: false, ...over } });
const call = (createdAt: number, answeredAt: number) =>
  step("Call", "call", createdAt, { call: { responseHeaders: { date: [new Date(at(answeredAt)).toUTCString()] } } });

test("sequential steps tile the run from Initial's createdAt on", () => {
  expect(picture(aRun(500, [run("a", 100), run("b", 400)]))).toEqual(["a: 2 … 100 inferred", "b: 100 … 400 inferred"]);
});

test("parallel siblings share one fork, and the next group begins at the latest of them", () => {
  const siblings = group(
    step("Run", "b", 900),
    step("Run", "c", 300),
    step("SleepFor", "d", 600, { sleepFor: { value: 500, unit: "ms" } }),
  );
  expect(picture(aRun(2_000, [run("a", 100), siblings, run("e", 1_000)]))).toEqual([
    "a: 2 … 100 inferred",
    "b: 100 … 900 inferred",
    "c: 100 … 300 inferred",
    "d: 100 … 600 inferred",
    "e: 900 … 1000 inferred",
  ]);
});

test("a sleep begins at its createdAt, and the step after it does not contain it", () => {
  const sleep = group(step("SleepFor", "s", 110, { sleepFor: { value: 10_000, unit: "ms" } }));
  const until = group(step("SleepUntil", "u", 10_510, { sleepUntil: at(20_000) }));
  expect(picture(aRun(30_000, [run("a", 100), sleep, run("b", 10_500), until, run("c", 20_100)]))).toEqual([
    "a: 2 … 100 inferred",
    "s: 110 … 10110 log",
    "b: 10110 … 10500 inferred",
    "u: 10510 … 20000 log",
    "c: 20000 … 20100 inferred",
  ]);
});

test("a sleep until a time that the log does not say ends with what followed it, and says that this is inferred", () => {
  expect(picture(aRun(900, [group(step("SleepUntil", "s", 110)), run("b", 500)]))).toEqual([
    "s: 110 … 500 inferred",
    "b: 500 … 500 inferred",
  ]);
});

test("a sleep without a length in the log is no sleep; one without a createdAt begins with what was before it", () => {
  expect(picture(aRun(900, [group(step("SleepFor", "s", 110)), run("b", 500)]))).toEqual(["s: 110 … 110 log", "b: 110 … 500 inferred"]);
  expect(picture(aRun(900, [group(step("SleepUntil", "s", undefined, { sleepUntil: at(300) }))]))).toEqual(["s: 2 … 300 inferred"]);
  expect(picture(aRun(900, [group(step("SleepFor", "s", undefined, { sleepFor: { value: 1, unit: "ms" } }))]))).toEqual([
    "s: 2 … 900 inferred",
  ]);
});

test("a step keeps its length though the run is said to end before: the run is extended and says so", () => {
  const late = aRun(5_000, [group(step("SleepFor", "s", 100, { sleepFor: { value: 9_000, unit: "ms" } }))]);
  expect(picture(late)).toEqual(["s: 100 … 9100 log"]);
  expect(timeline(late)).toMatchObject({ start: T0, end: at(9_100), adjusted: true });
});

test("a canceled run cuts the sleep it was canceled in, and only that", () => {
  const sleep = group(step("SleepFor", "s", 100, { sleepFor: { value: 9_000, unit: "ms" } }));
  const canceled = { state: "RUN_CANCELED" };
  expect(picture(aRun(5_000, [sleep], canceled))).toEqual(["s: 100 … 5000 log"]);
  expect(timeline(aRun(5_000, [sleep], canceled))).toMatchObject({ end: at(5_000), adjusted: false });
  expect(picture(aRun(50, [sleep], canceled))).toEqual(["s: 100 … 100 log!"]);
  expect(picture(aRun(5_000, [run("a", 6_000)], canceled))).toEqual(["a: 2 … 6000 inferred"]);
});

test("a call ends at its createdAt; if its response is later than that, it began there", () => {
  const room = 7_000;
  expect(picture(aRun(room, [run("a", 100), group(call(3_000, 2_900)), run("b", 5_000)]))[1]).toBe("call: 100 … 3000 inferred");
  expect(picture(aRun(room, [run("a", 100), group(call(110, 2_877)), run("b", 5_000)]))[1]).toBe("call: 110 … 2877 log");
  expect(picture(aRun(room, [run("a", 100), group(call(2_000, 2_900)), run("b", 5_000)]))[1]).toBe("call: 100 … 2000 inferred");
});

test("a response that is dated after the next step ended comes from a clock that is ahead: the call keeps its createdAt as its end", () => {
  expect(picture(aRun(7_000, [group(call(3_000, 90_000)), run("b", 5_000)]))).toEqual([
    "call: 2 … 3000 inferred",
    "b: 3000 … 5000 inferred",
  ]);
});

const request = (createdAt: number, answeredAt: number | undefined, over: Partial<Step> = {}) => {
  const { call: answer } = call(createdAt, answeredAt ?? 0);
  return step("Call", "call", createdAt, { callType: "toCallback", ...(answeredAt !== undefined && { call: answer }), ...over });
};
const sleepAt = (createdAt: number, until: number) => group(step("SleepUntil", "s", createdAt, { sleepUntil: at(until) }));

test("a call that is logged by its request began at its createdAt, however short it was", () => {
  const shown = (one: Step, ...more: StepGroup[]) => picture(aRun(9_000, [run("a", 100), group(one), ...more]))[1];
  expect(shown(request(110, 2_877), run("b", 5_000)), "a response of a later second").toBe("call: 110 … 2877 log");
  expect(shown(request(110, 577), sleepAt(400, 6_000)), "a response of this second, and what began behind it").toBe(
    "call: 110 … 400 inferred",
  );
  expect(shown(request(110, 577), run("b", 5_000)), "it was over when that second was").toBe("call: 110 … 877 inferred");
  expect(shown(request(110, undefined), run("b", 5_000)), "no response in the log").toBe("call: 110 … 5000 inferred");
  expect(shown(request(110, 90_000), run("b", 5_000)), "a clock that is ahead").toBe("call: 110 … 5000 inferred");
  expect(shown(request(3_000, 500), run("b", 5_000)), "a clock that is behind, or a cached response").toBe("call: 3000 … 5000 inferred");
});

test("a call that may have been retried is never known for sure from its response", () => {
  const retried = request(110, 2_877, { retries: 3 });
  expect(picture(aRun(7_000, [run("a", 100), group(retried), run("b", 5_000)]))[1]).toBe("call: 110 … 2877 inferred");
});

test("a call that is logged by its response ended at its createdAt, whatever the response's clock says", () => {
  const answer = { ...call(3_000, 4_900), callType: "fromCallback" };
  expect(picture(aRun(7_000, [run("a", 100), group(answer), run("b", 5_000)]))[1]).toBe("call: 100 … 3000 inferred");
});

test.each(["Wait", "WaitForWebhook"])("a %s begins at its deadline less its timeout and ends at its createdAt", (type) => {
  expect(picture(aRun(9_000, [run("a", 90), group(wait(5_000, {}, type)), run("b", 6_000)]))).toEqual([
    "a: 2 … 90 inferred",
    "wait: 100 … 5000 log",
    "b: 5000 … 6000 inferred",
  ]);
});

test("a wait whose createdAt marks its start ends with what follows, inferred", () => {
  const sleep = group(step("SleepUntil", "s", 5_010, { sleepUntil: at(6_000) }));
  expect(picture(aRun(9_000, [run("a", 90), group(wait(103)), sleep]))[1]).toBe("wait: 100 … 5010 inferred");
  expect(picture(aRun(9_000, [run("a", 90), group(wait(103))]))[1]).toBe("wait: 100 … 9000 inferred");
});

test("a wait that timed out ends at its deadline under both readings", () => {
  for (const createdAt of [103, 60_101]) {
    expect(picture(aRun(70_000, [run("a", 90), group(wait(createdAt, { timedOut: true })), run("b", 65_000)]))[1]).toBe(
      "wait: 100 … 60100 log",
    );
  }
  expect(picture(aRun(70_000, [group(wait(60_101, { timedOut: true, deadline: undefined }))]))).toEqual(["wait: 2 … 60101 inferred"]);
});

test("a deadline in whole seconds says when the wait began only to the second", () => {
  const coarse = { deadline: Math.ceil(at(60_100) / 1_000) * 1_000 };
  expect(picture(aRun(9_000, [run("a", 90), group(wait(1_200, coarse)), run("b", 6_000)]))[1]).toBe("wait: 877 … 6000 inferred");
});

test("one wait that shows what createdAt marks decides for a short one beside it", () => {
  const short = step("Wait", "short", 5_020, { wait: { deadline: at(65_000), duration: 60_000, timedOut: false } });
  expect(picture(aRun(9_000, [group(wait(4_900)), group(short), run("b", 6_000)]))).toEqual([
    "wait: 100 … 4900 log",
    "short: 5000 … 5020 log",
    "b: 5020 … 6000 inferred",
  ]);
});

test("a wait that shows what createdAt marks decides for an invocation, and the other way round", () => {
  const quick = step("Invoke", "quick", 5_020, { invoked: { id: "wfr_child", createdAt: at(5_000) } });
  const kept = step("Wait", "kept", 5_001, { wait: { deadline: at(65_000), duration: 60_000, timedOut: false } });
  const long = step("Invoke", "long", 4_900, { invoked: { id: "wfr_other", createdAt: at(100) } });
  expect(picture(aRun(9_000, [group(wait(4_900)), group(quick), run("b", 6_000)]))[1]).toBe("quick: 5000 … 5020 log");
  expect(picture(aRun(9_000, [group(long), group(kept), run("b", 6_000)]))[1]).toBe("kept: 5000 … 5001 log");
  expect(picture(aRun(9_000, [run("a", 4_900), group(kept), run("b", 6_000)]))[1], "alone it says nothing").toBe(
    "kept: 5000 … 6000 inferred",
  );
});

test("what is inferred to end with what follows does not contain the wait that follows", () => {
  const later = step("Wait", "wait", 5_000, { wait: { deadline: at(8_400), duration: 8_000, timedOut: true } });
  const groups = [run("a", 90), group(request(105, undefined)), group(later), run("b", 9_000)];
  expect(picture(aRun(9_500, groups)).slice(1, 3)).toEqual(["call: 105 … 400 inferred", "wait: 400 … 8400 log"]);
});

test("an invocation whose createdAt marks its start ends when the invoked run did, where that is known", () => {
  const child = { id: "wfr_child", createdAt: at(100) };
  const known = aRun(9_000, [run("a", 90), group(step("Invoke", "i", 101, { invoked: child })), run("b", 8_000)]);
  const [, , invoke, after] = timeline(known, [], 1_000, ({ id }) => (id === "wfr_child" ? at(3_000) : undefined)).steps;
  expect([invoke?.start, invoke?.end, invoke?.source, after?.start]).toEqual([at(100), at(3_000), "inferred", at(3_000)]);
});

test("a wait without deadline begins with what was before it", () => {
  const bare = (createdAt: number) => step("Wait", "wait", createdAt, { wait: { eventId: "e", timedOut: false } });
  expect(picture(aRun(9_000, [run("a", 90), group(bare(5_000)), run("b", 6_000)]))[1]).toBe("wait: 90 … 5000 inferred");
  expect(picture(aRun(9_000, [run("a", 90), group(bare(95)), run("b", 6_000)]))[1]).toBe("wait: 90 … 6000 inferred");
});

test("an invocation begins with the invoked run and ends at its createdAt, else with what follows", () => {
  const invoke = (createdAt: number) => group(step("Invoke", "child", createdAt, { invoked: { id: "c", createdAt: at(105) } }));
  expect(picture(aRun(9_000, [run("a", 90), invoke(4_000), run("b", 6_000)]))[1]).toBe("child: 105 … 4000 log");
  expect(picture(aRun(9_000, [run("a", 90), invoke(107), run("b", 6_000)]))[1]).toBe("child: 105 … 6000 inferred");
  expect(picture(aRun(9_000, [group(step("Invoke", "child", 4_000))]))).toEqual(["child: 2 … 4000 inferred"]);
});

test("a wait never begins before its fork, though the log's own start says so", () => {
  expect(picture(aRun(9_000, [run("a", 200), group(wait(5_000), step("Run", "b", 300))]))).toEqual([
    "a: 2 … 200 inferred",
    "wait: 200 … 5000 log!",
    "b: 200 … 300 inferred",
  ]);
});

test("a sibling without a result has its plan's createdAt: judged by its state, never by a missing out", () => {
  const siblings = group(
    step("Run", "failed", 5, { state: "STEP_FAILED", errors: [error(700, 500), error(900, 500)] }),
    step("Run", "silent", 5, { state: "STEP_FAILED", errors: [error(undefined, 500)] }),
    step("Run", "canceled", 5, { state: "STEP_CANCELED" }),
    step("SleepFor", "asleep", 5, { state: "STEP_PROGRESS", sleepFor: { value: 60, unit: "unknown" } }),
    step("Run", "retrying", 5, { state: "STEP_RETRY" }),
    step("Run", "done", 600, { out: undefined }),
  );
  expect(picture(aRun(1_000, [siblings], { state: "RUN_FAILED" }))).toEqual([
    "failed: 2 … 900 inferred",
    "silent: 2 … 1000 inferred",
    "canceled: 2 … 1000 inferred",
    "asleep: 2 … 1000 inferred",
    "retrying: 2 … 1000 inferred",
    "done: 2 … 600 inferred",
  ]);
});

test("a failed delivery runs from the previous boundary to its last error, a canceled one to the run's end", () => {
  const failed = next({ name: "d", errors: [error(300, 500), error(900, 500)] });
  expect(picture(aRun(1_000, [run("a", 100), failed], { state: "RUN_FAILED" }))[1]).toBe("d: 100 … 900 inferred");
  const stateless = next({ name: "d", state: "", errors: [error(900, 500)] });
  expect(picture(aRun(1_000, [run("a", 100), stateless], { state: "RUN_FAILED" }))[1]).toBe("d: 100 … 900 inferred");
  const canceled = next({ name: "d", state: "STEP_CANCELED", errors: [error(300, 500)] });
  expect(picture(aRun(1_000, [run("a", 100), canceled], { state: "RUN_CANCELED" }))[1]).toBe("d: 100 … 1000 inferred");
});

test("what follows a wait can be a delivery: its first error bounds the wait", () => {
  const failed = next({ name: "d", errors: [error(5_000, 500), error(8_000, 500)] });
  expect(picture(aRun(8_001, [group(wait(103)), failed], { state: "RUN_FAILED" }))).toEqual([
    "wait: 100 … 5000 inferred",
    "d: 5000 … 8000 inferred",
  ]);
});

test("times that run backwards: no step begins before the previous group ended, none ends before it began", () => {
  expect(picture(aRun(1_000, [run("a", 800), run("b", 300), run("c", 900)]))).toEqual([
    "a: 2 … 800 inferred",
    "b: 800 … 800 inferred!",
    "c: 800 … 900 inferred",
  ]);
});

test("a run without an end ends with its latest step or error, and says that this was not in the log", () => {
  const open = aRun(undefined, [run("a", 100), next({ errors: [error(700, 500)] })], { state: "RUN_FAILED" });
  expect(timeline(open)).toMatchObject({ end: at(700), adjusted: true });
  expect(timeline(aRun(undefined, [], { groups: [] }))).toMatchObject({ start: T0, end: T0, adjusted: true, steps: [] });
});

test("steps older than their run were carried over from the one it resumes: points at its start, no boundaries", () => {
  const resumed = aRun(1_000, []);
  const groups = [group(initial({ createdAt: at(-9_000) })), run("old", -5_000), group(wait(103)), run("new", 900)];
  const { steps } = timeline({ ...resumed, groups });
  expect(steps.map(({ role, start, end }) => [role, start - T0, end - T0])).toEqual([
    ["initial", 0, 0],
    ["carried", 0, 0],
    ["step", 100, 900],
    ["step", 900, 900],
  ]);
});

test("a delayed start is nobody's work", () => {
  const delayed = (nextDelivery: number, groups: readonly StepGroup[], over: Partial<WorkflowRun> = {}) =>
    aRun(9_000, [], { groups: [group(initial({ nextDeliveryTime: at(nextDelivery) })), ...groups], ...over });
  const held = delayed(5_000, [run("a", 6_000)]);
  expect(timeline(held).delay).toEqual({ start: T0, end: at(5_000) });
  expect(picture(held)).toEqual(["a: 5000 … 6000 inferred"]);
  expect(timeline(delayed(3, [run("a", 6_000)])).delay).toBeUndefined();
  expect(timeline(delayed(-7, [run("a", 6_000)])).delay).toBeUndefined();
  expect(timeline(aRun(9_000, [], { groups: [group(initial({ createdAt: at(4_000) })), run("a", 6_000)] })).delay).toEqual({
    start: T0,
    end: at(4_000),
  });
});

test("a delivery time after the first step was made is that of a retry, no delay; after the run's end it is cut", () => {
  const groups = [group(initial({ nextDeliveryTime: at(5_000) })), run("a", 4_000)];
  expect(timeline(aRun(9_000, [], { groups })).delay).toBeUndefined();
  const canceled = aRun(2_000, [], { groups: [group(initial({ nextDeliveryTime: at(5_000) }))], state: "RUN_CANCELED" });
  expect(timeline(canceled)).toMatchObject({ end: at(2_000), adjusted: false, delay: { start: T0, end: at(2_000) } });
});

test("no time leaves what a span can hold", () => {
  const wild = aRun(1_000, [run("future", Number.MAX_SAFE_INTEGER), group(wait(5, { deadline: -5, duration: 1e300 }))], { createdAt: -1 });
  const { start, end, steps } = timeline(wild);
  expect([start, end]).toEqual([0, LATEST]);
  for (const one of steps) expect(one.start >= 0 && one.end <= LATEST).toBe(true);
});

test("how long a parallel sleep was to be is read from its own window, not from the gap behind it", () => {
  const siblings = group(step("SleepFor", "nap", 1_002, { sleepFor: { value: 1_000, unit: "unknown" } }), step("Run", "b", 500));
  const { steps } = timeline(aRun(2_000_000, [siblings, run("late", 1_900_000)]));
  expect(steps.find((one) => one.step.name === "nap")?.sleep).toBe(1_000);
});

test("what was carried over bounds nothing, wherever it stands", () => {
  expect(picture(aRun(9_000, [run("a", 90), group(wait(103)), run("old", -700)]))).toEqual([
    "a: 2 … 90 inferred",
    "wait: 100 … 9000 inferred",
  ]);
});
