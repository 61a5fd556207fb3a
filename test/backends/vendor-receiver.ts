import { type OtlpReceiver, type ReceivedRequest, type Reply, startOtlpReceiver } from "../../src/fake-upstash/otlp-receiver.ts";
import type { PlainAttributes, PlainValue, ReceivedSpan } from "../../src/fake-upstash/otlp-spans.ts";
import type { SpanLimits, VendorRules } from "./vendor-rules.ts";

/** A receiver that keeps one vendor's documented rules, answers as documented, and remembers what broke them. */
export interface VendorReceiver {
  readonly url: string;
  readonly receiver: OtlpReceiver;
  /** What was wrong with accepted spans, by rule; a refused request is in the receiver's own `requests`. */
  readonly broken: readonly string[];
  close(): Promise<void>;
}

export async function startVendor(rules: VendorRules, auth: Readonly<Record<string, string>>): Promise<VendorReceiver> {
  const broken: string[] = [];
  const traces = new Map<string, { bytes: number; spans: number }>();
  const respond = (request: ReceivedRequest): Reply | undefined => {
    const refusal = refused(request, rules, auth);
    if (refusal !== undefined) return refusal;
    broken.push(...brokenBy(request, rules, traces));
    return rules.answersWithoutBody ? { status: 200 } : undefined;
  };
  const receiver = await startOtlpReceiver({ path: rules.path, respond, maxBodyBytes: rules.maxBodyBytes });
  return { url: receiver.url, receiver, broken, close: () => receiver.close() };
}

/** In the order in which such a service looks: key, path, format, size. */
function refused(request: ReceivedRequest, rules: VendorRules, auth: Readonly<Record<string, string>>): Reply | undefined {
  const wrong = Object.entries(auth).find(([name, value]) => request.headers[name] !== value);
  if (wrong !== undefined) return { status: rules.unauthorized ?? 401 };
  const type = request.headers["content-type"] === "application/json" ? "json" : "protobuf";
  if (request.path === rules.path && !rules.encodings.includes(type)) return { status: 415 };
  return request.violations[0] === "oversize" ? { status: rules.oversizeStatus ?? 413 } : undefined;
}

type Traces = Map<string, { bytes: number; spans: number }>;

function brokenBy(request: ReceivedRequest, rules: VendorRules, traces: Traces): string[] {
  const { spans, body } = request;
  const found = spans.flatMap((span) => spanBreaks(span, rules));
  if (spans.length > (rules.maxSpansPerRequest ?? Number.POSITIVE_INFINITY)) found.push(`${spans.length} spans in a request`);
  const average = body.length / Math.max(1, spans.length); // of a request's bytes, resource and scope included
  if (average > (rules.maxSpanBytes ?? Number.POSITIVE_INFINITY)) found.push(`spans of ${average} bytes`);
  for (const { traceId } of spans) {
    const trace = traces.get(traceId) ?? { bytes: 0, spans: 0 };
    traces.set(traceId, { bytes: trace.bytes + average, spans: trace.spans + 1 });
  }
  for (const [traceId, trace] of traces) {
    if (trace.bytes > (rules.maxTraceBytes ?? Number.POSITIVE_INFINITY)) found.push(`trace ${traceId} has ${trace.bytes} bytes`);
    if (trace.spans > (rules.maxSpansPerTrace ?? Number.POSITIVE_INFINITY)) found.push(`trace ${traceId} has ${trace.spans} spans`);
  }
  return found;
}

function spanBreaks(span: ReceivedSpan, { span: limits = {}, maxSpanAge = Number.POSITIVE_INFINITY }: VendorRules): string[] {
  const own = counted("span", span.attributes, limits.attributes);
  const events = span.events.flatMap((event) => counted("event", event.attributes, limits.eventAttributes));
  const links = span.links.flatMap((link) => counted("link", link.attributes, limits.linkAttributes));
  const maps = [
    span.attributes,
    span.resource,
    ...span.events.map((event) => event.attributes),
    ...span.links.map((link) => link.attributes),
  ];
  const age = Date.now() - Number(span.endTimeUnixNano / 1_000_000n);
  const breaks = [
    ...own,
    ...events,
    ...links,
    ...over("events", span.events.length, limits.events),
    ...over("links", span.links.length, limits.links),
    ...over("characters of name", span.name.length, limits.name),
    ...over("ms old", age, maxSpanAge),
    ...maps.flatMap((map) => Object.entries(map).flatMap(([key, value]) => valueBreaks(key, value, limits))),
  ];
  return breaks.map((what) => `${span.name}: ${what}`);
}

const over = (what: string, count: number, limit = Number.POSITIVE_INFINITY) => (count > limit ? [`${count} ${what}`] : []);

const counted = (of: string, attributes: PlainAttributes, limit?: number) =>
  over(`attributes of a ${of}`, Object.keys(attributes).length, limit);

function valueBreaks(key: string, value: PlainValue, limits: SpanLimits): string[] {
  const texts = (Array.isArray(value) ? value : [value]).filter((item): item is string => typeof item === "string");
  return [
    ...over(`characters of key ${key}`, key.length, limits.key),
    ...over(`entries of ${key}`, Array.isArray(value) ? value.length : 0, limits.listEntries),
    ...texts.flatMap((text) => over(`characters of ${key}`, text.length, limits.value)),
    ...texts.flatMap((text) => over(`bytes of ${key}`, Buffer.byteLength(text), limits.valueBytes)),
  ];
}
