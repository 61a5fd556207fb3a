import { expect, test } from "vitest";
import type { MessageEvent } from "../../src/model/event.ts";
import type { WorkflowRun } from "../../src/model/run.ts";
import { broughtUpToDate, runsFromEvents } from "../../src/trace/run-from-events.ts";
import { event, info, init, message } from "../support/message-log.ts";
import { aRun, at, group, step, T0 } from "../support/run-builder.ts";

const end = (state: string, time = 1_000) => event(time, state);
const run = (name: string, id: number | undefined, made: number, over: object = {}) =>
  message(
    `m${id ?? name}`,
    info("Run", name, { ...(id !== undefined && { id }), ...over }),
    [made, "CREATED"],
    [made + 1, "ACTIVE"],
    [made + 9, "DELIVERED"],
  );
const plan = (name: string, made: number, ...more: [number, string][]) =>
  message(`p-${name}`, info("Run", name, { concurrent: 3 }), [made, "CREATED"], [made + 1, "ACTIVE"], ...more);

/** Groups as `name#id state`, `|` between siblings; Initial left out. */
function groups(...events: MessageEvent[]): string[] {
  const [only] = runsFromEvents(events);
  return only!.groups
    .filter(({ steps }) => steps[0]?.type !== "Initial")
    .map(
      (one) => `${one.type}: ${one.steps.map(({ name, id, state }) => `${name}#${id ?? ""} ${state.replace("STEP_", "")}`).join(" | ")}`,
    );
}

test("a run is what its events say of it", () => {
  const invoker = { id: "wfr_parent", createdAt: at(-9), url: "https://shop.example.com/parent" };
  const events = [
    event(0, "RUN_STARTED", { invoker }),
    ...init(),
    ...run("a", 1, 100),
    end("RUN_SUCCESS"),
    event(1_000, "RUN_SUCCESS", { runResponse: "7" }),
  ];
  expect(runsFromEvents(events)).toEqual([
    {
      id: "wfr_order",
      createdAt: T0,
      url: "https://shop.example.com/api/orders",
      state: "RUN_SUCCESS",
      completedAt: at(1_000),
      response: "7",
      invoker,
      labels: [],
      groups: [
        expect.anything(),
        { type: "sequential", steps: [expect.objectContaining({ name: "a", createdAt: at(100), messageId: "m1" })] },
      ],
      oddities: [],
    },
  ]);
});

test("a run whose end is not there is in progress; one known by its end alone is its span", () => {
  expect(runsFromEvents([event(0, "RUN_STARTED")])).toMatchObject([{ state: "RUN_STARTED", groups: [] }]);
  expect(runsFromEvents([event(0, "RUN_STARTED")])[0]).not.toHaveProperty("completedAt");
  expect(runsFromEvents([end("RUN_CANCELED")])).toMatchObject([{ state: "RUN_CANCELED", completedAt: at(1_000), groups: [] }]);
  expect(runsFromEvents([])).toEqual([]);
});

test("runs are told apart by id and time", () => {
  const again = { ...end("RUN_FAILED"), createdAt: T0 + 5 };
  expect(runsFromEvents([end("RUN_SUCCESS"), again, event(3, "RUN_STARTED", { id: "wfr_other" })]).map(({ state }) => state)).toEqual([
    "RUN_SUCCESS",
    "RUN_FAILED",
    "RUN_STARTED",
  ]);
});

test("Initial shows until when it was held back", () => {
  const initialOf = (...lines: Parameters<typeof init>) => runsFromEvents(init(...lines))[0]!.groups[0]!.steps[0]!;
  expect(initialOf([1, "CREATED", { nextDeliveryTime: at(5_000) }], [5_001, "ACTIVE"])).toMatchObject({
    type: "Initial",
    nextDeliveryTime: at(5_000),
  });
  expect(initialOf([1, "CREATED", { nextDeliveryTime: at(1) }], [2, "ACTIVE"]).nextDeliveryTime).toBeUndefined();
  expect(initialOf([2, "ACTIVE"]).nextDeliveryTime).toBeUndefined();
});

test("what carries a result has succeeded, whatever state the log shows with it", () => {
  expect(groups(...run("a", 1, 100, { state: "STEP_RETRY" }), ...run("b", 2, 200, { state: "" }))).toEqual([
    "sequential: a#1 SUCCESS",
    "sequential: b#2 SUCCESS",
  ]);
});

