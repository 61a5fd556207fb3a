import { expect, test } from "vitest";
import * as ids from "../../src/trace/ids.ts";
import table from "../../src/trace/ids.vectors.json" with { type: "json" };

type AnyId = (...args: readonly (string | number)[]) => string;
const functions = ids as unknown as Record<string, AnyId>;

test.each(table.vectors)("vector $id: $function", (vector) => {
  expect(functions[vector.function]?.(...(vector.args as (string | number)[]))).toBe(vector.id);
});

test("the vectors cover every id and were not computed to be alike", () => {
  const named = Object.keys(ids).filter((name) => name !== "runSpanContext");
  expect(new Set(table.vectors.map((vector) => vector.function))).toEqual(new Set(named));
  expect(new Set(table.vectors.map((vector) => vector.id)).size).toBe(table.vectors.length);
});

test("the context to link to is the run's span in the run's own trace, sampled and random", () => {
  expect(ids.runSpanContext("wfr_x", 1736340463061)).toEqual({
    traceId: ids.traceId("wfr_x", 1736340463061),
    spanId: ids.runSpanId("wfr_x", 1736340463061),
    traceFlags: 3,
    isRemote: true,
  });
});

test("parts are never merely concatenated: moving a character between id and time changes the id", () => {
  expect(ids.traceId("wfr_1", 21)).not.toBe(ids.traceId("wfr_12", 1));
  expect(ids.stepSpanId("r", 1, 1)).not.toBe(ids.stepSpanId("r", 1, "1"));
});

test("the first run of a failure function is its plain id", () => {
  expect(ids.failureSpanId("r", 1, 1)).toBe(ids.failureSpanId("r", 1));
});

test("a lone surrogate is hashed as JSON writes it, so that no two ids fall together", () => {
  expect(ids.traceId("lone\ud800surrogate", 1)).toBe("c01dfa4ae55f853da49021d19e65082c");
});
