import {
  type Attributes,
  type AttributeValue,
  type Context,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from "@opentelemetry/api";
import type { WireRun, WireStep } from "../../src/fake-upstash/wire.ts";

/**
 * The rival: a run as anybody would trace it who has the official client and OpenTelemetry's SDK at hand. The same spans
 * with the same attributes, as far as they can simply be read off the log: no redaction, no limits, no inference, random ids.
 */
export function traceRun(tracer: Tracer, run: WireRun): number {
  const end = run.workflowRunCompletedAt ?? run.workflowRunCreatedAt;
  const root = tracer.startSpan(new URL(run.workflowUrl).pathname, {
    kind: SpanKind.CONSUMER,
    startTime: run.workflowRunCreatedAt,
    attributes: {
      "upstash.workflow.run.id": run.workflowRunId,
      "upstash.workflow.name": new URL(run.workflowUrl).pathname,
      "upstash.workflow.run.state": run.workflowState,
      "upstash.workflow.run.url": run.workflowUrl,
      "upstash.workflow.run.created_at": new Date(run.workflowRunCreatedAt).toISOString(),
      "upstash.workflow.run.labels": [...(run.labels ?? [])],
      ...countsOf(run),
    },
  });
  if (run.workflowState === "RUN_FAILED") root.setStatus({ code: SpanStatusCode.ERROR });
  const inRun = trace.setSpan(ROOT_CONTEXT, root);
  let spans = 1;
  let boundary = run.workflowRunCreatedAt;
  for (const [index, group] of run.steps.entries()) {
    for (const step of group.steps) {
      if (step.stepType === "Initial") continue;
      traceStep(tracer, inRun, run, step, { start: boundary, end, index, size: group.steps.length });
      spans += 1;
    }
    boundary = Math.max(boundary, ...group.steps.map((step) => endOf(step, boundary)));
  }
  root.end(end);
  return spans;
}

const endOf = (step: WireStep, fallback: number) => (step.createdAt ?? fallback) + (step.sleepFor ?? 0);

function traceStep(
  tracer: Tracer,
  inRun: Context,
  run: WireRun,
  step: WireStep,
  at: { readonly start: number; readonly end: number; readonly index: number; readonly size: number },
): void {
  const isSleep = step.sleepFor !== undefined;
  const span = tracer.startSpan(
    step.stepName ?? "delivery",
    {
      kind: step.stepType === "Call" ? SpanKind.CLIENT : SpanKind.INTERNAL,
      startTime: isSleep ? (step.createdAt ?? at.start) : at.start,
      attributes: {
        "upstash.workflow.run.id": run.workflowRunId,
        "upstash.workflow.name": new URL(run.workflowUrl).pathname,
        ...defined({
          "upstash.workflow.step.id": step.stepId,
          "upstash.workflow.step.name": step.stepName,
          "upstash.workflow.step.type": step.stepType,
          "upstash.workflow.step.call_type": step.callType,
          "upstash.workflow.step.state": step.state,
          "upstash.workflow.step.message.id": step.messageId,
          "upstash.workflow.step.group.index": at.index,
          "upstash.workflow.step.group.size": at.size,
          "upstash.workflow.step.retries": step.retries,
          "upstash.workflow.step.critical": at.size === 1,
          "upstash.workflow.time.source": "log",
          "http.request.method": step.callMethod,
          "http.response.status_code": step.callResponseStatus,
          "url.full": step.callUrl,
          ...peerOf(step),
        }),
      },
    },
    inRun,
  );
  for (const { error, time } of step.errors ?? []) span.addEvent("exception", { "exception.message": error }, time);
  if (step.state === "STEP_FAILED") span.setStatus({ code: SpanStatusCode.ERROR });
  span.end(step.createdAt === undefined ? at.end : endOf(step, at.end));
}

function peerOf({ callUrl }: WireStep): Attributes {
  if (callUrl === undefined) return {};
  const { hostname } = new URL(callUrl);
  return { "server.address": hostname, "server.port": 443, "service.peer.name": hostname, "peer.service": hostname };
}

const KINDS = { Run: "run", Call: "call", SleepFor: "sleep", Wait: "wait", Invoke: "invoke", Retry: "retry", "": "unknown" } as const;

/** How many steps there were, and where the time went: added up by type, as far as that goes. */
function countsOf(run: WireRun): Attributes {
  const steps = run.steps.flatMap((group) => group.steps);
  const durations: Record<string, number> = {};
  for (const kind of Object.values(KINDS)) durations[`upstash.workflow.critical_path.${kind}.duration`] = 0;
  let boundary = run.workflowRunCreatedAt;
  for (const step of steps) {
    const end = endOf(step, boundary);
    const name = `upstash.workflow.critical_path.${KINDS[(step.stepType ?? "") as keyof typeof KINDS] ?? "unknown"}.duration`;
    durations[name] = (durations[name] ?? 0) + (end - boundary) / 1_000;
    boundary = end;
  }
  return {
    ...durations,
    "upstash.workflow.run.steps.total": steps.length,
    "upstash.workflow.run.steps.failed": steps.filter(({ state }) => state === "STEP_FAILED").length,
    "upstash.workflow.run.steps.canceled": steps.filter(({ state }) => state === "STEP_CANCELED").length,
    "upstash.workflow.run.steps.retried": steps.filter(({ errors }) => (errors?.length ?? 0) > 0).length,
  };
}

function defined(attributes: Readonly<Record<string, AttributeValue | undefined>>): Attributes {
  return Object.fromEntries(Object.entries(attributes).filter(([, value]) => value !== undefined));
}
