import { expect, test } from "vitest";
import { parseMending } from "../../../src/sources/upstash/repair.ts";
import { failureFunctionShape, stepShape } from "../../../src/sources/upstash/wire.ts";

test("what fits is given back as it is, not as a copy", () => {
  const entry = {
    stepId: 1,
    stepName: "a",
    createdAt: 1,
    out: { any: "thing" },
    sleepFor: "3d",
    waitTimeout: false,
    errors: null,
    beside: 1,
  };
  const oddities = new Set<string>();
  expect(parseMending(stepShape, entry, "", oddities)).toBe(entry);
  expect(oddities.size).toBe(0);
});

test("what does not fit is mended or dropped in a copy, and noted in the shape's order", () => {
  const entry = { waitTimeout: "yes", retries: Number.POSITIVE_INFINITY, createdAt: "5", stepId: "99999999999999999", stepName: 7 };
  const before = structuredClone(entry);
  const oddities = new Set<string>();
  const wire = parseMending(stepShape, entry, "step.", oddities);
  expect(wire).toEqual({ waitTimeout: undefined, retries: undefined, createdAt: 5, stepId: undefined, stepName: "7" });
  expect([...oddities]).toEqual([
    "step.stepId:dropped",
    "step.stepName:number",
    "step.createdAt:string",
    "step.retries:dropped",
    "step.waitTimeout:dropped",
  ]);
  expect(entry).toEqual(before);
});

test("how often a step may be retried is at least 0", () => {
  const oddities = new Set<string>();
  expect(parseMending(stepShape, { retries: -1 }, "step.", oddities)).toEqual({ retries: undefined });
  expect(parseMending(failureFunctionShape, { maxRetries: "-1" }, "", oddities)).toEqual({ maxRetries: undefined });
  expect(parseMending(stepShape, { retries: 0 }, "", oddities)).toEqual({ retries: 0 });
  expect([...oddities]).toEqual(["step.retries:dropped", "maxRetries:string", "maxRetries:dropped"]);
});

test("a mended value that is out of range is dropped in turn", () => {
  const oddities = new Set<string>();
  expect(parseMending(stepShape, { createdAt: "-5", sleepFor: -1 }, "", oddities)).toEqual({ createdAt: undefined, sleepFor: undefined });
  expect([...oddities]).toEqual(["createdAt:string", "sleepFor:dropped", "createdAt:dropped"]);
});
