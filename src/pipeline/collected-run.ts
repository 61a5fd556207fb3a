import type { Millis, WorkflowRun } from "../model/run.ts";
import type { CollectedRun, RunOutcome } from "../telemetry/observation.ts";
import { ATTRIBUTES } from "../trace/attributes.ts";
import { withoutIds } from "../trace/naming.ts";
import { MARK } from "../trace/redact-keys.ts";
import type { Attributes, MappedRun, Span } from "../trace/span.ts";

/** What an observer is told of a run, out of its spans: metrics and traces can never say different things. */
export function collectedRun(source: string, run: WorkflowRun, { spans }: MappedRun, collectedAt: Millis): CollectedRun | undefined {
  const [own] = spans;
  if (own === undefined) return undefined;
  const steps = spans.filter(({ role }) => role === "step" || role === "delivery");
  return {
    source,
    key: { id: run.id, createdAt: run.createdAt },
    traceId: own.traceId,
    workflow: String(own.attributes[ATTRIBUTES.WORKFLOW_NAME.name] ?? own.name),
    outcome: RUN_OUTCOMES.get(run.state) ?? "other",
    start: own.start,
    end: own.end,
    collectedAt,
    steps: steps.map((span) => ({
      name: withoutIds(span.name),
      type: String(span.attributes[ATTRIBUTES.STEP_TYPE.name] ?? span.role),
      outcome: stepOutcome(span),
      duration: span.end - span.start,
    })),
    redacted: spans.reduce((sum, span) => sum + redactedIn(span), 0),
    adjusted: spans.filter((span) => span.attributes[ATTRIBUTES.TIME_ADJUSTED.name] === true).length,
    oddities: run.oddities,
  };
}

const RUN_OUTCOMES = new Map<string, RunOutcome>([
  ["RUN_SUCCESS", "success"],
  ["RUN_FAILED", "failed"],
  ["RUN_CANCELED", "canceled"],
]);
const STEP_OUTCOMES = new Map<string, RunOutcome>([
  ["STEP_SUCCESS", "success"],
  ["STEP_CANCELED", "canceled"],
]);

function stepOutcome({ status, attributes }: Span): RunOutcome {
  if (status.code === "error") return "failed";
  return STEP_OUTCOMES.get(String(attributes[ATTRIBUTES.STEP_STATE.name])) ?? "other";
}

/** Every value of every span passes here: without a list of them. */
function redactedIn({ name, status, attributes, events }: Span): number {
  const beside = isMarked(name) + isMarked(status.message) + markedOf(attributes);
  return events.reduce((sum, event) => sum + markedOf(event.attributes), beside);
}

function markedOf(attributes: Attributes): number {
  let marked = 0;
  for (const name in attributes) {
    const value = attributes[name];
    if (typeof value === "string") marked += isMarked(value);
    else if (Array.isArray(value)) for (const one of value) marked += isMarked(one);
  }
  return marked;
}

const isMarked = (value: unknown): number => (typeof value === "string" && value.includes(MARK) ? 1 : 0);
