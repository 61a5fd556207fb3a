import { expect, test } from "vitest";
import { callerContext, isSampled } from "../../src/trace/traceparent.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const SPAN = "b7ad6b7169203331";
const VALID = `00-${TRACE}-${SPAN}-01`;
const context = { traceId: TRACE, spanId: SPAN, traceFlags: 1 };

test.each([
  ["the header in any case", { TraceParent: [VALID] }],
  ["white space around it", { traceparent: [` \t${VALID} `] }],
  ["a later version", { traceparent: [`cc-${TRACE}-${SPAN}-01`] }],
  ["a later version with more behind it", { traceparent: [`cc-${TRACE}-${SPAN}-01-what-the-future-brings`] }],
  ["flags of a later level", { traceparent: [`00-${TRACE}-${SPAN}-f9`] }],
])("valid: %s", (_, headers) => {
  expect(callerContext(headers)).toEqual(context);
});

test.each([
  ["none", undefined],
  ["no value", { traceparent: [] }],
  ["empty", { traceparent: [""] }],
  ["twice", { traceparent: [VALID, VALID] }],
  ["twice in different case", { traceparent: [VALID], Traceparent: [VALID] }],
  ["upper-case hex", { traceparent: [VALID.toUpperCase()] }],
  ["version ff", { traceparent: [`ff-${TRACE}-${SPAN}-01`] }],
  ["version 00 with more behind it", { traceparent: [`${VALID}-more`] }],
  ["a later version without separator", { traceparent: [`cc-${TRACE}-${SPAN}-01more`] }],
  ["an all-zero trace id", { traceparent: [`00-${"0".repeat(32)}-${SPAN}-01`] }],
  ["an all-zero span id", { traceparent: [`00-${TRACE}-${"0".repeat(16)}-01`] }],
  ["too short", { traceparent: [VALID.slice(0, -1)] }],
])("invalid: %s", (_, headers) => {
  expect(callerContext(headers)).toBeUndefined();
});

test.each([
  ["a list", ["a=1, b@sys=2"], "a=1,b@sys=2"],
  ["several headers", ["a=1", "b=2"], "a=1,b=2"],
  ["empty members", ["a=1,,b=2,"], "a=1,b=2"],
  ["a value with inner spaces and an equals sign in no value", ["a=x y"], "a=x y"],
])("trace state kept: %s", (_, tracestate, expected) => {
  expect(callerContext({ traceparent: [VALID], TraceState: tracestate })).toEqual({ ...context, traceState: expected });
});

test.each([
  ["a key twice", ["a=1,a=2"]],
  ["no equals sign", ["a"]],
  ["an upper-case key", ["A=1"]],
  ["an equals sign in a value", ["a=1=2"]],
  ["no value", ["a="]],
  ["33 members", [Array.from({ length: 33 }, (_, i) => `k${i}=1`).join(",")]],
  ["nothing", [""]],
])("trace state left out, the parent kept: %s", (_, tracestate) => {
  expect(callerContext({ traceparent: [VALID], tracestate })).toEqual(context);
});

test("sampled is the lowest bit", () => {
  expect([0, 1, 2, 3].map((traceFlags) => isSampled({ traceFlags }))).toEqual([false, true, false, true]);
});
