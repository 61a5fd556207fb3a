import type { MessageEvent } from "../model/event.ts";
import type { DeliveryError, RunKey, WorkflowRun } from "../model/run.ts";
import { attribute, attributes, type Pair } from "./attribute.ts";
import { ATTRIBUTES, EVENTS } from "./attributes.ts";
import type { MappingSettings } from "./config.ts";
import { inSeveralTraces } from "./continuation.ts";
import { type CriticalPath, criticalPath, PATH_KINDS } from "./critical-path.ts";
import { errorType, failedStatus } from "./errors.ts";
import { delaySpanId, runSpanContext } from "./ids.ts";
import { iso, seconds } from "./instant.ts";
import { finished } from "./limits.ts";
import { failureSpans } from "./map-failure.ts";
import { deliverySpans, partSpans } from "./map-parts.ts";
import { resourceOf } from "./map-resource.ts";
import { attemptsOf, captured, hasFailed, stepSpan } from "./map-step.ts";
import { type Mapping, mappingOf, spanOf, text, urlText } from "./mapping.ts";
import type { MappedRun, Placement, Span, SpanEvent, SpanLink } from "./span.ts";
import { stepIds } from "./step-ids.ts";
import { isWork, type StepTime, type Timeline, timeline } from "./timeline.ts";
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
  const steps = [...stepIds(run, times.steps)];
  const spans = [
    runSpan(mapping, times, path, facts),
    ...delaySpans(mapping, times),
    ...steps.flatMap(([time, id]) => [stepSpan(mapping, time, id.spanId, path.steps.has(time)), ...partSpans(mapping, time, id)]),
    ...times.deliveries.flatMap((delivery) => deliverySpans(mapping, delivery)),
  ].map((span) => finished(span, settings));
  const invokes = new Set(steps.flatMap(([{ step }, id]) => (step.type === "Invoke" ? [id.spanId] : [])));
  // The failure function settles later: it must not decide where the others lie.
  const failure = failureSpans(mapping, times.end, facts.events, facts.failureNumber).map((span) => finished(span, settings));
  return { resource: resourceOf(mapping), spans: [...inSeveralTraces(spans, run, settings.traces, invokes), ...failure] };
}

function runSpan(mapping: Mapping, times: Timeline, path: CriticalPath, facts: RunFacts): Span {
  const { run, placement, naming, settings } = mapping;
  const failed = run.state === "RUN_FAILED";
  const error = failed ? lastError(mapping, times) : undefined;
  const { parentSpanId } = placement;
  return {
    ...withoutParent(spanOf(mapping, { spanId: mapping.runSpanId, name: "", start: times.start, end: times.end, role: "run" })),
    ...(parentSpanId !== undefined && { parentSpanId, parentIsRemote: true }),
    name: spanName(naming.name, "workflow"),
    kind: run.invoker !== undefined || settings.traces.run_kind === "server" ? "server" : "consumer",
    attributes: attributes({ ...naming.attributes, ...mapping.identity }, [
      ...runAttributes(mapping, times, facts),
      ...stepCounts(mapping, times),
      ...pathAttributes(path),
      [ATTRIBUTES.ERROR_TYPE, failed ? errorType(error) : undefined],
      ...runPayloads(mapping),
    ]),
    events: runEvents(mapping, times),
    links: [...placement.links, ...resumedLinks(facts)],
    status: failed ? failedStatus(mapping, error) : { code: "unset" },
  };
}

function withoutParent({ parentSpanId: _, ...span }: Span): Span {
  return span;
}

function delaySpans(mapping: Mapping, { delay }: Timeline): Span[] {
  if (delay === undefined) return [];
  const spanId = delaySpanId(mapping.run.id, mapping.run.createdAt);
  return [spanOf(mapping, { spanId, name: "start delay", start: delay.start, end: delay.end, role: "delay" })];
}

function runAttributes(mapping: Mapping, times: Timeline, { resumedFrom }: RunFacts): Pair[] {
  const { run } = mapping;
  return [
    [ATTRIBUTES.RUN_STATE, text(mapping, run.state)],
    [ATTRIBUTES.RUN_URL, urlText(mapping, run.url)],
    [ATTRIBUTES.RUN_CREATED_AT, iso(run.createdAt)],
    [ATTRIBUTES.RUN_LABELS, run.labels.map((label) => text(mapping, label))],
    [ATTRIBUTES.RUN_FLOW_CONTROL, text(mapping, run.flowControlKey)],
    [ATTRIBUTES.RUN_DLQ_ID, text(mapping, run.dlqId)],
    [ATTRIBUTES.RUN_INVOKER_ID, text(mapping, run.invoker?.id)],
    [ATTRIBUTES.RUN_RESUMED_FROM, text(mapping, resumedFrom?.id)],
    [ATTRIBUTES.CLIENT_ADDRESS, text(mapping, run.callerIp)],
    [ATTRIBUTES.TIME_ADJUSTED, times.adjusted || undefined],
  ];
}

