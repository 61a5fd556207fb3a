import type { MappedRun, Span } from "../../src/trace/span.ts";

/** A trace as JSON that people can review: times in ms after the run's start, what is empty left out, flags in words. */
export function readable(mapped: MappedRun): string {
  const zero = mapped.spans[0]?.start ?? 0;
  const spans = mapped.spans.map((span) => readableSpan(span, zero));
  return `${JSON.stringify({ resource: mapped.resource, spans }, null, 2)}\n`;
}

function readableSpan(span: Span, zero: number): object {
  const { traceId, spanId, parentSpanId, parentIsRemote, traceState, traceFlags, name, kind, start, end, role, scope, status } = span;
  return {
    name,
    role,
    kind,
    time: `${start - zero} … ${end - zero}`,
    ...(status.code === "error" && { error: status.message ?? "" }),
    context: `${traceId} ${spanId} flags ${traceFlags}${traceState === undefined ? "" : ` state ${traceState}`}`,
    ...(parentSpanId !== undefined && { parent: `${parentSpanId}${parentIsRemote ? " (remote)" : ""}` }),
    ...(scope !== "workflow" && { scope }),
    attributes: span.attributes,
    ...(span.events.length > 0 && {
      events: span.events.map((event) => ({ name: event.name, time: event.time - zero, ...event.attributes })),
    }),
    ...(span.links.length > 0 && { links: span.links }),
  };
}
