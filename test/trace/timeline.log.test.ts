import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { MessageEvent } from "../../src/model/event.ts";
import type { StepGroup, WorkflowRun } from "../../src/model/run.ts";
import { decodeEventsBody, decodeRunsBody } from "../../src/sources/upstash/decode.ts";
import { type Timeline, timeline } from "../../src/trace/timeline.ts";
import { event, info, init, message } from "../support/message-log.ts";
import { aRun, at, error, group, initial, next, step, T0 } from "../support/run-builder.ts";

const fixture = (name: string) => JSON.parse(readFileSync(new URL(`../fixtures/${name}.json`, import.meta.url), "utf8"));
const RUNS = decodeRunsBody(fixture("engine-runs")).runs;
const EVENTS = decodeEventsBody(fixture("engine-events")).events;
const SEEN: Record<string, { what: string; at: number }[]> = fixture("engine-seen-by-user-code");

const offset = (time: number) => time - T0;
type Timed = Pick<Timeline["steps"][number], "start" | "end" | "source" | "parts">;

/** `start–end`, `~` in front where it is inferred, its parts in brackets. */
function words({ start, end, source, parts }: Timed): string {
  const inside = parts.map((part) => `${part.kind} ${offset(part.start)}–${offset(part.end)}${part.error === undefined ? "" : "!"}`);
  return `${source === "log" ? "" : "~"}${offset(start)}–${offset(end)}${inside.length === 0 ? "" : ` [${inside.join(", ")}]`}`;
}

/** Of all steps but Initial. */
const times = (run: WorkflowRun, events: readonly MessageEvent[], minQueue?: number) =>
  timeline(run, events, minQueue)
    .steps.filter(({ role }) => role !== "initial")
    .map(words);
const deliveries = (run: WorkflowRun, events: readonly MessageEvent[]) =>
  timeline(run, events).deliveries.map((one) => `${one.group}.${one.index ?? ""} ${one.purpose} ${words({ ...one, source: "log" })}`);
const result = (name: string, id: number) => info("Run", name, { id });
const success = (time: number) => event(time, "RUN_SUCCESS");

describe("six programs of the official SDK that an engine ran, by what their own code saw", () => {
  /** What the log cannot know: the first request to the app took this long to reach the step, everything being cold. */
  const COLD_START = 20;
  const withinMs = (expected: number, found: number, limit = 10) => expect(Math.abs(expected - found)).toBeLessThanOrEqual(limit);

  test.each(RUNS)("$url", (run) => {
    const { steps } = timeline(
      run,
      EVENTS.filter(({ id }) => id === run.id),
    );
    const step = (name: string) => steps.find((one) => one.step.name === name)!;
    for (const { what, at: seen } of SEEN[run.id]!) {
      const [edge, name] = what.split(" ") as [string, string];
      if (edge === "start") withinMs(seen, step(name).start, name === "one" ? COLD_START : 10);
      if (edge === "end") withinMs(seen, step(name).end);
    }
    const attempts = SEEN[run.id]!.filter(({ what }) => what.startsWith("attempt"));
    const parts = steps.flatMap((one) => one.parts).filter(({ kind }) => kind === "attempt");
    if (run.url.endsWith("/call")) expect(parts).toHaveLength(2);
    else attempts.forEach(({ at: seen }, index) => void withinMs(seen, parts[index]!.start));
    for (const one of steps) expect(one.source).toBe("log");
    expect(
      timeline(
        run,
        EVENTS.filter(({ id }) => id === run.id),
      ).end,
    ).toBe(run.completedAt);
  });

  test("a call is its request alone, without its queue and the way of its answer", () => {
    const run = RUNS.find(({ url }) => url.endsWith("/call"))!;
    const { steps } = timeline(run, EVENTS);
    expect(steps.slice(1).map((one) => [one.start - run.createdAt, one.end - run.createdAt])).toEqual([
      [7, 162],
      [169, 321],
      [329, 480],
      [488, 634],
    ]);
  });
});

const twoRuns = aRun(1_000, [
  group(step("Run", "a", 100, { id: 1, messageId: "m1" })),
  group(step("Run", "b", 900, { id: 2, messageId: "m2" })),
]);
const first = message("m1", result("a", 1), [100, "CREATED"], [105, "ACTIVE"], [910, "DELIVERED"]);
const second = message("m2", result("b", 2), [900, "CREATED"], [902, "ACTIVE"], [1_001, "DELIVERED"]);

test("a step is executed from the ACTIVE of the message before it to the CREATED of its own", () => {
  expect(times(twoRuns, [...init(), ...first, ...second, success(1_000)])).toEqual(["2–100", "105–900"]);
});

test("the run ends when the message log says so", () => {
  expect(timeline(twoRuns, [...init(), success(998)])).toMatchObject({ end: at(998), adjusted: false });
  const { completedAt: _, ...endless } = twoRuns;
  expect(timeline(endless, [success(990)])).toMatchObject({ end: at(990), adjusted: false });
  expect(timeline(twoRuns, [success(700)])).toMatchObject({ end: at(900), adjusted: true });
});

