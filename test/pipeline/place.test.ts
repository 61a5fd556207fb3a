import { expect, test } from "vitest";
import { decodePlacement } from "../../src/pipeline/place.ts";
import { ownPlacement } from "../../src/trace/placement.ts";
import { aRun, settingsWith } from "../support/run-builder.ts";

const run = aRun(1_000, []);
const own = { kind: "placed", placement: ownPlacement(run, settingsWith()) };
const nested = { traceId: "a".repeat(32), parentSpanId: "b".repeat(16), traceFlags: 3, links: [] };

test("a stored placement comes back as it was, with the run whose trace it is", () => {
  const text = JSON.stringify({ ...nested, top: { id: "wfr_top", createdAt: 1 } });
  expect(decodePlacement(run, text, settingsWith())).toEqual({ kind: "placed", placement: nested, top: { id: "wfr_top", createdAt: 1 } });
});

test.each([
  ["no JSON any more", '{"traceId":"aaaa'],
  ["no object", "null"],
  ["a trace id that is none", JSON.stringify({ ...nested, traceId: `!${"a".repeat(31)}` })],
  ["a parent that is none", JSON.stringify({ ...nested, parentSpanId: "b" })],
  ["flags that are none", JSON.stringify({ ...nested, traceFlags: "3" })],
  ["a link that leads nowhere", JSON.stringify({ ...nested, links: [{ traceId: "x", spanId: "y" }] })],
  ["no links", JSON.stringify({ ...nested, links: undefined })],
])("a placement that was damaged on the disk (%s) gives the run its own trace", (_, text) => {
  expect(decodePlacement(run, text, settingsWith())).toEqual(own);
});
