import { ATTRIBUTES } from "../trace/attributes.ts";
import type { Attributes, AttributeValue, Span, SpanEvent, SpanLink, SpanStatus } from "../trace/span.ts";
import { byScope, flags, hrTime, isDouble, KINDS, STATUS } from "./numbers.ts";
import { SCOPES } from "./scope.ts";
import {
  delimit,
  encodeMessage,
  type Writer,
  writeBytes,
  writeDouble,
  writeFixed32,
  writeFixed64,
  writeHex,
  writeInteger,
  writeText,
  written,
} from "./writer.ts";

type Doubles = ReadonlySet<string>;

/**
 * One ExportTraceServiceRequest of `spans`: the very bytes that OpenTelemetry's serializer makes, with its counts of
 * what was dropped (0). Fields stand in descending order, as the writer wants them; numbers: opentelemetry-proto 1.x.
 */
export function protobufRequest(resource: Attributes, spans: readonly Span[], doubles: Doubles): Uint8Array {
  return encodeMessage((to) => {
    for (const [scope, some] of byScope(spans).reverse()) writeScopeSpans(to, scope, some, doubles);
    const before = written(to);
    writeInteger(to, 2, 0);
    writeAttributes(to, 1, resource, doubles);
    delimit(to, 1, before);
    delimit(to, 1, 0);
  });
}

function writeScopeSpans(to: Writer, scope: Span["scope"], spans: readonly Span[], doubles: Doubles): void {
  const { name, version, schemaUrl } = SCOPES[scope];
  const outer = written(to);
  writeText(to, 3, schemaUrl);
  for (const span of spans.toReversed()) writeSpan(to, span, doubles);
  const inner = written(to);
  writeText(to, 2, version);
  writeText(to, 1, name);
  delimit(to, 1, inner);
  delimit(to, 2, outer);
}

function writeSpan(to: Writer, span: Span, doubles: Doubles): void {
  const before = written(to);
  writeFixed32(to, 16, flags(span.traceFlags, span.parentSpanId !== undefined && span.parentIsRemote));
  writeStatus(to, span.status);
  writeInteger(to, 14, 0);
  for (const link of span.links.toReversed()) writeLink(to, link, doubles);
  writeInteger(to, 12, 0);
  for (const event of span.events.toReversed()) writeEvent(to, event, doubles);
  writeInteger(to, 10, 0);
  writeAttributes(to, 9, span.attributes, doubles);
  writeTime(to, 8, span.end);
  writeTime(to, 7, span.start);
  writeInteger(to, 6, KINDS[span.kind]);
  writeText(to, 5, span.name);
  if (span.parentSpanId) writeHex(to, 4, span.parentSpanId);
  if (span.traceState) writeText(to, 3, span.traceState);
  writeHex(to, 2, span.spanId);
  writeHex(to, 1, span.traceId);
  delimit(to, 2, before);
}

function writeStatus(to: Writer, { code, message }: SpanStatus): void {
  const before = written(to);
  writeInteger(to, 3, STATUS[code]);
  if (message) writeText(to, 2, message);
  delimit(to, 15, before);
}

function writeLink(to: Writer, link: SpanLink, doubles: Doubles): void {
  const before = written(to);
  writeFixed32(to, 6, flags(link.traceFlags, link.isRemote));
  writeInteger(to, 5, 0);
  writeAttributes(to, 4, link.attributes, doubles);
  if (link.traceState) writeText(to, 3, link.traceState);
  writeHex(to, 2, link.spanId);
  writeHex(to, 1, link.traceId);
  delimit(to, 13, before);
}

function writeEvent(to: Writer, event: SpanEvent, doubles: Doubles): void {
  const before = written(to);
  writeInteger(to, 4, 0);
  writeAttributes(to, 3, event.attributes, doubles);
  writeText(to, 2, event.name);
  writeTime(to, 1, event.time);
  delimit(to, 11, before);
}

function writeTime(to: Writer, field: number, time: number): void {
  const [seconds, nanos] = hrTime(time);
  // seconds × 1e9 has more digits than a double: by 20 bits at a time
  const low = (seconds % 2 ** 20) * 1e9 + nanos;
  const rest = Math.floor(seconds / 2 ** 20) * 1e9 + Math.floor(low / 2 ** 20);
  writeFixed64(to, field, Math.floor(rest / 2 ** 12), (rest % 2 ** 12) * 2 ** 20 + (low % 2 ** 20));
}

/** The names of our own attributes, as fields: most of a span's bytes, and always the same. */
const NAMES = new Map(Object.values(ATTRIBUTES).map(({ name }) => [name, encodeMessage((to) => writeText(to, 1, name))]));

function writeAttributes(to: Writer, field: number, attributes: Attributes, doubles: Doubles): void {
  for (const key of Object.keys(attributes).reverse()) {
    const before = written(to);
    const value = attributes[key];
    if (value !== undefined) writeValue(to, value, typeof value === "number" && isDouble(value, doubles.has(key)));
    delimit(to, 2, before);
    const name = NAMES.get(key);
    if (name === undefined) writeText(to, 1, key);
    else writeBytes(to, name);
    delimit(to, field, before);
  }
}

/** The one field of an AnyValue. -0 becomes 0: JSON has no other. */
function writeValue(to: Writer, value: AttributeValue, double: boolean): void {
  if (typeof value === "string") writeText(to, 1, value);
  else if (typeof value === "boolean") writeInteger(to, 2, value ? 1 : 0);
  else if (typeof value === "object") writeArray(to, value);
  else if (double) writeDouble(to, 4, value + 0);
  else writeInteger(to, 3, value);
}

function writeArray(to: Writer, values: Extract<AttributeValue, object>): void {
  const outer = written(to);
  for (const value of values.toReversed()) {
    const inner = written(to);
    writeValue(to, value, typeof value === "number" && isDouble(value, false));
    delimit(to, 1, inner);
  }
  delimit(to, 5, outer);
}