test("every attempt is there, tiles the step with the back-off between, and the last one ends with the result", () => {
  const retried = message(
    "m1",
    result("a", 1),
    [100, "CREATED"],
    [105, "ACTIVE"],
    [200, "ERROR", { error: "500 boom", responseStatus: 500 }],
    [200, "RETRY", { nextDeliveryTime: at(400) }],
    [401, "ACTIVE"],
    [910, "DELIVERED"],
  );
  const log = [...init(), ...retried, ...second];
  expect(times(twoRuns, log)).toEqual(["2–100", "105–900 [attempt 105–200!, backoff 200–401, attempt 401–900]"]);
  const [, , b] = timeline(twoRuns, log).steps;
  expect(b).toMatchObject({ attempts: 2, step: { errors: [{ message: "500 boom", status: 500, time: at(200) }] } });
});

test("a delivery that a cancel cut in its back-off lasts until then, and its attempts are not all of it", () => {
  const canceled = aRun(5_000, [...twoRuns.groups.slice(1, 2), next({ messageId: "m1", state: "STEP_CANCELED" })], {
    state: "RUN_CANCELED",
  });
  const waits = message(
    "m1",
    result("a", 1),
    [100, "CREATED"],
    [105, "ACTIVE"],
    [200, "ERROR", { responseStatus: 500 }],
    [200, "RETRY", { nextDeliveryTime: at(9_000) }],
    [5_000, "CANCELED"],
  );
  expect(times(canceled, [...init(), ...waits, event(5_000, "RUN_CANCELED")])[1]).toBe("105–5000 [attempt 105–200!, backoff 200–5000]");
});

test("where the last attempts of a call are missing, its end is not that of an attempt before them", () => {
  const call = step("Call", "c", 3_000, { id: 1, messageId: "m1" });
  const request = (...more: Parameters<typeof message>[2][]) =>
    message(
      "m0",
      info("Call", "c", { callType: "toCallback" }),
      [10, "CREATED"],
      [12, "ACTIVE"],
      [200, "ERROR", { responseStatus: 500 }],
      [200, "RETRY", { nextDeliveryTime: at(2_000) }],
      ...more,
    );
  const run = aRun(4_000, [group(call)]);
  expect(times(run, [...init(), ...request([2_000, "ACTIVE"], [2_900, "DELIVERED"])])).toEqual([
    "12–2900 [attempt 12–200!, backoff 200–2000, attempt 2000–2900]",
  ]);
  // Its result was made when its answer had been delivered, too.
  expect(times(run, [...init(), ...request()])).toEqual(["~12–3000"]);
  const byRequest = aRun(4_000, [group({ ...call, createdAt: at(10), callType: "toCallback" })]);
  expect(times(byRequest, [...init(), ...request()])).toEqual(["~12–4000"]);
});

test("a call whose end is missing ends with its answer, or else when that had been passed on, which is said", () => {
  const call = step("Call", "c", 3_000, { id: 1, messageId: "m1" });
  const run = aRun(4_000, [group(call), group(step("Run", "b", 3_900, { id: 2, messageId: "m2" }))]);
  const about = (callType: string) => info("Call", "c", { id: 1, callType });
  const request = message("m0", about("toCallback"), [10, "CREATED"], [12, "ACTIVE"]);
  const back = message("back", about("fromCallback"), [800, "CREATED"], [801, "ACTIVE"], [3_001, "DELIVERED"]);
  const own = message("m1", about("step"), [3_000, "CREATED"], [3_002, "ACTIVE"]);
  expect(times(run, [...init(), ...request, ...back, ...own])[0]).toBe("12–800");
  expect(times(run, [...init(), ...request, ...own])[0]).toBe("~12–3000");
  const failed = message("m0", about("toCallback"), [10, "CREATED"], [12, "ACTIVE"], [90, "DELIVERED"]);
  expect(times(run, [...init(), ...failed, ...back, ...own])[0], "the one before the last was answered, too").toBe("12–800");
  expect(times(run, [...init(), ...request, ...back, ...own.slice(0, 1)])[1], "not before its message was made").toBe("~3000–3900");
});

test("a lost attempt does not end the step with the one before it", () => {
  const failed = aRun(5_090, [...twoRuns.groups.slice(1, 2), next({ messageId: "m1", errors: [error(200, 500), error(5_088, 500)] })], {
    state: "RUN_FAILED",
  });
  const left = message(
    "m1",
    result("a", 1),
    [100, "CREATED"],
    [105, "ACTIVE"],
    [200, "ERROR", { responseStatus: 500 }],
    [200, "RETRY", { nextDeliveryTime: at(5_060) }],
    [5_088, "FAILED"],
  );
  const log = [...init(), ...left, event(5_090, "RUN_FAILED")];
  expect(times(failed, log)[1]).toBe("105–5088");
  expect(timeline(failed, log).steps[2]).toMatchObject({ attempts: 2, adjusted: false });
});

