import { type Decoded, decodeRequest } from "./otlp-decode.ts";

export type PlainValue = string | number | boolean | null | readonly PlainValue[] | { readonly [key: string]: PlainValue };
export type PlainAttributes = Readonly<Record<string, PlainValue>>;

/** A span as a backend has it. `wire` is its whole canonical form, equal for both encodings. */
export interface ReceivedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly traceState: string;
  readonly flags: number;
  readonly name: string;
  /** OTLP's number: 1 internal, 2 server, 3 client, 4 producer, 5 consumer. */
  readonly kind: number;
  readonly startTimeUnixNano: bigint;
  readonly endTimeUnixNano: bigint;
  readonly attributes: PlainAttributes;
  readonly events: readonly { readonly name: string; readonly timeUnixNano: bigint; readonly attributes: PlainAttributes }[];
  readonly links: readonly {
    readonly traceId: string;
    readonly spanId: string;
    readonly traceState: string;
    readonly flags: number;
    readonly attributes: PlainAttributes;
  }[];
  /** 0 unset, 1 ok, 2 error. */
  readonly status: { readonly code: number; readonly message: string };
  readonly resource: PlainAttributes;
  readonly resourceSchemaUrl: string;
  readonly scope: { readonly name: string; readonly version: string; readonly schemaUrl: string };
  readonly wire: Decoded;
}

/** The request's spans, and what is wrong with it; no spans where it cannot be decoded at all. */
export function readSpans(body: Uint8Array, encoding: "protobuf" | "json"): { spans: ReceivedSpan[]; violations: string[] } {
  let request: Decoded;
  try {
    request = decodeRequest(body, encoding);
  } catch (error) {
    return { spans: [], violations: [String(error instanceof Error ? error.message : error)] };
  }
  const spans = list(request.resourceSpans).flatMap((resourceSpans) =>
    list(resourceSpans.scopeSpans).flatMap((scopeSpans) => list(scopeSpans.spans).map((span) => received(span, scopeSpans, resourceSpans))),
  );
  return { spans, violations: spans.flatMap(violationsOf) };
}

const list = (value: unknown): Decoded[] => value as Decoded[];
const number = (value: unknown): number => Number(value);
const text = (value: unknown): string => String(value);

function received(span: Decoded, scopeSpans: Decoded, resourceSpans: Decoded): ReceivedSpan {
  const scope = scopeSpans.scope as Decoded;
  const status = span.status as Decoded;
  const resource = resourceSpans.resource as Decoded;
  return {
    ...idsOf(span),
    parentSpanId: text(span.parentSpanId),
    name: text(span.name),
    kind: number(span.kind),
    startTimeUnixNano: BigInt(text(span.startTimeUnixNano)),
    endTimeUnixNano: BigInt(text(span.endTimeUnixNano)),
    events: list(span.events).map((event) => ({
      name: text(event.name),
      timeUnixNano: BigInt(text(event.timeUnixNano)),
      attributes: plain(event.attributes),
    })),
    links: list(span.links).map(idsOf),
    status: { code: number(status.code), message: text(status.message) },
    resource: plain(resource.attributes),
    resourceSchemaUrl: text(resourceSpans.schemaUrl),
    scope: { name: text(scope.name), version: text(scope.version), schemaUrl: text(scopeSpans.schemaUrl) },
    wire: { resource, resourceSchemaUrl: resourceSpans.schemaUrl, scope, scopeSchemaUrl: scopeSpans.schemaUrl, span },
  };
}

function idsOf(of: Decoded) {
  return {
    traceId: text(of.traceId),
    spanId: text(of.spanId),
    traceState: text(of.traceState),
    flags: number(of.flags),
    attributes: plain(of.attributes),
  };
}

function plain(attributes: unknown): PlainAttributes {
  return Object.fromEntries(list(attributes).map((pair) => [text(pair.key), plainValue(pair.value as Decoded)]));
}

function plainValue(value: Decoded): PlainValue {
  const [entry] = Object.entries(value);
  if (entry === undefined) return null;
  const [kind, inner] = entry;
  if (kind === "intValue") return Number(inner);
  if (kind === "arrayValue") return list((inner as Decoded).values).map(plainValue);
  return kind === "kvlistValue" ? plain((inner as Decoded).values) : (inner as PlainValue);
}

/** What no backend should be sent, though it decodes. */
function violationsOf(span: ReceivedSpan): string[] {
  const wire = span.wire.span as Decoded;
  const maps = [wire, span.wire.resource as Decoded, ...list(wire.events), ...list(wire.links)];
  const checks: readonly (readonly [broken: boolean, what: string])[] = [
    [!isId(span.traceId), "bad trace id"],
    [!isId(span.spanId), "bad span id"],
    [span.parentSpanId !== "" && !isId(span.parentSpanId), "bad parent span id"],
    [span.parentSpanId === span.spanId, "is its own parent"],
    [span.links.some((link) => !isId(link.traceId) || !isId(link.spanId)), "bad id in a link"],
    [span.name === "", "no name"],
    [span.kind < 1 || span.kind > 5, "no kind"],
    [span.status.code > 2, "unknown status code"],
    [span.startTimeUnixNano === 0n, "no start"],
    [span.endTimeUnixNano < span.startTimeUnixNano, "ends before it starts"],
    [maps.some((map) => !distinctKeys(map.attributes)), "an attribute key is empty or comes twice"],
    [typeof span.resource["service.name"] !== "string" || span.resource["service.name"] === "", "no service.name"],
  ];
  return checks.filter(([broken]) => broken).map(([, what]) => `span ${span.spanId}: ${what}`);
}

const isId = (id: string) => /[^0]/.test(id);

function distinctKeys(attributes: unknown): boolean {
  const keys = list(attributes).map((pair) => pair.key);
  return new Set(keys).size === keys.length && !keys.includes("");
}
