import type { WorkflowRun } from "../model/run.ts";
import { ATTRIBUTES } from "./attributes.ts";
import type { MappingSettings } from "./config.ts";
import { runSpanId } from "./ids.ts";
import { nameRun, type RunNaming } from "./naming.ts";
import { createRedactor, type Redactor } from "./redact.ts";
import type { Attributes, Placement, Span, SpanEvent, SpanLink, SpanStatus } from "./span.ts";

/** What every span of one run is made from. */
export interface Mapping {
  readonly run: WorkflowRun;
  readonly placement: Placement;
  readonly settings: MappingSettings;
  readonly naming: RunNaming;
  readonly redactor: Redactor;
  readonly runSpanId: string;
  /** Carried by every span. */
  readonly identity: Attributes;
}

/** Patterns are compiled once for each configuration; a memo, so mapping stays pure. */
const redactors = new WeakMap<MappingSettings, Redactor>();

export function redactorOf(settings: MappingSettings): Redactor {
  const redactor = redactors.get(settings) ?? createRedactor(settings.traces.redact);
  redactors.set(settings, redactor);
  return redactor;
}

export function mappingOf(run: WorkflowRun, placement: Placement, settings: MappingSettings): Mapping {
  const redactor = redactorOf(settings);
  const naming = nameRun(run, settings);
  const identity = {
    [ATTRIBUTES.RUN_ID.name]: redactor.text(run.id),
    [ATTRIBUTES.WORKFLOW_NAME.name]: naming.name,
  };
  return { run, placement, settings, naming, redactor, runSpanId: runSpanId(run.id, run.createdAt), identity };
}

/** Text of the log as an attribute: redacted; `finished` cuts it after. */
export function text({ redactor }: Mapping, value: string): string;
export function text({ redactor }: Mapping, value: string | undefined): string | undefined;
export function text({ redactor }: Mapping, value: string | undefined): string | undefined {
  return value === undefined || value === "" ? value : redactor.text(value);
}

export function urlText({ redactor }: Mapping, value: string | undefined): string | undefined {
  return value === undefined || value === "" ? value : redactor.url(value);
}

/** Attributes read from the log: every string in them redacted. */
export function texts(mapping: Mapping, attributes: Attributes): Attributes {
  const clean = <T>(value: T) => (typeof value === "string" ? text(mapping, value) : value);
  const entries = Object.entries(attributes).map(([name, value]) => [name, Array.isArray(value) ? value.map(clean) : clean(value)]);
  return Object.fromEntries(entries);
}

type Essential = "spanId" | "name" | "start" | "end" | "role";

const NO_EVENTS: readonly SpanEvent[] = [];
const NO_LINKS: readonly SpanLink[] = [];
const UNSET: SpanStatus = { code: "unset" };

/**
 * A span of the run's trace: a child of the run's span, internal and in order, but for what `own` says. Its attributes
 * begin with `identity`. All spans have the same keys in the same order: what reads them by the thousand is faster for it.
 */
export function spanOf({ placement, runSpanId, identity }: Mapping, own: Pick<Span, Essential> & Partial<Span>): Span {
  return {
    traceId: placement.traceId,
    spanId: own.spanId,
    parentSpanId: own.parentSpanId ?? runSpanId,
    parentIsRemote: false,
    traceState: placement.traceState,
    traceFlags: placement.traceFlags,
    name: own.name,
    kind: own.kind ?? "internal",
    start: own.start,
    end: own.end,
    attributes: own.attributes ?? identity,
    events: own.events ?? NO_EVENTS,
    links: own.links ?? NO_LINKS,
    status: own.status ?? UNSET,
    scope: own.scope ?? "workflow",
    role: own.role,
    event: own.event,
  };
}
