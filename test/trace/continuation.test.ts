import { expect, test } from "vitest";
import { inSeveralTraces } from "../../src/trace/continuation.ts";
import { continuationRootSpanId, continuationTraceId, stepSpanId } from "../../src/trace/ids.ts";
import { mapRun } from "../../src/trace/map-run.ts";
import { ownPlacement } from "../../src/trace/placement.ts";
import type { Span } from "../../src/trace/span.ts";
import { aRun, error, group, initial, next, settingsWith, step, T0 } from "../support/run-builder.ts";

const LIMITS = { max_spans_per_trace: 10, max_trace_bytes: 4_000_000 };

function spansOf(count: number, types: (i: number) => string = () => "Run", traces: object = {}) {
  const groups = Array.from({ length: count }, (_, i) =>
    group(step(types(i), `s${i}`, i * 10 + 10, { id: i, invoked: { id: `wfr_${i}` } })),
  );
  const run = aRun(count * 10 + 20, groups);
  const settings = settingsWith({ max_spans_per_trace: 10, ...traces });
  return { run, spans: mapRun(run, ownPlacement(run, settings), settings).spans };
}

function byTrace(spans: readonly Span[]): string[][] {
  return [...Map.groupBy(spans, (span) => span.traceId).values()].map((trace) => trace.map((span) => span.name));
}

const names = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => `s${from + i}`);

test("a run within both limits is left as it is", () => {
  const { spans } = spansOf(9);
  expect(byTrace(spans)).toEqual([["/api/orders", ...names(0, 8)]]);
  expect(spans[0]?.links).toEqual([]);
});

test("past the number of spans it goes on in trace after trace, linked from the run's span and back, nothing lost", () => {
  const { run, spans } = spansOf(25);
  const continued = "/api/orders (continued)";
  expect(byTrace(spans)).toEqual([
    ["/api/orders", ...names(0, 8)],
    [continued, ...names(9, 17)],
    [continued, ...names(18, 24)],
  ]);
  const root = spans[0]!;
  const roots = spans.filter((span) => span.role === "continuation");
  expect(roots.map((span) => [span.traceId, span.spanId])).toEqual(
    [1, 2].map((k) => [continuationTraceId(run.id, T0, k), continuationRootSpanId(run.id, T0, k)]),
  );
  expect(root.links.map((link) => [link.traceId, link.spanId, link.isRemote])).toEqual(
    roots.map((span) => [span.traceId, span.spanId, false]),
  );
  for (const span of roots) {
    expect(span.links).toEqual([{ traceId: root.traceId, spanId: root.spanId, traceFlags: 3, isRemote: false, attributes: {} }]);
    const children = spans.filter((other) => other.parentSpanId === span.spanId);
    expect([span.start, span.end]).toEqual([children[0]?.start, children.at(-1)?.end]);
  }
  expect(spans.find((span) => span.name === "s24")?.spanId).toBe(stepSpanId(run.id, T0, 24));
});

test("Invoke steps stay in the first trace, wherever they come and however many they are", () => {
  const late = spansOf(20, (i) => (i === 12 || i === 19 ? "Invoke" : "Run"));
  expect(byTrace(late.spans)[0]).toEqual(["/api/orders", ...names(0, 6), "s12", "s19"]);
  const many = spansOf(20, (i) => (i === 3 ? "Run" : "Invoke"));
  expect(byTrace(many.spans)).toEqual([
    ["/api/orders", ...names(0, 2), ...names(4, 19)],
    ["/api/orders (continued)", "s3"],
  ]);
});

test("past the number of bytes too", () => {
  const { spans } = spansOf(30, undefined, { max_spans_per_trace: 1_000, max_trace_bytes: "20KB" });
  expect(byTrace(spans).length).toBeGreaterThan(1);
  expect(spans.filter((span) => span.role === "step")).toHaveLength(30);
});

test("a joined run goes on in traces of its own, without the caller's flags and trace state", () => {
  const headers = { traceparent: ["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"], tracestate: ["v=1"] };
  const groups = [group(initial({ headers })), ...Array.from({ length: 12 }, (_, i) => group(step("Run", `s${i}`, i + 10)))];
  const run = aRun(500, [], { groups });
  const settings = settingsWith({ trace_context: "join", max_spans_per_trace: 10 });
  const { spans } = mapRun(run, ownPlacement(run, settings), settings);
  expect(spans[1]).toMatchObject({ traceFlags: 1, traceState: "v=1" });
  const further = spans.filter((span) => span.traceId !== spans[0]?.traceId);
  expect(further).toHaveLength(4);
  for (const span of further) {
    expect(span.traceFlags).toBe(3);
    expect(span).not.toHaveProperty("traceState");
  }
  expect(further[0]?.links).toMatchObject([{ traceFlags: 1, traceState: "v=1" }]);
});

test("the failure function stays with the run's span and does not decide where the others lie", () => {
  const groups = [...Array.from({ length: 12 }, (_, i) => group(step("Run", `s${i}`, i + 10))), next({ errors: [error(400, 500)] })];
  const settings = settingsWith({ max_spans_per_trace: 10 });
  const map = (state: string) => {
    const run = aRun(500, groups, { state: "RUN_FAILED", failureFunction: { state, errors: [] } });
    return mapRun(run, ownPlacement(run, settings), settings).spans;
  };
  const settled = map("CALLBACK_SUCCESS");
  expect(settled.at(-1)).toMatchObject({ role: "failure", traceId: settled[0]?.traceId, parentSpanId: settled[0]?.spanId });
  expect(map("CALLBACK_INPROGRESS")).toEqual(settled.slice(0, -1));
});

test("a step's parts go with their step", () => {
  const { run, spans } = spansOf(9);
  const withPart = spans.flatMap((span, i) =>
    i === 0 ? [span] : [span, { ...span, spanId: `${i}`.padStart(16, "f"), parentSpanId: span.spanId, role: "part" as const }],
  );
  const split = inSeveralTraces(withPart, run, LIMITS, new Set());
  for (const part of split.filter((span) => span.role === "part")) {
    expect(split.find((span) => span.spanId === part.parentSpanId)?.traceId).toBe(part.traceId);
  }
  expect(split.filter((span) => span.role === "part")).toHaveLength(9);
  expect(inSeveralTraces([], run, LIMITS, new Set())).toEqual([]);
});

test("a run's span that is too large by itself does not scatter its steps", () => {
  const { run, spans } = spansOf(9);
  const [root, ...steps] = spans;
  const split = inSeveralTraces(
    [{ ...root!, name: "n".repeat(100_000) }, ...steps],
    run,
    { ...LIMITS, max_trace_bytes: 50_000 },
    new Set(),
  );
  expect(byTrace(split).map((trace) => trace.length)).toEqual([1, 10]);
});

test("a step that fits no trace has one of its own", () => {
  const { run, spans } = spansOf(4);
  const sizeOf = (span: Span) => (span.name === "s1" ? 1_000_000 : 100);
  expect(
    byTrace(inSeveralTraces(spans, run, { ...LIMITS, max_trace_bytes: 50_000 }, new Set(), sizeOf)).map((trace) => trace.slice(1)),
  ).toEqual([["s0"], ["s1"], ["s2", "s3"]]);
});