test("a step whose number does not follow was not begun by the message before it", () => {
  const gap = aRun(1_000, [group(step("Run", "b", 900, { id: 2, messageId: "m2" }))]);
  expect(times(gap, [...init(), ...second, success(1_000)])).toEqual(["~2–900"]);
});

test("where the first attempts are missing, those that are there do not say when the step began", () => {
  const log = [
    ...init(),
    ...second,
    ...message("m1", result("a", 1), [100, "CREATED"], [200, "RETRY", { nextDeliveryTime: at(400) }], [401, "ACTIVE"], [910, "DELIVERED"]),
  ];
  expect(times(twoRuns, log, 1_000)[1]).toBe("~100–900");
});

test("an attempt that failed after it had made the result is none of the step's", () => {
  const late = message("m1", result("a", 1), [100, "CREATED"], [105, "ACTIVE"], [950, "ERROR"], [960, "ACTIVE"], [990, "DELIVERED"]);
  const [, , b] = timeline(twoRuns, [...init(), ...late, ...second]).steps;
  expect(b).toMatchObject({ attempts: 1, parts: [], step: { errors: [] }, source: "log" });
});

test("longer in the queue than min_queue is a part of the step, shorter is not", () => {
  const queued = message("m1", result("a", 1), [100, "CREATED"], [400, "ACTIVE"], [910, "DELIVERED"]);
  const log = [...init(), ...queued, ...second];
  expect(times(twoRuns, log, 299)[1]).toBe("100–900 [queued 100–400, attempt 400–900]");
  expect(times(twoRuns, log, 300)[1]).toBe("400–900");
});

test("the time until a message is due is no queue; a retry that came late was in the queue after its back-off", () => {
  const due = message("m1", result("a", 1), [100, "CREATED", { nextDeliveryTime: at(390) }], [400, "ACTIVE"], [910, "DELIVERED"]);
  expect(times(twoRuns, [...init(), ...due, ...second], 200)[1]).toBe("400–900");
  const late = message(
    "m1",
    result("a", 1),
    [100, "CREATED"],
    [100, "ACTIVE"],
    [200, "ERROR"],
    [200, "RETRY", { nextDeliveryTime: at(300) }],
    [700, "ACTIVE"],
  );
  expect(times(twoRuns, [...init(), ...late, ...second], 200)[1]).toBe(
    "100–900 [attempt 100–200!, backoff 200–300, queued 300–700, attempt 700–900]",
  );
});

test("what Initial's message waits is the start delay, whether it was to be held back or in the queue; a moment is none", () => {
  const long = (over: object) =>
    aRun(9_000, [], { groups: [group(initial(over)), group(step("Run", "a", 8_000, { id: 1, messageId: "m1" }))] });
  const own = message("m1", result("a", 1), [8_000, "CREATED"]);
  const read = (active: number, nextDeliveryTime?: number, over: object = {}) => {
    const events = [...init([1, "CREATED", { nextDeliveryTime }], [active, "ACTIVE"]), ...own];
    const { delay, steps } = timeline(long(over), events);
    expect(steps[1]!.adjusted).toBe(false);
    return [delay && offset(delay.end), words(steps[1]!)];
  };
  expect(read(90)).toEqual([undefined, "90–8000"]);
  expect(read(130)).toEqual([130, "130–8000"]);
  expect(read(5_003, at(5_000))).toEqual([5_003, "5003–8000"]);
  expect(read(5_003, undefined, { nextDeliveryTime: at(5_002) })).toEqual([5_003, "5003–8000"]);
  expect(read(3, undefined, { nextDeliveryTime: at(5_000) })).toEqual([undefined, "3–8000"]);
  const lost = init([5_003, "ACTIVE"]);
  expect(timeline(long({ nextDeliveryTime: at(5_000) }), [...lost, ...own]).delay?.end).toBe(at(5_000));
});

test("step by step, what is missing falls back to the grouped log", () => {
  const all = [...init(), ...first, ...second];
  const without = (test: (one: MessageEvent) => boolean) =>
    times(
      twoRuns,
      all.filter((one) => !test(one)),
    );
  expect(without(({ messageId, state }) => messageId === "m1" && state === "ACTIVE")).toEqual(["2–100", "~100–900"]);
  expect(without(({ messageId, state }) => messageId === "m1" && state === "CREATED")).toEqual(["2–100", "~100–900"]);
  expect(without(({ messageId }) => messageId === "msg_initial")).toEqual(["~2–100", "105–900"]);
  expect(without(({ messageId }) => messageId === "m2")).toEqual(["2–100", "105–900"]);
  expect(times(twoRuns, [])).toEqual(["~2–100", "~100–900"]);
  expect(times(twoRuns, [event(3, "RUN_STARTED")])).toEqual(["~2–100", "~100–900"]);
});

