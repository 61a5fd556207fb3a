import { expect, test } from "vitest";
import { nearest } from "../../src/config/nearest.ts";
import { keysOf, shapesAt } from "../../src/config/shape.ts";

const SOURCE_KEYS = keysOf(shapesAt(["sources", 0], () => undefined));

test.each([
  ["pollInterval", "poll_interval"],
  ["poll-interval-idle", "poll_interval_idle"],
  ["tokn", "token"],
  ["lookbak", "lookback"],
  ["Retention", "retention"],
])("the key nearest to the mistyped %s is %s", (typed, meant) => {
  expect(nearest(typed, SOURCE_KEYS)).toBe(meant);
});

test.each([
  ["pol", "poll_interval"],
  ["poll", "poll_interval"],
  ["open", "open_run_max_interval"],
  ["max_requests", "max_requests_per_second"],
  ["lookback_minutes", "lookback"],
  ["qstash_token", "token"],
  ["sweep", "sweep_interval"],
  ["feed", "completion_feed"],
])("a beginning, a part or more than the whole is near: %s means %s", (typed, meant) => {
  expect(nearest(typed, SOURCE_KEYS)).toBe(meant);
});

test("a single edit is nearer than a beginning", () => {
  expect(nearest("tokes", ["tokesian", "token"])).toBe("token");
});

test("nothing is near where there are no keys, or none within the limit", () => {
  expect(nearest("x", [])).toBeUndefined();
  expect(nearest("kafka", ["otlp-http", "file", "console"], 2.5)).toBeUndefined();
  expect(nearest("otlp", ["otlp-http", "file", "console"], 2)).toBe("otlp-http");
});
