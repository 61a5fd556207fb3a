import { expect, test } from "vitest";
import { header, isSettled, isTerminal } from "../../src/model/run.ts";

test("the three known ends are terminal, and a started run is not, whatever else it shows", () => {
  for (const state of ["RUN_SUCCESS", "RUN_FAILED", "RUN_CANCELED"]) expect(isTerminal({ state })).toBe(true);
  expect(isTerminal({ state: "RUN_STARTED", completedAt: 1 })).toBe(false);
});

test("a state nobody knows has ended once it shows an end time", () => {
  expect(isTerminal({ state: "RUN_EXPIRED" })).toBe(false);
  expect(isTerminal({ state: "RUN_EXPIRED", completedAt: 1 })).toBe(true);
});

test("a failure function settles in every state but the one in progress", () => {
  expect(isSettled({ state: "CALLBACK_INPROGRESS", errors: [] })).toBe(false);
  expect(isSettled({ state: "", errors: [] })).toBe(false);
  for (const state of ["CALLBACK_SUCCESS", "CALLBACK_FAIL", "CALLBACK_CANCELED", "DELIVERED"]) {
    expect(isSettled({ state, errors: [] })).toBe(true);
  }
});

test("headers are looked up without case", () => {
  expect(header({ "Content-Type": ["a", "b"] }, "content-type")).toBe("a");
  expect(header({}, "x")).toBeUndefined();
  expect(header(undefined, "x")).toBeUndefined();
});
