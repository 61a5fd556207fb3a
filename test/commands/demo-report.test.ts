import { expect, test } from "vitest";
import { introduction, lateSpan, type Outcome, summary, traceReport } from "../../src/commands/demo-report.ts";
import { terminalOf } from "../../src/commands/terminal.ts";
import type { RecordedRequest } from "../../src/fake-upstash/server.ts";
import type { Span } from "../../src/trace/span.ts";

const plain = terminalOf({ stdout: process.stdout, env: { NO_COLOR: "1" } });

function span(name: string, length: number, type: string): Span {
  return {
    traceId: "4bf92f3577b34da6a3ce929d0e0e4736",
    spanId: "00f067aa0ba902b7",
    parentIsRemote: false,
    traceFlags: 1,
    name,
    kind: "internal",
    start: 1_000,
    end: 1_000 + length,
    attributes: { "upstash.workflow.step.type": type, "upstash.workflow.run.id": "wfr_1" },
    events: [],
    links: [],
    status: { code: "unset" },
    scope: "workflow",
    role: "step",
  };
}

function request(target: string): RecordedRequest {
  const url = new URL(target, "http://127.0.0.1");
  return { n: 1, at: 0, method: "GET", path: url.pathname, query: url.searchParams, target, headers: {} };
}

const good: Outcome = {
  expected: 4,
  spans: [span("nap", 3_600_000, "SleepFor"), span("long work", 9 * 86_400_000, "Run"), span("wait", 3 * 86_400_000, "Wait")],
  repeated: 0,
  runs: 4,
  traces: 3,
  complete: true,
  requests: [
    request("/v2/workflows/logs"),
    request("/v2/workflows/logs?workflowRuns=a@1"),
    request("/v2/workflows/messageLogs"),
    request("/v2/workflows/events?groupBy=workflowRunId"),
  ],
  deliveries: 5,
  refused: 0,
  leaks: 0,
  elapsedMs: 12_340,
  otlp: undefined,
  drained: true,
  checkout: false,
};
const linesOf = (outcome: Partial<Outcome>) =>
  Object.fromEntries(
    summary({ ...good, ...outcome }, plain)
      .split("\n")
      .map((line) => [line.slice(2, 16).trim(), line.slice(17)]),
  );

test("the summary counts what went in, what came out and what it cost", () => {
  expect(linesOf({})).toMatchObject({
    runs: "4 of 4: every run arrived",
    traces: "3, with 3 spans",
    "API requests": "4 (1.0 a run): 2 for lists of runs, 1 for runs by name, 1 of the message log",
    deliveries: "5 OTLP requests, none refused",
    secrets: "planted in headers, URLs and bodies: none arrived",
    "longest sleep": '3.0 days ("wait"), drawn short',
    took: "12.3 s",
  });
});

test("the summary says what is missing, refused, repeated or leaked", () => {
  expect(linesOf({ complete: false, runs: 3 }).runs).toBe("3 of 4: 1 did not arrive");
  expect(linesOf({ complete: false }).runs).toBe("4 of 4: a failure function did not arrive");
  expect(linesOf({ refused: 2 }).deliveries).toBe("5 OTLP requests, 2 refused");
  expect(linesOf({ repeated: 1 }).traces).toBe("3, with 3 spans (1 came twice)");
  expect(linesOf({ otlp: "http://127.0.0.1:1", drained: false })["your backend"]).toBe("has not everything");
  expect(linesOf({ leaks: 1 }).secrets).toBe("1 of the OTLP requests show one");
});

test("a backend of the user's is named at the start, and not recommended again at the end", () => {
  const start = { api: "http://127.0.0.1:1", receiver: "http://127.0.0.1:2", pid: 3, title: "2 recorded programs" };
  expect(introduction({ ...start, otlp: "http://127.0.0.1:4318" }, plain)).toContain("your backend");
  expect(introduction({ ...start, otlp: undefined }, plain)).not.toContain("your backend");
  expect(summary({ ...good, otlp: "http://127.0.0.1:4318" }, plain)).not.toContain("--otlp");
  expect(summary(good, plain)).toContain("  wfotel demo --otlp http://127.0.0.1:4318");
  expect(summary({ ...good, checkout: true }, plain)).toContain("  npm run --silent wfotel -- demo --otlp http://127.0.0.1:4318");
});

test("a trace comes with its time and its link, a late span with its run and trace", () => {
  expect(traceReport("drawn\n", 1_250, "http://j/trace/1", plain)).toMatch(/^── \+1\.3 s ─+\ndrawn\n {2}http:\/\/j\/trace\/1\n\n$/);
  expect(traceReport("drawn\n", 50, undefined, plain)).toMatch(/^── \+0\.1 s ─+\ndrawn\n\n$/);
  expect(lateSpan(span("failure function", 1_700, ""), plain)).toBe(
    "  ↳ failure function of wfr_1 settled 1.7 s after the run: one more span for trace 4bf92f35…\n\n",
  );
});
