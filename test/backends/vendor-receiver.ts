import { type OtlpReceiver, type ReceivedRequest, type Reply, startOtlpReceiver } from "../../src/fake-upstash/otlp-receiver.ts";
import type { PlainAttributes, PlainValue, ReceivedSpan } from "../../src/fake-upstash/otlp-spans.ts";
import type { Busy, SpanLimits, VendorRules } from "./vendor-rules.ts";

/** A receiver that keeps one vendor's documented rules, answers as documented, and remembers what broke them. */
export interface VendorReceiver {
  readonly url: string;
  readonly receiver: OtlpReceiver;
  /** What the vendor has in the end: of what it accepted, it discards some without a word. */
  readonly kept: readonly ReceivedSpan[];
  /** What was wrong with accepted spans, by rule; a refused request is in the receiver's own `requests`. */
  readonly broken: readonly string[];
  close(): Promise<void>;
}

/** @param busy takes nothing at first, and answers so */
export async function startVendor(rules: VendorRules, auth: Readonly<Record<string, string>>, busy?: Busy): Promise<VendorReceiver> {
  const broken: string[] = [];
  const kept: ReceivedSpan[] = [];
  const traces: Traces = new Map();
  const isBusy = busy && untilItsTime(busy);
  const respond = (request: ReceivedRequest): Reply | undefined => {
    const refusal = refused(request, rules, auth) ?? isBusy?.();
    if (refusal !== undefined) return refusal;
    broken.push(...brokenBy(request, rules, traces));
    kept.push(
      ...request.spans.filter(({ traceId }) => (traces.get(traceId)?.bytes ?? 0) <= (rules.maxTraceBytes ?? Number.POSITIVE_INFINITY)),
    );
    return rules.answersWithoutBody ? { status: 200 } : undefined;
  };
  const receiver = await startOtlpReceiver({ path: rules.path, respond, maxBodyBytes: rules.maxBodyBytes });
  return { url: receiver.url, receiver, kept, broken, close: () => receiver.close() };
}

/** Long enough that whoever does not heed it comes too early, at least once. */
const DELAY_S = 3;

/** Refuses until the time that its first refusal has named; one that names none refuses once. */
function untilItsTime({ status, retryAfter }: Busy): () => Reply | undefined {
  let until: number | undefined;
  return () => {
    const now = Date.now();
    if (until !== undefined && now >= until) return undefined;
    if (retryAfter === undefined) {
      until = now;
      return { status };
    }
    until ??= 1_000 * (Math.floor(now / 1_000) + DELAY_S); // a date has whole seconds
    const left = Math.ceil((until - now) / 1_000);
    return { status, headers: { "retry-after": retryAfter === "date" ? new Date(until).toUTCString() : `${left}` } };
  };
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
    if (trace.bytes > (rules.maxTraceBytes ?? Number.POSITIVE_INFINITY))
      found.push(`trace ${traceId} has ${Math.round(trace.bytes)} bytes`);
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
