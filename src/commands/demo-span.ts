import type { PlainAttributes, PlainValue, ReceivedSpan } from "../fake-upstash/otlp-spans.ts";
import type { Attributes, AttributeValue, Span, SpanKind, SpanRole } from "../trace/span.ts";

const KINDS: readonly SpanKind[] = ["internal", "internal", "server", "client", "producer", "consumer"];

/** A span as it came over OTLP, in the form that the waterfall draws, with the resource it came with. */
export interface ArrivedSpan extends Span {
  readonly resource: Attributes;
}

export function toSpan(span: ReceivedSpan): ArrivedSpan {
  return {
    resource: toAttributes(span.resource),
    traceId: span.traceId,
    spanId: span.spanId,
    ...(span.parentSpanId === "" ? {} : { parentSpanId: span.parentSpanId }),
    parentIsRemote: (span.flags & 0x200) !== 0,
    traceFlags: span.flags & 0xff,
    name: span.name,
    kind: KINDS[span.kind] ?? "internal",
    start: millis(span.startTimeUnixNano),
    end: millis(span.endTimeUnixNano),
    attributes: toAttributes(span.attributes),
    events: span.events.map((event) => ({
      name: event.name,
      time: millis(event.timeUnixNano),
      attributes: toAttributes(event.attributes),
    })),
    links: span.links.map((link) => ({
      traceId: link.traceId,
      spanId: link.spanId,
      traceFlags: link.flags & 0xff,
      isRemote: true,
      attributes: toAttributes(link.attributes),
    })),
    status: span.status.code === 2 ? { code: "error", message: span.status.message } : { code: "unset" },
    scope: "workflow",
    role: roleOf(span.attributes),
  };
}

const millis = (nanos: bigint) => Number(nanos / 1_000_000n);

function roleOf(attributes: PlainAttributes): SpanRole {
  if ("upstash.workflow.run.state" in attributes) return "run";
  if ("upstash.workflow.failure.state" in attributes) return "failure";
  return "upstash.workflow.step.type" in attributes ? "step" : "part";
}

function toAttributes(plain: PlainAttributes): Attributes {
  const attributes: Record<string, AttributeValue> = {};
  for (const [name, value] of Object.entries(plain)) {
    if (isScalar(value)) attributes[name] = value;
    else if (Array.isArray(value)) attributes[name] = value.map(String);
  }
  return attributes;
}

const isScalar = (value: PlainValue): value is string | number | boolean => ["string", "number", "boolean"].includes(typeof value);