function stepCounts(mapping: Mapping, { steps }: Timeline): Pair[] {
  const work = steps.filter(isWork);
  const count = (matches: (time: StepTime) => boolean) => work.filter(matches).length;
  const isRetried = (time: StepTime) => time.step.state === "STEP_RETRY" || (attemptsOf(mapping, time) ?? 1) > 1;
  return [
    [ATTRIBUTES.STEPS_TOTAL, work.length],
    [ATTRIBUTES.STEPS_FAILED, count((time) => hasFailed(mapping, time))],
    [ATTRIBUTES.STEPS_CANCELED, count(({ step }) => step.state === "STEP_CANCELED")],
    [ATTRIBUTES.STEPS_RETRIED, count(isRetried)],
  ];
}

function pathAttributes({ durations }: CriticalPath): Pair[] {
  const of = {
    run: ATTRIBUTES.CRITICAL_RUN,
    call: ATTRIBUTES.CRITICAL_CALL,
    sleep: ATTRIBUTES.CRITICAL_SLEEP,
    wait: ATTRIBUTES.CRITICAL_WAIT,
    invoke: ATTRIBUTES.CRITICAL_INVOKE,
    retry: ATTRIBUTES.CRITICAL_RETRY,
    unknown: ATTRIBUTES.CRITICAL_UNKNOWN,
  } as const;
  return PATH_KINDS.map((kind) => [of[kind], seconds(durations[kind])]);
}

function runPayloads(mapping: Mapping): Pair[] {
  const { run, settings } = mapping;
  const initial = run.groups.flatMap((group) => group.steps).find((step) => step.type === "Initial");
  const request = captured(mapping, settings.traces.capture.run_request, initial?.out);
  const response = captured(mapping, settings.traces.capture.run_response, run.response);
  return [
    [ATTRIBUTES.RUN_REQUEST_BODY, request?.value],
    [ATTRIBUTES.RUN_REQUEST_BODY_SIZE, request?.size],
    [ATTRIBUTES.RUN_RESPONSE_BODY, response?.value],
    [ATTRIBUTES.RUN_RESPONSE_BODY_SIZE, response?.size],
  ];
}

/** Of the steps that failed; where the log shows none, of any. */
function lastError(mapping: Mapping, { steps }: Timeline): DeliveryError | undefined {
  const work = steps.filter(isWork);
  const failed = work.filter((time) => hasFailed(mapping, time) && time.step.errors.length > 0);
  const errors = (failed.length > 0 ? failed : work).flatMap(({ step }) => step.errors);
  return errors.reduce<DeliveryError | undefined>((last, error) => ((error.time ?? 0) >= (last?.time ?? 0) ? error : last), undefined);
}

function runEvents(mapping: Mapping, times: Timeline): SpanEvent[] {
  const events = times.steps.flatMap((time) => pointEvents(mapping, time));
  if (mapping.run.state !== "RUN_CANCELED") return events;
  return [...events, { name: EVENTS.CANCELED, time: times.end, attributes: {} }];
}

/** Initial, and steps of the resumed run: at the run's start if they are older, since backends refuse what lies far before its span. */
function pointEvents(mapping: Mapping, { step, role, start }: StepTime): SpanEvent[] {
  if (role === "initial") {
    return [{ name: EVENTS.STARTED, time: start, attributes: attribute(ATTRIBUTES.STEP_MESSAGE_ID, text(mapping, step.messageId)) }];
  }
  if (role !== "carried") return [];
  const attributes = {
    ...attribute(ATTRIBUTES.STEP_ID, step.id),
    ...attribute(ATTRIBUTES.STEP_NAME, text(mapping, step.name)),
    ...attribute(ATTRIBUTES.STEP_TYPE, text(mapping, step.type)),
    ...attribute(ATTRIBUTES.STEP_MESSAGE_ID, text(mapping, step.messageId)),
    ...attribute(ATTRIBUTES.STEP_CREATED_AT, iso(step.createdAt)),
  };
  return [{ name: EVENTS.CARRIED, time: start, attributes }];
}

function resumedLinks({ resumedFrom }: RunFacts): SpanLink[] {
  if (resumedFrom === undefined) return [];
  const { traceId: other, id, createdAt } = resumedFrom;
  return [{ ...runSpanContext(id, createdAt), ...(other !== undefined && { traceId: other }), attributes: {} }];
}