test("n parallel results make one group, by their numbers or by when they were made", () => {
  const parallel = [..."abcdef"].flatMap((name, i) => run(name, i + 2, [300, 200, 250, 500, 400, 450][i]!, { concurrent: 3 }));
  expect(groups(...run("first", 1, 100), ...parallel, ...run("last", 8, 900))).toEqual([
    "sequential: first#1 SUCCESS",
    "parallel: a#2 SUCCESS | b#3 SUCCESS | c#4 SUCCESS",
    "parallel: d#5 SUCCESS | e#6 SUCCESS | f#7 SUCCESS",
    "sequential: last#8 SUCCESS",
  ]);
  const unnumbered = [..."ab"].flatMap((name, i) => run(name, undefined, 300 - i, { concurrent: 2, callType: "parallelResult" }));
  expect(groups(...run("first", undefined, 100), ...unnumbered)).toEqual([
    "sequential: first# SUCCESS",
    "parallel: b# SUCCESS | a# SUCCESS",
  ]);
});

test("a sibling without a result is there by its plan, with the number that is left", () => {
  const siblings = [...run("a", 1, 300, { concurrent: 3 }), ...run("c", 3, 400, { concurrent: 3 })];
  const plans = [...plan("a", 10, [301, "DELIVERED"]), ...plan("c", 10, [401, "DELIVERED"])];
  const bad = plan("b", 10, [500, "ERROR"], [500, "FAILED"]);
  expect(groups(...siblings, ...plans, ...bad, end("RUN_FAILED"))).toEqual(["parallel: a#1 SUCCESS | b#2 FAILED | c#3 SUCCESS"]);
  expect(groups(...siblings, ...plans, ...plan("b", 10), end("RUN_CANCELED"))).toEqual([
    "parallel: a#1 SUCCESS | b#2 CANCELED | c#3 SUCCESS",
  ]);
  expect(groups(...siblings, ...plans, ...plan("b", 10))).toEqual(["parallel: a#1 SUCCESS | b#2 PROGRESS | c#3 SUCCESS"]);
  expect(groups(...siblings, ...plans, ...plan("b", 10), ...run("after", 4, 600))).toEqual([
    "parallel: a#1 SUCCESS | b#2 SUCCESS | c#3 SUCCESS",
    "sequential: after#4 SUCCESS",
  ]);
});

test("siblings of which none has a result are a group by their plans", () => {
  const all = [...run("first", 1, 5), ...[..."abc"].flatMap((name) => plan(name, 20))];
  expect(groups(...all, end("RUN_CANCELED"))).toEqual([
    "sequential: first#1 SUCCESS",
    "parallel: a#2 CANCELED | b#3 CANCELED | c#4 CANCELED",
  ]);
  expect(groups(...all.filter(({ messageId }) => messageId !== "p-b"), end("RUN_CANCELED"))[1]).toBe("parallel: a# CANCELED | c# CANCELED");
});

test("the first sibling may be the one that is missing", () => {
  const events = [
    ...run("first", 1, 5),
    ...run("b", 3, 300, { concurrent: 2 }),
    ...run("c", 4, 700, { concurrent: 2 }),
    ...run("d", 5, 600, { concurrent: 2 }),
  ];
  expect(groups(...events)).toEqual(["sequential: first#1 SUCCESS", "parallel: b#3 SUCCESS", "parallel: c#4 SUCCESS | d#5 SUCCESS"]);
});

test("a call, a wait or an invocation without a result is there by what began it", () => {
  const request = message("out", info("Call", "pay", { id: 1, callType: "toCallback" }), [5, "CREATED"], [6, "ACTIVE"]);
  const waiter = event(5, "WAITER_ADDED", { step: info("Wait", "w", { id: 1, createdAt: at(3) }) });
  expect(groups(...init(), ...request, end("RUN_CANCELED"))).toEqual(["sequential: pay#1 CANCELED"]);
  expect(groups(...init(), waiter, end("RUN_CANCELED"))).toEqual(["sequential: w#1 CANCELED"]);
  expect(groups(...init(), event(5, "INVOKED", { step: info("Invoke", "i", { id: 1 }) }))).toEqual(["sequential: i#1 PROGRESS"]);
  expect(runsFromEvents([waiter, end("RUN_CANCELED")])[0]!.groups[0]!.steps[0]).toMatchObject({ createdAt: at(5) });
  const lost = runsFromEvents([waiter, ...run("b", 2, 500), end("RUN_SUCCESS")])[0]!;
  expect(lost.groups.map(({ steps }) => steps.map(({ name, state, createdAt }) => [name, state, createdAt]))).toEqual([
    [["w", "STEP_SUCCESS", undefined]],
    [["b", "STEP_SUCCESS", at(500)]],
  ]);
  expect(groups(event(5, "WAITER_ADDED"))).toEqual([]);
});

test("one with a result is there once, though what began it names it only by name", () => {
  const result = message("m1", info("Wait", "w", { id: 1 }), [500, "CREATED"]);
  expect(groups(event(5, "WAITER_ADDED", { step: info("Wait", "w") }), ...result)).toEqual(["sequential: w#1 SUCCESS"]);
  const unnumbered = message("m1", info("Wait", "w"), [500, "CREATED"]);
  expect(groups(event(5, "WAITER_ADDED", { step: info("Wait", "w", { id: 1 }) }), ...unnumbered)).toEqual(["sequential: w# SUCCESS"]);
});

