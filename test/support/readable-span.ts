import type { Link, Attributes as OtelAttributes, SpanContext } from "@opentelemetry/api";
import type { Resource } from "@opentelemetry/resources";
import type { ReadableSpan } from "@opentelemetry/sdk-trace-base";
import { hrTime } from "../../src/otlp/numbers.ts";
import { SCOPES } from "../../src/otlp/scope.ts";
import type { Attributes, Span, SpanLink } from "../../src/trace/span.ts";

/** OpenTelemetry's numbers; its serializers add one to the kind. */
const KINDS = { internal: 0, server: 1, client: 2, producer: 3, consumer: 4 } as const;
const STATUS = { unset: 0, error: 2 } as const;

/**
 * A span in the form that OpenTelemetry's serializers take. `attributes` turns each attribute map into what
 * they are to see; spans of one request must share `resource`, by which they are grouped.
 */
export function readableSpan(span: Span, resource: Resource, attributes: (from: Attributes) => OtelAttributes): ReadableSpan {
  const context = spanContext(span, false);
  return {
    name: span.name,
    kind: KINDS[span.kind],
    spanContext: () => context,
    ...(span.parentSpanId === undefined
      ? {}
      : { parentSpanContext: { ...context, spanId: span.parentSpanId, isRemote: span.parentIsRemote } }),
    startTime: hrTime(span.start),
    endTime: hrTime(span.end),
    duration: hrTime(span.end - span.start),
    ended: true,
    status: { code: STATUS[span.status.code], ...(span.status.message === undefined ? {} : { message: span.status.message }) },
    attributes: attributes(span.attributes),
    events: span.events.map((event) => ({ name: event.name, time: hrTime(event.time), attributes: attributes(event.attributes) })),
    links: span.links.map((link) => readableLink(link, attributes)),
    resource,
    instrumentationScope: SCOPES[span.scope],
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  };
}

function readableLink(link: SpanLink, attributes: (from: Attributes) => OtelAttributes): Link {
  return { context: spanContext(link, link.isRemote), attributes: attributes(link.attributes) };
}

function spanContext(of: Pick<SpanLink, "traceId" | "spanId" | "traceFlags" | "traceState">, isRemote: boolean): SpanContext {
  const { traceId, spanId, traceFlags } = of;
  return { traceId, spanId, traceFlags, isRemote, ...(of.traceState === undefined ? {} : { traceState: rawTraceState(of.traceState) }) };
}

/** Passed on as it came: parsing it again would drop what this version of the parser does not know. */
function rawTraceState(text: string): NonNullable<SpanContext["traceState"]> {
  const state = { serialize: () => text, get: () => undefined, set: () => state, unset: () => state };
  return state;
}
