import { expect, test } from "vitest";
import type { Step } from "../../src/model/run.ts";
import { mostAttempts, readMessages } from "../../src/trace/messages.ts";
import { event, info, init, message } from "../support/message-log.ts";
import { at } from "../support/run-builder.ts";

const roleOf = (step: Step | undefined) => readMessages([event(1, "CREATED", { messageId: "msg_1", step })]).messages[0]?.role;

test("a message is what its step says", () => {
  expect(roleOf(info("Initial", "init"))).toBe("initial");
  expect(roleOf(info("Run", "a", { id: 1 }))).toBe("result");
  expect(roleOf(info("Call", "a", { id: 1, callType: "toCallback" }))).toBe("toCallback");
  expect(roleOf(info("Call", "a", { id: 1, callType: "fromCallback" }))).toBe("fromCallback");
  expect(roleOf(undefined)).toBe("other");
  expect(roleOf(info("", ""))).toBe("other");
});

test("a plan says so, or has no number though it is one of several", () => {
  expect(roleOf(info("Run", "a", { callType: "parallelPlan" }))).toBe("plan");
  expect(roleOf(info("Run", "a", { concurrent: 2 }))).toBe("plan");
  expect(roleOf(info("Run", "a", { concurrent: 2, id: 1 }))).toBe("result");
  expect(roleOf(info("Run", "a", { concurrent: 2, callType: "parallelResult" }))).toBe("result");
  expect(roleOf(info("Run", "a"))).toBe("result");
});

test("a message is due when it was made, or later if it says so", () => {
  const due = (nextDeliveryTime: number | undefined) =>
    readMessages(message("m", info("Run", "a", { id: 1 }), [5, "CREATED", { nextDeliveryTime }])).messages[0]!.due;
  expect([due(undefined), due(at(3)), due(at(9))]).toEqual([at(5), at(5), at(9)]);
  const [unknown] = readMessages(message("m", info("Run", "a", { id: 1 }), [7, "ACTIVE"])).messages;
  expect(unknown).toMatchObject({ created: undefined, due: undefined, attempts: [{ start: at(7) }] });
});

test("the two messages of a Call stay apart though they have one id; messages without ids are told apart by their step", () => {
  const about = (callType: string) => info("Call", "a", { id: 1, callType });
  const oneId = [...message("m", about("toCallback"), [1, "CREATED"]), ...message("m", about("fromCallback"), [5, "CREATED"])];
  expect(readMessages(oneId).messages.map(({ role }) => role)).toEqual(["toCallback", "fromCallback"]);
  const noIds = oneId.map(({ messageId: _, ...rest }) => rest);
  expect(readMessages(noIds).messages.map(({ role, id }) => role + id)).toEqual(["toCallback", "fromCallback"]);
});

test("repetitions and the order of the log change nothing, whatever states share a millisecond", () => {
  const events = [
    event(0, "RUN_STARTED"),
    ...init([1, "CREATED"], [1, "ACTIVE"], [9, "DELIVERED"]),
    ...message("m", info("Run", "a", { id: 1 }), [5, "CREATED"], [5, "ACTIVE"], [9, "DELIVERED"]),
    event(3, "WAITER_ADDED", { step: info("Wait", "w", { id: 2 }) }),
    event(9, "RUN_SUCCESS"),
  ];
  const expected = readMessages(events);
  expect(expected).toMatchObject({ messages: { length: 2 }, markers: [{ time: at(3) }], end: { time: at(9), state: "RUN_SUCCESS" } });
  expect(readMessages(events.toReversed())).toEqual(expected);
  expect(readMessages([...events, ...events.map((one) => structuredClone(one))])).toEqual(expected);
});

test("an event that names neither message nor step belongs to nothing; the last end counts", () => {
  expect(readMessages([event(1, "ACTIVE"), event(5, "RUN_FAILED"), event(9, "RUN_SUCCESS")])).toEqual({
    messages: [],
    markers: [],
    end: { time: at(9), state: "RUN_SUCCESS" },
  });
});

test("the most attempts of any message decide whether a run was retried", () => {
  expect(mostAttempts([])).toBe(0);
  expect(mostAttempts(init())).toBe(1);
  const retried = message("m", info("Run", "a"), [1, "CREATED"], [2, "ACTIVE"], [3, "ERROR"], [4, "ACTIVE"]);
  expect(mostAttempts([...init(), ...retried])).toBe(2);
});

test("ten thousand events are read in one go", () => {
  const events = Array.from({ length: 2_500 }, (_, i) =>
    message(`m${i}`, info("Run", "same", { id: i + 1 }), [i, "CREATED"], [i, "ACTIVE"], [i, "DELIVERED"], [i, "DELIVERED"]),
  ).flat();
  expect(readMessages(events).messages).toHaveLength(2_500);
});