test("a hole among the attempts leaves the step whole, with its start, its end and as many attempts as were seen", () => {
  const retried = message(
    "m1",
    result("a", 1),
    [100, "CREATED"],
    [105, "ACTIVE"],
    [200, "ERROR"],
    [200, "RETRY"],
    [400, "ACTIVE"],
    [910, "DELIVERED"],
  );
  const without = (state: string, time: number) => retried.filter((one) => one.state !== state || one.time !== at(time));
  const read = (m1: MessageEvent[]) => {
    const [, , b] = timeline(twoRuns, [...init(), ...m1, ...second]).steps;
    return [words(b!), b!.attempts];
  };
  expect(read(retried)[1]).toBe(2);
  expect(read(without("ACTIVE", 400))).toEqual(["105–900", 2]);
  expect(read(without("ERROR", 200))).toEqual(["105–900 [attempt 105–200!, backoff 200–400, attempt 400–900]", 2]);
  expect(read(retried.filter(({ state }) => state !== "ERROR" && state !== "RETRY"))).toEqual(["105–900", 2]);
  const thirdLost = [...message("m1", result("a", 1), [300, "ERROR"], [410, "ERROR"]), ...retried.slice(0, 5)];
  expect(read(thirdLost.filter(({ time }) => time !== at(300)))).toEqual(["105–900", 2]);
  expect(read(without("ACTIVE", 105))).toEqual(["~100–900", 2]);
});

test("the grouped log's errors stay where they say as much as the message log's", () => {
  const run = aRun(
    700,
    [
      group(step("Run", "a", 100, { id: 1, messageId: "m1" })),
      next({ name: "b", messageId: "m1", errors: [error(300, 500, "first"), error(650, 500, "last")] }),
    ],
    { state: "RUN_FAILED" },
  );
  const failing = message(
    "m1",
    result("a", 1),
    [100, "CREATED"],
    [110, "ACTIVE"],
    [300, "ERROR", { error: "own words" }],
    [640, "ACTIVE"],
    [650, "ERROR"],
    [650, "FAILED"],
  );
  const [, , b] = timeline(run, [...init(), ...failing]).steps;
  expect(words(b!)).toBe("110–650 [attempt 110–300!, backoff 300–640, attempt 640–650!]");
  expect(b).toMatchObject({ attempts: 2, step: { errors: [{ message: "first" }, { message: "last" }] } });
  const [, , fewer] = timeline({ ...run, groups: [...run.groups.slice(0, 2), next({ messageId: "m1" })] }, [...init(), ...failing]).steps;
  expect(fewer?.step.errors.map(({ message }) => message)).toEqual(["own words", ""]);
});

test("the next entry without a message id of the log's is the delivery of the last message", () => {
  const failed = (messageId: string) =>
    aRun(700, [group(step("Run", "a", 100, { id: 1, messageId: "m1" })), next({ messageId })], { state: "RUN_FAILED" });
  const failing = message("m1", result("a", 1), [100, "CREATED"], [110, "ACTIVE"], [300, "ERROR"], [300, "FAILED"]);
  expect(times(failed("other"), [...init(), ...failing])[1]).toBe("110–300");
  expect(times(failed("m1"), [...init(), ...failing])[1]).toBe("110–300");
});

describe("sleeps", () => {
  const sleepFor = { value: 1, unit: "unknown" } as const;
  const run = aRun(2_000, [
    group(step("SleepFor", "nap", 10, { id: 1, messageId: "m1", sleepFor })),
    group(step("Run", "b", 1_900, { id: 2, messageId: "m2" })),
  ]);
  const nap = info("SleepFor", "nap", { id: 1 });
  const after = message("m2", result("b", 2), [1_900, "CREATED"]);
  const asleep = (active: number, state = "ACTIVE") =>
    message("m1", nap, [10, "CREATED", { nextDeliveryTime: at(1_010) }], [active, state]);

  test("from CREATED to ACTIVE", () => {
    expect(times(run, [...init(), ...asleep(1_012), ...after])).toEqual(["10–1012", "1012–1900"]);
    expect(timeline(run, [...init(), ...asleep(1_012), ...after]).steps[1]?.sleep).toBe(1_000);
  });

  test("what it was longer than asked for, because its message was in the queue, belongs to the step that was to follow", () => {
    expect(times(run, [...init(), ...asleep(1_700), ...after], 500)).toEqual([
      "10–1010",
      "1010–1900 [queued 1010–1700, attempt 1700–1900]",
    ]);
  });

  test("one that is canceled ends with that, and its length is what was asked for", () => {
    const canceled = aRun(500, [run.groups[1]!], { state: "RUN_CANCELED" });
    expect(times(canceled, [...init(), ...asleep(499, "CANCELED")])).toEqual(["10–499"]);
    expect(times(canceled, [...init(), ...asleep(10, "CREATED")])).toEqual(["10–500"]);
    expect(timeline(canceled, [...init(), ...asleep(499, "CANCELED")]).steps[1]?.sleep).toBe(1_000);
  });

  test("without its due time the grouped log's reading of its length stays", () => {
    const bare = message("m1", nap, [10, "CREATED"], [1_012, "ACTIVE"]);
    expect(timeline(run, [...init(), ...bare, ...after]).steps[1]?.sleep).toBe(1_000);
  });

  test("a parallel one delays its plan", () => {
    const siblings = aRun(2_000, [
      group(step("Run", "a", 300, { id: 1, messageId: "r1" }), step("SleepFor", "nap", 1_015, { id: 2, messageId: "r2", sleepFor })),
    ]);
    const log = [
      ...init(),
      ...message("p1", info("Run", "a", { concurrent: 2 }), [9, "CREATED"], [11, "ACTIVE"], [301, "DELIVERED"]),
      ...message(
        "p2",
        info("SleepFor", "nap", { concurrent: 2 }),
        [9, "CREATED", { nextDeliveryTime: at(1_009) }],
        [1_010, "ACTIVE"],
        [1_016, "DELIVERED"],
      ),
      ...message("r1", info("Run", "a", { id: 1, concurrent: 2 }), [300, "CREATED"]),
      ...message("r2", info("SleepFor", "nap", { id: 2, concurrent: 2 }), [1_015, "CREATED"]),
    ];
    expect(times(siblings, log)).toEqual(["11–300", "9–1010"]);
    expect(timeline(siblings, log).steps[2]?.sleep).toBe(1_000);
  });
});

