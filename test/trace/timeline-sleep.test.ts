import { expect, test } from "vitest";
import { sleepLengths } from "../../src/trace/timeline-sleep.ts";

const sleep = (value: number, room: number, cut = false, unit: "ms" | "unknown" = "unknown") => ({ length: { value, unit }, room, cut });
const length = (...sleeps: ReturnType<typeof sleep>[]) => sleepLengths(sleeps);

test("a bare number is seconds if so many fit the gap that follows, else milliseconds", () => {
  expect(length(sleep(10, 10_040))).toEqual([10_000]);
  expect(length(sleep(10_000, 10_040))).toEqual([10_000]);
  expect(length(sleep(86_400, 86_400_020))).toEqual([86_400_000]);
  expect(length(sleep(86_400_000, 86_400_020))).toEqual([86_400_000]);
});

test("a length whose unit the log gives is taken as it is", () => {
  expect(length(sleep(259_200_000, 10, false, "ms"))).toEqual([259_200_000]);
});

test("a sleep may seem to end a little after what follows it", () => {
  expect(length(sleep(10, 9_990))).toEqual([10_000]);
});

test("a gap that would hold a thousand times as much decides nothing: the run's other sleeps do", () => {
  const longGap = sleep(2_000, 3_000_000);
  expect(length(longGap)).toEqual([2_000_000]);
  expect(length(longGap, sleep(5_000, 5_100))).toEqual([2_000, 5_000]);
  expect(length(longGap, sleep(5, 5_100))).toEqual([2_000_000, 5_000]);
});

test("the engine sleeps whole seconds: a fraction counts only where there was room for it", () => {
  expect(length(sleep(1.5, 1_600))).toEqual([1_500]);
  expect(length(sleep(2.9, 2_050))).toEqual([2_000]);
});

test("less than a second, in milliseconds", () => {
  expect(length(sleep(400, 450))).toEqual([400]);
});

test("a sleep that was cut short: seconds, if milliseconds would not be whole seconds or the others are seconds", () => {
  expect(length(sleep(86_400, 5_000, true))).toEqual([86_400_000]);
  expect(length(sleep(60_000, 5_000, true))).toEqual([60_000]);
  expect(length(sleep(2_000, 5_000, true), sleep(3, 3_010))).toEqual([2_000_000, 3_000]);
});

test("a sleep longer than its gap under both units contradicts the log least in milliseconds", () => {
  expect(length(sleep(5_000, 100))).toEqual([5_000]);
  expect(length(sleep(5_001, 100))).toEqual([5_001]);
});
