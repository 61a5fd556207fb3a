import { expect, test } from "vitest";
import { distinctRuns, endOf, header, isSettled, isTerminal, keyOf } from "../../src/model/run.ts";
import { aRun, at, error, group, step } from "../support/run-builder.ts";

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

test("a run ended when its log says so, else at the latest time of a step or an error in it", () => {
  expect(endOf(aRun(500, [group(step("Run", "late", 900))]))).toBe(at(500));
  const steps = group(step("Run", "a", 300), step("Run", "b", 200, { errors: [error(700, 500), error(undefined)] }));
  expect(endOf(aRun(undefined, [steps]))).toBe(at(700));
  expect(endOf(aRun(undefined, [group(step("Run", "a", 300), step("Run", "b"))]))).toBe(at(300));
});

test("of a run that is there twice the entry that shows it ended counts, wherever it stands", () => {
  const started = aRun(undefined, [], { state: "RUN_STARTED" });
  const ended = aRun(500, []);
  const other = aRun(500, [], { id: "wfr_other" });
  expect(distinctRuns([started, other, ended])).toEqual([ended, other]);
  expect(distinctRuns([ended, started])).toEqual([ended]);
  expect(keyOf(ended)).not.toBe(keyOf(other));
});