describe("calls", () => {
  const call = { url: "https://third.example.net/", responseStatus: 200 };
  const run = (over: object = {}) =>
    aRun(2_000, [
      group(step("Call", "pay", 1_500, { id: 1, messageId: "m1", call, ...over })),
      group(step("Run", "b", 1_900, { id: 2, messageId: "m2" })),
    ]);
  const about = (callType: string) => info("Call", "pay", { id: 1, callType });
  const back = message("back", about("fromCallback"), [1_490, "CREATED"], [1_491, "ACTIVE"], [1_501, "DELIVERED"]);
  const own = [
    ...message("m1", about("step"), [1_500, "CREATED"], [1_502, "ACTIVE"]),
    ...message("m2", result("b", 2), [1_900, "CREATED"]),
  ];

  test("from ACTIVE to DELIVERED of the request, its queue and its attempts as parts", () => {
    const once = message("out", about("toCallback"), [5, "CREATED"], [6, "ACTIVE"], [1_490, "DELIVERED"]);
    expect(times(run(), [...init(), ...once, ...back, ...own])).toEqual(["6–1490", "1502–1900"]);
    const queued = message("out", about("toCallback"), [5, "CREATED"], [1_200, "ACTIVE"], [1_490, "DELIVERED"]);
    expect(times(run(), [...init(), ...queued, ...back, ...own])[0]).toBe("5–1490 [queued 5–1200, attempt 1200–1490]");
  });

  test.each([
    ["DELIVERED", ["DELIVERED"]],
    ["ERROR and RETRY", ["ERROR", "RETRY"]],
  ])("an attempt that failed may show as %s", (_, states) => {
    const failed = states.map((state) => [700, state] as const);
    const retried = message("out", about("toCallback"), [5, "CREATED"], [6, "ACTIVE"], ...failed, [900, "ACTIVE"], [1_490, "DELIVERED"]);
    const log = [...init(), ...retried, ...back, ...own];
    expect(times(run(), log)[0]).toBe("6–1490 [attempt 6–700!, backoff 700–900, attempt 900–1490]");
    expect(timeline(run(), log).steps[1]).toMatchObject({ attempts: 2, step: { errors: [{ time: at(700) }] } });
  });

  test("the last answer is the call's result, not one of its failed attempts", () => {
    const refused = message("out", about("toCallback"), [5, "CREATED"], [6, "ACTIVE"], [1_490, "ERROR"], [1_490, "FAILED"]);
    expect(timeline(run(), [...init(), ...refused, ...back, ...own]).steps[1]).toMatchObject({ attempts: 1, step: { errors: [] } });
    const earlier = refused.map((one) => (one.time === at(1_490) ? { ...one, time: at(1_400) } : one));
    const [pay] = timeline(run(), [...init(), ...earlier, ...back, ...own]).steps.slice(1);
    expect([words(pay!), pay?.step.errors], "given up, whenever that was passed on").toEqual(["6–1400", []]);
  });

  test("found by its number, whichever of its messages the grouped log names", () => {
    const once = message("out", about("toCallback"), [5, "CREATED"], [6, "ACTIVE"], [1_490, "DELIVERED"]);
    for (const messageId of ["out", "back", "unheard of"]) {
      expect(times(run({ messageId }), [...init(), ...once, ...back, ...own])).toEqual(["6–1490", "1502–1900"]);
    }
  });

  test("without its request in the log it is inferred from its neighbours", () => {
    expect(times(run(), [...init(), ...back, ...own])).toEqual(["~2–1500", "1502–1900"]);
    expect(times(run(), [...init(), ...back, ...own.slice(2)])).toEqual(["~2–1500", "~1500–1900"]);
  });

  test("one whose answer could not be told to the endpoint ends with that error", () => {
    const failed = { ...run({ state: "STEP_FAILED", createdAt: at(5), messageId: undefined }), state: "RUN_FAILED" };
    const once = message("out", about("toCallback"), [5, "CREATED"], [6, "ACTIVE"], [700, "DELIVERED"]);
    const lost = message(
      "back",
      about("fromCallback"),
      [700, "CREATED"],
      [701, "ACTIVE"],
      [900, "ERROR", { error: "500" }],
      [900, "FAILED"],
    );
    const [, pay] = timeline({ ...failed, groups: failed.groups.slice(0, 2) }, [...init(), ...once, ...lost]).steps;
    expect([words(pay!), pay?.step.errors]).toEqual(["6–900", [{ message: "500", time: at(900) }]]);
  });
});

