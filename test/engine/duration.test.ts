import { expect, test } from "vitest";
import { backoffMs, parseDuration } from "./duration.ts";

test.each([
  ["10s", 10_000],
  ["7d", 604_800_000],
  ["1d2h30m", 95_400_000],
  ["0s", 0],
  ["5", 5_000],
])("the duration %s is %d ms", (text, ms) => {
  expect(parseDuration(text)).toBe(ms);
});

test.each(["", "soon", "5 s", "-1s", "1w"])("%j is no duration", (text) => {
  expect(() => parseDuration(text)).toThrow(RangeError);
});

test("without an expression the waits before retries grow as QStash's do", () => {
  expect([0, 1, 2, 3, 9].map((retried) => backoffMs(undefined, retried))).toEqual([12_182, 148_413, 1_808_042, 22_026_466, 86_400_000]);
});

test.each([
  ["1000", [1_000, 1_000]],
  ["1000 * (1 + retried)", [1_000, 2_000]],
  ["pow(2, retried) * 500 + 1", [501, 1_001]],
  ["max(3, min(7, 10)) - retried / 2 * 4", [7, 5]],
  ["-5", [0, 0]],
])("the retry delay %s is worked out for each retry", (expression, expected) => {
  expect([0, 1].map((retried) => backoffMs(expression, retried))).toEqual(expected);
});

test.each(["", "retries", "1 +", "(1", "pow 2", "1 2"])("%j is no retry delay", (expression) => {
  expect(() => backoffMs(expression, 0)).toThrow(RangeError);
});
