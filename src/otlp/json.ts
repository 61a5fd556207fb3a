import type { Millis } from "../model/run.ts";
import type { Attributes, AttributeValue, Span, SpanEvent, SpanLink } from "../trace/span.ts";
import { byScope, flags, hrTime, isDouble, KINDS, STATUS } from "./numbers.ts";
import { SCOPES } from "./scope.ts";

/**
 * One ExportTraceServiceRequest of `spans` as JSON.stringify writes it: the very bytes that OpenTelemetry's serializer
 * makes, the order of its fields included.
 */
export function jsonRequest(resource: Attributes, spans: readonly Span[], doubles: ReadonlySet<string>): Uint8Array {
  const scopeSpans = byScope(spans).map(([scope, some]) => {
    const { name, version, schemaUrl } = SCOPES[scope];
    return { scope: { name, version }, spans: some.map((span) => toSpan(span, doubles)), schemaUrl };
  });
  const resourceSpans = [{ resource: { attributes: toAttributes(resource, doubles), droppedAttributesCount: 0 }, scopeSpans }];
  return Buffer.from(JSON.stringify({ resourceSpans }));
}

function toSpan(span: Span, doubles: ReadonlySet<string>): object {
  return {
    traceId: span.traceId,
    spanId: span.spanId,
    parentSpanId: span.parentSpanId || undefined,
    traceState: span.traceState,
    name: span.name,
    kind: KINDS[span.kind],
    startTimeUnixNano: toUnixNano(span.start),
    endTimeUnixNano: toUnixNano(span.end),
    attributes: toAttributes(span.attributes, doubles),
    droppedAttributesCount: 0,
    events: span.events.map((event) => toEvent(event, doubles)),
    droppedEventsCount: 0,
    status: { code: STATUS[span.status.code], message: span.status.message },
    links: span.links.map((link) => toLink(link, doubles)),
    droppedLinksCount: 0,
    flags: flags(span.traceFlags, span.parentSpanId !== undefined && span.parentIsRemote),
  };
}

function toEvent({ name, time, attributes }: SpanEvent, doubles: ReadonlySet<string>): object {
  return { attributes: toAttributes(attributes, doubles), name, timeUnixNano: toUnixNano(time), droppedAttributesCount: 0 };
}

function toLink({ traceId, spanId, traceState, traceFlags, isRemote, attributes }: SpanLink, doubles: ReadonlySet<string>): object {
  return {
    attributes: toAttributes(attributes, doubles),
    spanId,
    traceId,
    traceState,
    droppedAttributesCount: 0,
    flags: flags(traceFlags, isRemote),
  };
}

/** A 64-bit integer is a string in protobuf's JSON. */
function toUnixNano(time: Millis): string {
  const [seconds, nanos] = hrTime(time);
  return String(BigInt(seconds) * 1_000_000_000n + BigInt(nanos));
}

function toAttributes(attributes: Attributes, doubles: ReadonlySet<string>): object[] {
  return Object.entries(attributes).map(([key, value]) => ({
    key,
    value: toValue(value, typeof value === "number" && isDouble(value, doubles.has(key))),
  }));
}

function toValue(value: AttributeValue, double: boolean): object {
  if (typeof value === "string") return { stringValue: value };
  if (typeof value === "boolean") return { boolValue: value };
  if (typeof value === "object") return { arrayValue: { values: value.map((item) => toValue(item, !Number.isInteger(item))) } };
  return double ? { doubleValue: value } : { intValue: value };
}