describe("waits and invocations", () => {
  const wait = { eventId: "e", deadline: at(60_000), duration: 60_000 - 15, timedOut: false };
  const run = aRun(9_000, [
    group(step("Wait", "w", 5_000, { id: 1, messageId: "m1", wait })),
    group(step("Invoke", "i", 8_000, { id: 2, messageId: "m2", invoked: { id: "wfr_child", createdAt: at(5_020) } })),
  ]);
  const results = [
    ...message("m1", info("Wait", "w", { id: 1 }), [5_000, "CREATED"], [5_002, "ACTIVE"]),
    ...message("m2", info("Invoke", "i", { id: 2 }), [8_000, "CREATED"], [8_001, "ACTIVE"]),
  ];

  test("from WAITER_ADDED and INVOKED to the CREATED of the result", () => {
    const markers = [
      event(12, "WAITER_ADDED", { step: info("Wait", "w", { id: 1 }) }),
      event(5_010, "INVOKED", { step: info("Invoke", "i", { id: 2 }) }),
    ];
    expect(times(run, [...init(), ...markers, ...results])).toEqual(["12–5000", "5010–8000"]);
  });

  test("a marker may name its step only by name, or not at all", () => {
    const named = [event(12, "WAITER_ADDED", { step: info("Wait", "w") }), event(5_010, "INVOKED", { step: info("Invoke", "i") })];
    expect(times(run, [...init(), ...named, ...results])).toEqual(["12–5000", "5010–8000"]);
    expect(times(run, [...init(), event(12, "WAITER_ADDED"), event(5_010, "INVOKED"), ...results])).toEqual(["12–5000", "5010–8000"]);
  });

  test("markers of one name, or of none, are taken in their order", () => {
    const twice = aRun(9_000, [
      group(step("Wait", "w", 2_000, { messageId: "m1" })),
      group(step("Wait", "w", 5_000, { messageId: "m2" })),
      group(step("Wait", "w", 8_000, { messageId: "m3" })),
    ]);
    const made = [2_000, 5_000, 8_000].flatMap((time, i) => message(`m${i + 1}`, info("Wait", "w"), [time, "CREATED"]));
    const named = [10, 2_010].map((time) => event(time, "WAITER_ADDED", { step: info("Wait", "w") }));
    expect(times(twice, [...init(), ...made, ...named, event(5_010, "WAITER_ADDED")])).toEqual(["10–2000", "2010–5000", "5010–8000"]);
  });

  test("one that shows its start ends no later than when what follows it began", () => {
    const fork = group(
      step("Wait", "w", 7, { id: 1, messageId: "m1", concurrent: 2 }),
      step("Run", "r", 5_021, { id: 2, messageId: "m2", concurrent: 2 }),
    );
    const forked = aRun(6_000, [fork, group(step("Run", "after", 5_055, { id: 3, messageId: "m3" }))]);
    const left = message("m2", info("Run", "r", { id: 2, concurrent: 2 }), [5_021, "CREATED"], [5_022, "ACTIVE"]);
    const [wait, , after] = timeline(forked, [...init(), ...left]).steps.slice(1);
    expect([words(wait!), words(after!), after?.adjusted]).toEqual(["~2–5022", "5022–5055", false]);
  });

  test("without a marker the grouped log's start counts", () => {
    expect(times(run, [...init(), ...results])).toEqual(["15–5000", "5020–8000"]);
  });
});

