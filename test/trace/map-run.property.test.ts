import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { WorkflowRun } from "../../src/model/run.ts";
import { ATTRIBUTES, DOUBLE_ATTRIBUTES } from "../../src/trace/attributes.ts";
import { mapFailureFunction } from "../../src/trace/map-failure.ts";
import { mapRun } from "../../src/trace/map-run.ts";
import { nestedPlacement, ownPlacement } from "../../src/trace/placement.ts";
import type { Attributes, Span } from "../../src/trace/span.ts";
import { timeline } from "../../src/trace/timeline.ts";
import { arbitraryRun } from "../support/arbitrary-run.ts";
import { settingsWith } from "../support/run-builder.ts";

const everything = {
  outputs: true,
  call_bodies: true,
  run_request: true,
  run_response: true,
  request_headers: ["x-mine"],
  response_headers: ["date"],
};
const VARIANTS = {
  "the defaults": settingsWith(),
  "all that can be switched on": settingsWith({ capture: everything, gen_ai: true, trace_context: "join", run_kind: "server" }),
  "small limits": settingsWith({ attributes: "lean", max_spans_per_trace: 10, max_trace_bytes: "20KB", max_value_bytes: 16 }),
};

const texts = new Set<string>(Object.values(ATTRIBUTES).flatMap((one) => (one.type === "string" ? [one.name] : [])));

describe.each(Object.entries(VARIANTS))("with %s, for any run", (_, settings) => {
  const map = (run: WorkflowRun) => mapRun(run, ownPlacement(run, settings), settings);
  const forAll = (check: (run: WorkflowRun, spans: readonly Span[]) => void) =>
    fc.assert(
      fc.property(arbitraryRun, (run) => check(run, map(run).spans)),
      { numRuns: 200 },
    );

  test("the run's span comes first and ids are valid and unique", () => {
    forAll((_run, spans) => {
      expect(spans[0]?.role).toBe("run");
      expect(spans.filter((span) => span.role === "run")).toHaveLength(1);
      for (const span of spans) {
        expect(span.traceId).toMatch(/^(?!0+$)[\da-f]{32}$/);
        expect(span.spanId).toMatch(/^(?!0+$)[\da-f]{16}$/);
        if (span.parentSpanId !== undefined) expect(span.parentSpanId).toMatch(/^(?!0+$)[\da-f]{16}$/);
      }
      expect(new Set(spans.map((span) => span.spanId)).size).toBe(spans.length);
    });
  });

  test("every span ends after its start, inside the run (but for the failure function) and has its parent in its trace", () => {
    forAll((_run, spans) => {
      const [root] = spans;
      const contexts = new Set(spans.map((span) => `${span.traceId}${span.spanId}`));
      for (const span of spans) {
        expect(Number.isInteger(span.start) && Number.isInteger(span.end)).toBe(true);
        expect(span.end).toBeGreaterThanOrEqual(span.start);
        expect(span.start).toBeGreaterThanOrEqual(root!.start);
        if (span.role === "failure") expect(span.start).toBe(root!.end);
        else expect(span.end).toBeLessThanOrEqual(root!.end);
        if (span.role !== "run" && span.parentSpanId !== undefined) expect(contexts).toContain(`${span.traceId}${span.parentSpanId}`);
      }
    });
  });

  test("every span names its run and its workflow; every value is one that OTLP can carry", () => {
    forAll((_run, spans) => {
      for (const span of spans) {
        expect(span.attributes).toHaveProperty([ATTRIBUTES.RUN_ID.name]);
        expect(span.attributes).toHaveProperty([ATTRIBUTES.WORKFLOW_NAME.name]);
        expect(span.name).not.toBe("");
        expect(span.name.length).toBeLessThanOrEqual(128);
        expect(span.name.isWellFormed()).toBe(true);
        expectSendable(span.attributes);
        for (const event of span.events) expectSendable(event.attributes);
        if (settings.traces.attributes === "lean") expect(Object.keys(span.attributes).length).toBeLessThanOrEqual(32);
      }
    });
  });

  function expectSendable(attributes: Attributes): void {
    for (const [name, value] of Object.entries(attributes)) {
      if (typeof value === "number") expect(DOUBLE_ATTRIBUTES.has(name) ? Number.isFinite(value) : Number.isSafeInteger(value)).toBe(true);
      if (texts.has(name)) expect(typeof value).toBe("string");
      for (const item of Array.isArray(value) ? value : [value]) {
        if (typeof item !== "string") continue;
        expect(item.isWellFormed()).toBe(true);
        const whole = name === ATTRIBUTES.STEP_NAME.name ? 65_536 : 2_048;
        expect(Buffer.byteLength(item)).toBeLessThanOrEqual(whole);
        expect(item).not.toContain("abcdefghijklmnopqrstuvwxyz");
      }
    }
  }

  test("the same run gives the same spans, also from a copy, and what is known later changes nothing of the rest", () => {
    forAll((run, spans) => {
      expect(JSON.stringify(map(structuredClone(run)).spans)).toBe(JSON.stringify(spans));
      const { failureFunction: _, ...before } = run;
      expect(map(before).spans).toEqual(spans.filter((span) => span.role !== "failure"));
      const alone = mapFailureFunction(run, ownPlacement(run, settings), settings);
      expect(alone.spans).toEqual(spans.filter((span) => span.role === "failure"));
    });
  });

  test("the critical path adds up to the run's duration", () => {
    forAll((_run, [root]) => {
      const path = Object.entries(root!.attributes).filter(([name]) => name.includes(".critical_path."));
      if (settings.traces.attributes === "lean") return;
      expect(path).toHaveLength(7);
      for (const [, value] of path) expect(value).toBeGreaterThanOrEqual(0);
      const sum = path.reduce((total, [, value]) => total + (value as number), 0);
      expect(Math.abs(sum - (root!.end - root!.start) / 1_000)).toBeLessThanOrEqual(1e-6 * Math.max(1, sum));
    });
  });
});

test("no step starts before the previous group ended, and siblings share their fork unless the log has their own start", () => {
  fc.assert(
    fc.property(arbitraryRun, (run) => {
      const { steps, start, end } = timeline(run);
      let boundary = start;
      for (const [position] of run.groups.entries()) {
        const members = steps.filter((one) => one.group === position && (one.role === "step" || one.role === "delivery"));
        for (const one of members) expect(one.start).toBeGreaterThanOrEqual(boundary);
        boundary = members.reduce((latest, one) => Math.max(latest, one.end), boundary);
      }
      expect(end).toBeGreaterThanOrEqual(boundary);
      expect(steps).toHaveLength(run.groups.flatMap((group) => group.steps).length);
    }),
    { numRuns: 1_000 },
  );
});

test("any run nests in any other's trace, or is linked to it where its invoker's time is not known", () => {
  const settings = settingsWith();
  fc.assert(
    fc.property(arbitraryRun, arbitraryRun, (child, invoker) => {
      const outer = ownPlacement(invoker, settings);
      const placement = nestedPlacement(child, outer, settings);
      if (child.invoker?.createdAt === undefined) {
        expect(placement.parentSpanId).toBeUndefined();
        return;
      }
      expect(placement).toMatchObject({ traceId: outer.traceId, traceFlags: outer.traceFlags });
      expect(placement.parentSpanId).toMatch(/^[\da-f]{16}$/);
    }),
  );
});
