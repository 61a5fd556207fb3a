import { expect, test } from "vitest";
import { attribute, lean } from "../../src/trace/attribute.ts";
import { ATTRIBUTES, DOUBLE_ATTRIBUTES } from "../../src/trace/attributes.ts";

const all = Object.values(ATTRIBUTES);

test("no name stands twice in the table, and each says what it is", () => {
  expect(new Set(all.map((one) => one.name)).size).toBe(all.length);
  for (const one of all) {
    expect(one.name).toMatch(/^([a-z][a-z0-9_.]*(<name>)?|<name>\.size)$/);
    expect(one.says.length).toBeGreaterThan(5);
    expect(one.on).not.toBe("");
  }
});

test("durations are doubles, and nothing else is", () => {
  expect(DOUBLE_ATTRIBUTES).toEqual(new Set(all.flatMap((one) => (/\.duration$|\.wait\.timeout$/.test(one.name) ? [one.name] : []))));
});

test("a value that OTLP cannot carry is left out, a zero or false is not", () => {
  expect(attribute(ATTRIBUTES.STEP_RETRIES, 2.5)).toEqual({});
  expect(attribute(ATTRIBUTES.STEP_RETRIES, 2 ** 60)).toEqual({});
  expect(attribute(ATTRIBUTES.STEP_RETRIES, 0)).toEqual({ "upstash.workflow.step.retries": 0 });
  expect(attribute(ATTRIBUTES.SLEEP_DURATION, Number.POSITIVE_INFINITY)).toEqual({});
  expect(attribute(ATTRIBUTES.SLEEP_DURATION, 2)).toEqual({ "upstash.workflow.step.sleep.duration": 2 });
  expect(attribute(ATTRIBUTES.WAIT_TIMED_OUT, false)).toEqual({ "upstash.workflow.step.wait.timed_out": false });
  expect(attribute(ATTRIBUTES.STEP_NAME, "")).toEqual({});
  expect(attribute(ATTRIBUTES.STEP_NAME, undefined)).toEqual({});
  expect(attribute(ATTRIBUTES.RUN_LABELS, [])).toEqual({});
});

test("lean keeps what comes first in the table, then what is not in it, in the order they stood", () => {
  const attributes = { team: "a", zone: "b", second: "c", first: "d" };
  expect(Object.keys(lean(attributes, ["first", "second"], 3))).toEqual(["team", "second", "first"]);
  expect(lean(attributes, ["first", "second"], 4)).toBe(attributes);
});
