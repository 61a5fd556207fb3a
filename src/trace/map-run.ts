import type { MessageEvent } from "../model/event.ts";
import { type DeliveryError, initialStep, type RunKey, type Step, type WorkflowRun } from "../model/run.ts";
import { attribute, type NewAttributes, set } from "./attribute.ts";
import { ATTRIBUTES, EVENTS } from "./attributes.ts";
import type { MappingSettings } from "./config.ts";
import { inSeveralTraces } from "./continuation.ts";
import { type CriticalPath, criticalPath } from "./critical-path.ts";
import { errorType, failedStatus } from "./errors.ts";
import { delaySpanId, runSpanContext } from "./ids.ts";
import { iso, seconds } from "./instant.ts";
import { finished } from "./limits.ts";
import { failureSpans } from "./map-failure.ts";
import { deliverySpans, partSpans } from "./map-parts.ts";
import { resourceOf } from "./map-resource.ts";
import { attemptsOf, captured, errorsOf, hasFailed, stepSpan } from "./map-step.ts";
import { type Mapping, mappingOf, spanOf, text, urlText } from "./mapping.ts";
import type { MappedRun, Placement, Span, SpanEvent, SpanLink } from "./span.ts";
import { stepIds } from "./step-ids.ts";
import { isWork, type Timeline, timeline } from "./timeline.ts";
import type { ChildEnd } from "./timeline-statement.ts";
import { spanName } from "./value.ts";

/** What is known of a run besides its own log. */
export interface RunFacts {
  /** The run that this one resumes; `traceId` where it does not lie in its own trace. */
  readonly resumedFrom?: RunKey & { readonly traceId?: string };
  /** Its message log, in any order, or what is there of it. */
  readonly events?: readonly MessageEvent[];
  /** When the runs that it invoked ended, as far as that is known. */
  readonly childEnd?: ChildEnd;
  /** Which of its failure functions the log shows; from 2 it is a repetition. */
  readonly failureNumber?: number;
}

/**
 * A run's spans: its own first, then start delay and steps in log order, a step's parts right behind it,
 * deliveries that are no step's, the failure function last (if it has settled). Pure: the same arguments always give the same spans; never throws.
 */
export function mapRun(run: WorkflowRun, placement: Placement, settings: MappingSettings, facts: RunFacts = {}): MappedRun {
  const mapping = mappingOf(run, placement, settings);
  const times = timeline(run, facts.events, settings.traces.min_queue, facts.childEnd);
  const path = criticalPath(times);
  const spans: Span[] = [];
  const add = (span: Span) => void spans.push(finished(span, settings));
  const invokes = new Set<string>();
  add(runSpan(mapping, times, path, facts));
  delaySpans(mapping, times).forEach(add);
  for (const id of stepIds(run, times.steps)) {
    add(stepSpan(mapping, id.time, id.spanId, path.steps[id.time.group] === id.time));
    partSpans(mapping, id).forEach(add);
    if (id.time.step.type === "Invoke") invokes.add(id.spanId);
  }
  for (const delivery of times.deliveries) deliverySpans(mapping, delivery).forEach(add);
  const traces = inSeveralTraces(spans, run, settings.traces, invokes);
  // The failure function settles later: it must not decide where the others lie.
  const failure = failureSpans(mapping, times.end, facts.events, facts.failureNumber).map((span) => finished(span, settings));
  return { resource: resourceOf(mapping), spans: failure.length === 0 ? traces : [...traces, ...failure] };
}

function runSpan(mapping: Mapping, times: Timeline, path: CriticalPath, facts: RunFacts): Span {
  const { run, placement, naming, settings } = mapping;
  const failed = run.state === "RUN_FAILED";
  const error = failed ? lastError(mapping, times) : undefined;
  const own: NewAttributes = { ...naming.attributes, ...mapping.identity };
  setRun(own, mapping, times, facts);
  const figures: NewAttributes = {};
  setCounts(figures, mapping, times);
  setPath(figures, path);
  set(figures, ATTRIBUTES.ERROR_TYPE, failed ? errorType(error) : undefined);
  setPayloads(figures, mapping);
  const span = spanOf(mapping, {
    spanId: mapping.runSpanId,
    name: spanName(naming.name, "workflow"),
    kind: run.invoker !== undefined || settings.traces.run_kind === "server" ? "server" : "consumer",
    start: times.start,
    end: times.end,
    role: "run",
    attributes: { ...own, ...figures },
    events: runEvents(mapping, times),
    links: facts.resumedFrom === undefined ? placement.links : [...placement.links, resumedLink(facts.resumedFrom)],
    status: failed ? failedStatus(mapping, error) : undefined,
  });
  return { ...span, parentSpanId: placement.parentSpanId, parentIsRemote: placement.parentSpanId !== undefined };
}

function delaySpans(mapping: Mapping, { delay }: Timeline): Span[] {
  if (delay === undefined) return [];
  const spanId = delaySpanId(mapping.run.id, mapping.run.createdAt);
  return [spanOf(mapping, { spanId, name: "start delay", start: delay.start, end: delay.end, role: "delay" })];
}

