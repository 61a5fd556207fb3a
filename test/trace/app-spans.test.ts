import { context, SpanKind, trace } from "@opentelemetry/api";
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base";
import { expect, test } from "vitest";
import { runSpanContext } from "../../src/trace/ids.ts";
import { mapRun } from "../../src/trace/map-run.ts";
import { ownPlacement } from "../../src/trace/placement.ts";
import { aRun, settingsWith } from "../support/run-builder.ts";

/** The README's recipe "Your app's own spans", with the SDK that an app has: what stands between the two lines is the recipe. */
test("an app that already has OpenTelemetry links its span of a delivery to the run's trace", () => {
  const exporter = new InMemorySpanExporter();
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
  const tracer = provider.getTracer("app");
  const run = aRun(1_000, []);
  const request = new Request("http://127.0.0.1/api/workflow", {
    method: "POST",
    headers: { "Upstash-Workflow-RunId": run.id, "Upstash-Workflow-CreatedAt": String(run.createdAt) },
  });
  // ---
  const runId = request.headers.get("upstash-workflow-runid");
  const createdAt = Number(request.headers.get("upstash-workflow-createdat"));
  const links = runId && createdAt ? [{ context: runSpanContext(runId, createdAt) }] : [];
  const span = tracer.startSpan("POST /api/workflow", { kind: SpanKind.SERVER, links }, context.active());
  // ---
  span.end();
  const [root] = mapRun(run, ownPlacement(run, settingsWith()), settingsWith()).spans;
  const [sent] = exporter.getFinishedSpans();
  expect(sent?.links.map((link) => link.context)).toEqual([
    expect.objectContaining({ traceId: root?.traceId, spanId: root?.spanId, isRemote: true }),
  ]);
  expect(trace.isSpanContextValid(sent!.links[0]!.context)).toBe(true);
});
