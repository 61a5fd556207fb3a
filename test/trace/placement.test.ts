import { expect, test } from "vitest";
import type { Headers } from "../../src/model/run.ts";
import { invokeSpanId, traceId } from "../../src/trace/ids.ts";
import { linkedPlacement, nestedPlacement, ownPlacement } from "../../src/trace/placement.ts";
import { aRun, group, initial, settingsWith, step, T0 } from "../support/run-builder.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const SPAN = "b7ad6b7169203331";
const caller = (flags = "01"): Headers => ({ Traceparent: [`00-${TRACE}-${SPAN}-${flags}`], Tracestate: ["vendor=1"] });
const called = (headers: Headers, over = {}) => aRun(500, [], { groups: [group(initial({ headers }))], ...over });
const join = settingsWith({ trace_context: "join" });
const callerLink = { traceId: TRACE, spanId: SPAN, traceFlags: 1, traceState: "vendor=1", isRemote: true, attributes: {} };
const OWN = { traceId: traceId("wfr_order", T0), traceFlags: 3 };

test("a run that nobody called has its own trace", () => {
  expect(ownPlacement(aRun(500, []), settingsWith())).toEqual({ ...OWN, links: [] });
  expect(ownPlacement(aRun(500, [], { groups: [] }), join)).toEqual({ ...OWN, links: [] });
});

test("link: its own trace, linked to the caller's span with its trace state", () => {
  expect(ownPlacement(called(caller()), settingsWith())).toEqual({ ...OWN, links: [callerLink] });
});

test("join: inside the caller's trace, with the caller's flags and trace state", () => {
  expect(ownPlacement(called(caller()), join)).toEqual({
    traceId: TRACE,
    parentSpanId: SPAN,
    traceFlags: 1,
    traceState: "vendor=1",
    links: [],
  });
  expect(ownPlacement(called({ traceparent: [`00-${TRACE}-${SPAN}-03`] }), join)).toEqual({
    traceId: TRACE,
    parentSpanId: SPAN,
    traceFlags: 3,
    links: [],
  });
});

test("join of a caller that was not sampled is a link", () => {
  expect(ownPlacement(called(caller("00")), join)).toEqual({ ...OWN, links: [{ ...callerLink, traceFlags: 0 }] });
});

test("ignore: nothing of the caller", () => {
  expect(ownPlacement(called(caller()), settingsWith({ trace_context: "ignore" }))).toEqual({ ...OWN, links: [] });
});

test("a rule decides for its workflows", () => {
  const settings = settingsWith({}, { workflows: [{ match: { url: "https://shop.example.com/*" }, set: { trace_context: "join" } }] });
  expect(ownPlacement(called(caller()), settings).traceId).toBe(TRACE);
  expect(ownPlacement(called(caller(), { url: "https://other.example.com/" }), settings).traceId).toBe(OWN.traceId);
});

test("only Initial's headers count", () => {
  const run = aRun(500, [group(step("Run", "proxied", 100, { headers: caller() }))]);
  expect(ownPlacement(run, join)).toEqual({ ...OWN, links: [] });
});

test("a duplicated or invalid traceparent is no caller", () => {
  const twice = { traceparent: [`00-${TRACE}-${SPAN}-01`, `00-${TRACE}-${SPAN}-01`] };
  for (const headers of [twice, { traceparent: ["nonsense"] }]) expect(ownPlacement(called(headers), join)).toEqual({ ...OWN, links: [] });
});

const invoker = { id: "wfr_parent", createdAt: 1_700_000_000_000 };
const parentSpanId = invokeSpanId(invoker.id, invoker.createdAt, "wfr_order");
const ancestor = { traceId: TRACE, parentSpanId: SPAN, traceFlags: 1, traceState: "vendor=1", links: [callerLink] };

test("an invoked run lies in its invoker's trace, a child of the Invoke step, with the flags and trace state of that trace", () => {
  expect(nestedPlacement(aRun(500, [], { invoker }), ancestor, settingsWith())).toEqual({
    traceId: TRACE,
    parentSpanId,
    traceFlags: 1,
    traceState: "vendor=1",
    links: [],
  });
  const { traceState: _, ...stateless } = ancestor;
  expect(nestedPlacement(aRun(500, [], { invoker }), stateless, settingsWith())).not.toHaveProperty("traceState");
});

test("a caller's context that was forwarded to an invoked run stays a link, unless it is ignored", () => {
  expect(nestedPlacement(called(caller(), { invoker }), ancestor, join).links).toEqual([callerLink]);
  expect(nestedPlacement(called(caller(), { invoker }), ancestor, settingsWith({ trace_context: "ignore" })).links).toEqual([]);
});

test("linked: its own trace and a link to the Invoke step, in the invoker's own trace where nothing else is known", () => {
  const toInvoke = { traceId: traceId(invoker.id, invoker.createdAt), spanId: parentSpanId, traceFlags: 3, isRemote: true, attributes: {} };
  expect(linkedPlacement(aRun(500, [], { invoker }), settingsWith())).toEqual({ ...OWN, links: [toInvoke] });
  expect(linkedPlacement(aRun(500, [], { invoker }), settingsWith(), ancestor)).toEqual({
    ...OWN,
    links: [{ ...toInvoke, traceId: TRACE, traceFlags: 1, traceState: "vendor=1" }],
  });
  expect(linkedPlacement(called(caller(), { invoker }), join).links).toEqual([toInvoke, callerLink]);
});

test("without the invoker's createdAt the Invoke step cannot be named: its own trace", () => {
  const orphan = aRun(500, [], { invoker: { id: "wfr_parent" } });
  expect(nestedPlacement(orphan, ancestor, settingsWith())).toEqual({ ...OWN, links: [] });
  expect(linkedPlacement(aRun(500, []), settingsWith())).toEqual({ ...OWN, links: [] });
});