function setRun(made: NewAttributes, mapping: Mapping, times: Timeline, { resumedFrom }: RunFacts): void {
  const { run } = mapping;
  set(made, ATTRIBUTES.RUN_STATE, text(mapping, run.state));
  set(made, ATTRIBUTES.RUN_URL, urlText(mapping, run.url));
  set(made, ATTRIBUTES.RUN_CREATED_AT, iso(run.createdAt));
  set(
    made,
    ATTRIBUTES.RUN_LABELS,
    run.labels.map((label) => text(mapping, label)),
  );
  set(made, ATTRIBUTES.RUN_FLOW_CONTROL, text(mapping, run.flowControlKey));
  set(made, ATTRIBUTES.RUN_DLQ_ID, text(mapping, run.dlqId));
  set(made, ATTRIBUTES.RUN_INVOKER_ID, text(mapping, run.invoker?.id));
  set(made, ATTRIBUTES.RUN_RESUMED_FROM, text(mapping, resumedFrom?.id));
  set(made, ATTRIBUTES.CLIENT_ADDRESS, text(mapping, run.callerIp));
  set(made, ATTRIBUTES.TIME_ADJUSTED, times.adjusted || undefined);
}

function setCounts(made: NewAttributes, mapping: Mapping, { steps }: Timeline): void {
  const counts = { total: 0, failed: 0, canceled: 0, retried: 0 };
  for (const time of steps) {
    if (!isWork(time)) continue;
    const { state } = time.step;
    counts.total += 1;
    if (hasFailed(mapping, time)) counts.failed += 1;
    if (state === "STEP_CANCELED") counts.canceled += 1;
    if (state === "STEP_RETRY" || (attemptsOf(mapping, time) ?? 1) > 1) counts.retried += 1;
  }
  set(made, ATTRIBUTES.STEPS_TOTAL, counts.total);
  set(made, ATTRIBUTES.STEPS_FAILED, counts.failed);
  set(made, ATTRIBUTES.STEPS_CANCELED, counts.canceled);
  set(made, ATTRIBUTES.STEPS_RETRIED, counts.retried);
}

function setPath(made: NewAttributes, { durations }: CriticalPath): void {
  set(made, ATTRIBUTES.CRITICAL_RUN, seconds(durations.run));
  set(made, ATTRIBUTES.CRITICAL_CALL, seconds(durations.call));
  set(made, ATTRIBUTES.CRITICAL_SLEEP, seconds(durations.sleep));
  set(made, ATTRIBUTES.CRITICAL_WAIT, seconds(durations.wait));
  set(made, ATTRIBUTES.CRITICAL_INVOKE, seconds(durations.invoke));
  set(made, ATTRIBUTES.CRITICAL_RETRY, seconds(durations.retry));
  set(made, ATTRIBUTES.CRITICAL_UNKNOWN, seconds(durations.unknown));
}

function setPayloads(made: NewAttributes, mapping: Mapping): void {
  const { run, settings } = mapping;
  const request = captured(mapping, settings.traces.capture.run_request, initialStep(run)?.out);
  const response = captured(mapping, settings.traces.capture.run_response, run.response);
  set(made, ATTRIBUTES.RUN_REQUEST_BODY, request?.value);
  set(made, ATTRIBUTES.RUN_REQUEST_BODY_SIZE, request?.size);
  set(made, ATTRIBUTES.RUN_RESPONSE_BODY, response?.value);
  set(made, ATTRIBUTES.RUN_RESPONSE_BODY_SIZE, response?.size);
}

/** Of the steps that failed; where the log shows none, of any. */
function lastError(mapping: Mapping, { steps }: Timeline): DeliveryError | undefined {
  const work = steps.filter(isWork);
  const failed = work.filter((time) => hasFailed(mapping, time) && errorsOf(time.step).length > 0);
  const errors = failed.length > 0 ? failed.flatMap(({ step }) => errorsOf(step)) : work.flatMap(({ step }) => step.errors);
  return errors.reduce<DeliveryError | undefined>((last, error) => ((error.time ?? 0) >= (last?.time ?? 0) ? error : last), undefined);
}

/** Initial, and steps of the resumed run: at the run's start if they are older, since backends refuse what lies far before its span. */
function runEvents(mapping: Mapping, times: Timeline): SpanEvent[] {
  const events: SpanEvent[] = [];
  for (const { step, role, start } of times.steps) {
    if (role === "initial") {
      events.push({ name: EVENTS.STARTED, time: start, attributes: attribute(ATTRIBUTES.STEP_MESSAGE_ID, text(mapping, step.messageId)) });
    }
    if (role === "carried") events.push({ name: EVENTS.CARRIED, time: start, attributes: carriedAttributes(mapping, step) });
  }
  if (mapping.run.state === "RUN_CANCELED") events.push({ name: EVENTS.CANCELED, time: times.end, attributes: {} });
  return events;
}

function carriedAttributes(mapping: Mapping, step: Step): NewAttributes {
  const made: NewAttributes = {};
  set(made, ATTRIBUTES.STEP_ID, step.id);
  set(made, ATTRIBUTES.STEP_NAME, text(mapping, step.name));
  set(made, ATTRIBUTES.STEP_TYPE, text(mapping, step.type));
  set(made, ATTRIBUTES.STEP_MESSAGE_ID, text(mapping, step.messageId));
  set(made, ATTRIBUTES.STEP_CREATED_AT, iso(step.createdAt));
  return made;
}

function resumedLink({ traceId: other, id, createdAt }: NonNullable<RunFacts["resumedFrom"]>): SpanLink {
  return { ...runSpanContext(id, createdAt), ...(other !== undefined && { traceId: other }), attributes: {} };
}