test("a call whose answer could not be told to the endpoint has failed", () => {
  const about = (callType: string) => info("Call", "pay", { id: 1, callType });
  const events = [
    ...message("out", about("toCallback"), [5, "CREATED"], [6, "ACTIVE"], [90, "DELIVERED"]),
    ...message("back", about("fromCallback"), [90, "CREATED"], [91, "ACTIVE"], [99, "ERROR"], [99, "FAILED"]),
  ];
  expect(groups(...init(), ...events, end("RUN_FAILED"))).toEqual(["sequential: pay#1 FAILED"]);
});

test("the delivery that failed is the next group, named where an error names its step", () => {
  const failing = message(
    "m1",
    info("Run", "a", { id: 1 }),
    [100, "CREATED"],
    [101, "ACTIVE"],
    [300, "ERROR", { failedStepName: "charge" }],
    [300, "FAILED"],
  );
  expect(groups(...init(), ...failing, end("RUN_FAILED"))).toEqual(["sequential: a#1 SUCCESS", "next: charge# FAILED"]);
  expect(groups(...init(), end("RUN_FAILED"))).toEqual(["next: # FAILED"]);
  expect(groups(...init())).toEqual([]);
});

test("a canceled run shows the delivery that was cut, if one was", () => {
  const canceled = (...lines: Parameters<typeof message>[2][]) =>
    groups(...message("m1", info("Run", "a", { id: 1 }), [100, "CREATED"], ...lines), end("RUN_CANCELED"));
  const cut = ["sequential: a#1 SUCCESS", "next: # CANCELED"];
  expect(canceled([101, "ACTIVE"])).toEqual(cut);
  expect(canceled([101, "ACTIVE"], [200, "ERROR"], [200, "RETRY"])).toEqual(cut);
  expect(canceled([500, "CANCELED"])).toEqual(cut);
  expect(canceled([101, "ACTIVE"], [200, "DELIVERED"])).toEqual(cut.slice(0, 1));
  expect(canceled()).toEqual(cut.slice(0, 1));
});

test("a run that the grouped log shows behind is brought up to date, with what only it holds", () => {
  const behind = aRun(undefined, [], { state: "RUN_STARTED", labels: ["eu"], flowControlKey: "k" });
  const events = [...init(), ...run("a", 1, 100), end("RUN_SUCCESS")];
  expect(broughtUpToDate(behind, events)).toMatchObject({
    state: "RUN_SUCCESS",
    completedAt: at(1_000),
    labels: ["eu"],
    groups: { length: 2 },
  } satisfies object);
  expect(broughtUpToDate(behind, events.slice(0, -1))).toBe(behind);
  const ended: WorkflowRun = aRun(900, [group(step("Run", "a", 100))]);
  expect(broughtUpToDate(ended, events)).toBe(ended);
});

test("where the log begins late, what is left of a fork is its end, counted from what follows it", () => {
  const wide = (name: string, id: number | undefined, made: number) => run(name, id, made, { concurrent: 5 });
  const left = [...wide("e", 5, 500), ...wide("f", 6, 600), ...run("after", 7, 700), end("RUN_SUCCESS")];
  expect(groups(...left)).toEqual(["parallel: e#5 SUCCESS | f#6 SUCCESS", "sequential: after#7 SUCCESS"]);
  expect(groups(...wide("c", 3, 300), ...left.slice(3)), "nothing but the third, and the last").toEqual([
    "parallel: c#3 SUCCESS | f#6 SUCCESS",
    "sequential: after#7 SUCCESS",
  ]);
  const two = (name: string, id: number, made: number) => run(name, id, made, { concurrent: 2 });
  expect(groups(...two("b", 2, 200), ...two("c", 3, 300), ...two("d", 4, 350), ...run("after", 5, 700), end("RUN_SUCCESS"))).toEqual([
    "parallel: b#2 SUCCESS",
    "parallel: c#3 SUCCESS | d#4 SUCCESS",
    "sequential: after#5 SUCCESS",
  ]);
  const unnumbered = ["b", "c", "d"].flatMap((name, i) => run(name, undefined, 200 + i, { concurrent: 2, callType: "parallelResult" }));
  expect(groups(...unnumbered, end("RUN_SUCCESS"))).toEqual(["parallel: b# SUCCESS", "parallel: c# SUCCESS | d# SUCCESS"]);
  expect(groups(...plan("a", 10), ...plan("b", 10), end("RUN_CANCELED")), "of plans alone nobody knows the numbers").toEqual([
    "parallel: a# CANCELED | b# CANCELED",
  ]);
});