describe("parallel steps", () => {
  const names = ["same", "same", "other"];
  const ends = [700, 300, 500];
  const siblings = group(...names.map((name, i) => step("Run", name, ends[i], { id: i + 1, messageId: `r${i}`, concurrent: 3 })));
  const run = aRun(1_000, [siblings, group(step("Run", "after", 900, { id: 4, messageId: "m4" }))]);
  const plan = (i: number, active: number, ...more: [number, string][]) =>
    message(`p${i}`, info("Run", names[i]!, { concurrent: 3 }), [9, "CREATED"], [active, "ACTIVE"], ...more);
  const results = names.flatMap((name, i) =>
    message(
      `r${i}`,
      info("Run", name, { id: i + 1, concurrent: 3 }),
      [ends[i]!, "CREATED"],
      [ends[i]! + 2, "ACTIVE"],
      [ends[i]! + (i === 0 ? 250 : 5), "DELIVERED"],
    ),
  );
  const after = message("m4", result("after", 4), [900, "CREATED"]);

  test("from the ACTIVE of the own plan to the CREATED of the result; of equals, the plan that was done first made the first result", () => {
    const plans = [...plan(0, 11, [702, "DELIVERED"]), ...plan(1, 20, [301, "DELIVERED"]), ...plan(2, 15, [501, "DELIVERED"])];
    expect(times(run, [...init(), ...plans, ...results, ...after])).toEqual(["11–700", "20–300", "15–500", "702–900"]);
  });

  test("what follows is executed by the last result's delivery; of two in one millisecond, by the one that took longer", () => {
    const tied = {
      ...run,
      groups: run.groups.map((one) => (one === siblings ? group(...siblings.steps.map((each) => ({ ...each, createdAt: at(700) }))) : one)),
    };
    const both = names.flatMap((name, i) =>
      message(
        `r${i}`,
        info("Run", name, { id: i + 1, concurrent: 3 }),
        [700, "CREATED"],
        [701 + i, "ACTIVE"],
        [i === 1 ? 901 : 710, "DELIVERED"],
      ),
    );
    expect(times(tied, [...init(), ...both, ...after])[3]).toBe("702–900");
  });

  test("without plans siblings share their fork, inferred", () => {
    expect(times(run, [...init(), ...results, ...after])).toEqual(["~2–700", "~2–300", "~2–500", "702–900"]);
  });

  test("one that failed was executed by its own plan: by message id, else by what remains", () => {
    const failing = (messageId: string | undefined): StepGroup =>
      group(
        step("Run", "same", 300, { id: 1, messageId: "r1", concurrent: 2 }),
        step("Run", "same", 9, { id: 2, messageId, state: "STEP_FAILED", concurrent: 2 }),
      );
    const plans = [
      ...message(
        "p1",
        info("Run", "same", { concurrent: 2 }),
        [9, "CREATED"],
        [12, "ACTIVE"],
        [100, "ERROR"],
        [150, "ACTIVE"],
        [200, "ERROR"],
        [200, "FAILED"],
      ),
      ...message("p0", info("Run", "same", { concurrent: 2 }), [9, "CREATED"], [11, "ACTIVE"], [301, "DELIVERED"]),
      ...message("r1", info("Run", "same", { id: 1, concurrent: 2 }), [300, "CREATED"]),
    ];
    for (const messageId of ["p1", undefined]) {
      const failed = aRun(310, [failing(messageId)], { state: "RUN_FAILED" });
      expect(times(failed, [...init(), ...plans])).toEqual(["11–300", "12–200 [attempt 12–100!, backoff 100–150, attempt 150–200!]"]);
    }
  });

  test("names that were redacted on the way to disk still find their plans by type", () => {
    const plans = [0, 1, 2].flatMap((i) =>
      message(`p${i}`, info("Run", "REDACTED", { concurrent: 3 }), [9, "CREATED"], [10 + i, "ACTIVE"], [ends[i]! + 1, "DELIVERED"]),
    );
    expect(times(run, [...init(), ...plans, ...results, ...after])).toEqual(["10–700", "11–300", "12–500", "702–900"]);
  });

  test("plans of one fork are not taken for those of the next", () => {
    const rounds = aRun(1_000, [
      group(step("Run", "x", 100, { id: 1, messageId: "a1" }), step("Run", "x", 200, { id: 2, messageId: "a2" })),
      group(step("Run", "x", 300, { id: 3, messageId: "b1" }), step("Run", "x", 400, { id: 4, messageId: "b2" })),
    ]);
    const planned = (id: string, made: number, done: number) =>
      message(id, info("Run", "x", { concurrent: 2 }), [made, "CREATED"], [made + 1, "ACTIVE"], [done, "DELIVERED"]);
    const made = (id: string, n: number, time: number) =>
      message(id, info("Run", "x", { id: n, concurrent: 2 }), [time, "CREATED"], [time + 1, "ACTIVE"]);
    const log = [...planned("p1", 10, 101), ...planned("p2", 10, 201), ...planned("p3", 210, 301), ...planned("p4", 210, 401)];
    const all = [...init(), ...log, ...made("a1", 1, 100), ...made("a2", 2, 200), ...made("b1", 3, 300), ...made("b2", 4, 400)];
    expect(times(rounds, all)).toEqual(["11–100", "11–200", "211–300", "211–400"]);
    const without = all.filter(({ messageId }) => messageId !== "p2");
    expect(times(rounds, without)).toEqual(["11–100", "~2–200", "211–300", "211–400"]);
  });
});

describe("deliveries that are no step's time", () => {
  const again = [
    [5, "CREATED"],
    [5, "ACTIVE"],
    [50, "ERROR"],
    [200, "ACTIVE"],
    [900, "DELIVERED"],
  ] as const;
  const twice = "5–250 [attempt 5–50!, backoff 50–200, attempt 200–250]";

  test("the one that led to a sleep, a wait, a call or an invocation", () => {
    const led = (type: string, extra: MessageEvent[]) => {
      const run = aRun(2_000, [group(step(type, "s", 1_000, { id: 1, messageId: "m1" }))]);
      return deliveries(run, [
        ...init(...again),
        ...extra,
        ...message("m1", info(type, "s", { id: 1 }), [type === "SleepFor" ? 250 : 1_000, "CREATED"]),
      ]);
    };
    const about = (type: string, over = {}) => ({ step: info(type, "s", { id: 1, ...over }) });
    expect(led("SleepFor", [])).toEqual([`1.0 request ${twice}`]);
    expect(led("Wait", [event(250, "WAITER_ADDED", about("Wait"))])).toEqual([`1.0 request ${twice}`]);
    expect(led("Invoke", [event(250, "INVOKED", about("Invoke"))])).toEqual([`1.0 request ${twice}`]);
    expect(led("Call", [event(250, "CREATED", { messageId: "out", ...about("Call", { callType: "toCallback" }) })])).toEqual([
      `1.0 request ${twice}`,
    ]);
    expect(led("Run", [])).toEqual([]);
  });

  test("the one that made the plans, the one that brought a call's answer, and the last one", () => {
    const run = aRun(2_000, [
      group(step("Run", "a", 1_000, { id: 1, messageId: "r1" }), step("Call", "c", 1_400, { id: 2, messageId: "r2" })),
    ]);
    const about = (callType: string) => info("Call", "c", { id: 2, callType, concurrent: 2 });
    const log = [
      ...init(...again),
      ...message("p1", info("Run", "a", { concurrent: 2 }), [250, "CREATED"], [251, "ACTIVE"], [1_001, "DELIVERED"]),
      ...message("p2", info("Call", "c", { concurrent: 2 }), [250, "CREATED"], [251, "ACTIVE"], [260, "DELIVERED"]),
      ...message("out", about("toCallback"), [255, "CREATED"], [256, "ACTIVE"], [900, "DELIVERED"]),
      ...message(
        "back",
        about("fromCallback"),
        [900, "CREATED"],
        [901, "ACTIVE"],
        [1_000, "ERROR"],
        [1_300, "ACTIVE"],
        [1_401, "DELIVERED"],
      ),
      ...message("r1", info("Run", "a", { id: 1, concurrent: 2 }), [1_000, "CREATED"], [1_001, "ACTIVE"], [1_003, "DELIVERED"]),
      ...message("r2", about("step"), [1_400, "CREATED"], [1_401, "ACTIVE"], [1_500, "ERROR"], [1_900, "ACTIVE"], [2_001, "DELIVERED"]),
      success(2_000),
    ];
    expect(deliveries(run, log)).toEqual([
      `1. request ${twice}`,
      "1.1 callback 901–1400 [attempt 901–1000!, backoff 1000–1300, attempt 1300–1400]",
      "2. request 1401–2000 [attempt 1401–1500!, backoff 1500–1900, attempt 1900–2000]",
    ]);
  });

  test("none where the log does not say when it was over, or where it lies outside of the run", () => {
    expect(deliveries(aRun(2_000, []), init(...again))).toEqual([]);
    const early = init([-900, "CREATED"], [-800, "ACTIVE"], [-700, "ERROR"], [100, "ACTIVE"]);
    expect(deliveries(aRun(2_000, []), [...early, success(2_000)])).toEqual([]);
    expect(deliveries(aRun(2_000, [], { state: "RUN_CANCELED" }), [...init(...again), event(2_000, "RUN_CANCELED")])).toEqual([]);
    const failed = aRun(900, [next({ messageId: "msg_initial" })], { state: "RUN_FAILED" });
    expect(deliveries(failed, [...init(...again), success(900)])).toEqual([]);
  });
});

test("a time of the message log that contradicts the order of steps moves, is said to, and has no parts", () => {
  const early = message("m1", result("a", 1), [100, "CREATED"], [50, "ACTIVE"], [60, "ERROR"], [70, "ACTIVE"]);
  const [, , b] = timeline(twoRuns, [...init(), ...early, ...second]).steps;
  expect(b).toMatchObject({ start: at(100), end: at(900), adjusted: true, parts: [] });
});

test("a carried step is a point, whatever the message log says of its message", () => {
  const resumed = aRun(1_000, [
    group(step("Run", "old", -500, { id: 1, messageId: "m0" })),
    group(step("Run", "b", 900, { id: 2, messageId: "m2" })),
  ]);
  const log = [...init(), ...message("m0", result("old", 1), [3, "CREATED"], [5, "ACTIVE"], [901, "DELIVERED"]), ...second];
  expect(times(resumed, log)).toEqual(["0–0", "5–900"]);
});

test("a run without a single step, and one whose Initial is unknown, are read", () => {
  expect(timeline(aRun(100, [], { groups: [] }), [...init(), success(90)])).toMatchObject({ end: at(90), steps: [] });
  const bare = aRun(1_000, [], { groups: [group(initial({ messageId: undefined })), group(step("Run", "a", 100, { messageId: "m1" }))] });
  expect(times(bare, [...init(), ...first])).toEqual(["2–100"]);
});
