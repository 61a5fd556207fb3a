import type { Decoded } from "../../src/fake-upstash/otlp-decode.ts";
import type { ZipkinSpan } from "./zipkin.ts";

/**
 * A span as Zipkin shows it behind the Collector's exporter: what a data model of tags and annotations leaves of it.
 * Found by comparing, and written down here as the rule; the README's table is this in words.
 */
export function asZipkinShows(wire: Decoded): ZipkinSpan {
  const span = wire.span as WireSpan;
  const { "service.peer.name": peer, ...attributes } = tagsOf(span.attributes);
  const { "service.name": serviceName = "", ...resource } = tagsOf((wire.resource as WireSpan).attributes);
  const scope = wire.scope as { readonly name: string; readonly version: string };
  const annotations = span.events.map(({ timeUnixNano, name, attributes, droppedAttributesCount }) => ({
    timestamp: micros(timeUnixNano),
    value: attributes.length === 0 ? name : `${name}|${jsonOf(attributes)}|${droppedAttributesCount}`,
  }));
  const duration = micros(span.endTimeUnixNano) - micros(span.startTimeUnixNano);
  return {
    traceId: span.traceId,
    id: span.spanId,
    ...(span.parentSpanId !== "" && { parentId: span.parentSpanId }),
    ...(span.kind !== INTERNAL && { kind: KINDS[span.kind] ?? "" }),
    name: span.name.toLowerCase(),
    timestamp: micros(span.startTimeUnixNano),
    ...(duration > 0 && { duration }), // it has no duration of 0
    localEndpoint: { serviceName: serviceName.toLowerCase() },
    ...(peer !== undefined && { remoteEndpoint: { serviceName: peer.toLowerCase() } }),
    ...(annotations.length > 0 && { annotations: annotations.toSorted((a, b) => a.timestamp - b.timestamp) }),
    tags: {
      ...resource,
      ...attributes,
      ...(attributes["http.response.status_code"] !== undefined && { "http.status_code": attributes["http.response.status_code"] }),
      ...(span.kind === INTERNAL && { "span.kind": "internal" }),
      ...(span.status.code === 2 && { "otel.status_code": "STATUS_CODE_ERROR", error: "true" }),
      ...(span.status.message !== "" && { "otel.status_description": span.status.message }),
      "otel.library.name": scope.name,
      "otel.library.version": scope.version,
      ...Object.fromEntries(span.links.map((link, i) => [`otlp.link.${i}`, linkOf(link)])),
    },
  };
}

const INTERNAL = 1;
const KINDS: Readonly<Record<number, string>> = { 2: "SERVER", 3: "CLIENT", 4: "PRODUCER", 5: "CONSUMER" };

type Pairs = readonly { readonly key: string; readonly value: Decoded }[];
interface WireLink {
  readonly traceId: string;
  readonly spanId: string;
  readonly traceState: string;
  readonly attributes: Pairs;
  readonly droppedAttributesCount: number;
}
interface WireSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly kind: number;
  readonly name: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: Pairs;
  readonly events: readonly {
    readonly timeUnixNano: string;
    readonly name: string;
    readonly attributes: Pairs;
    readonly droppedAttributesCount: number;
  }[];
  readonly links: readonly WireLink[];
  readonly status: { readonly code: number; readonly message: string };
}

const micros = (nanos: string) => Number(BigInt(nanos) / 1_000n);

const linkOf = ({ traceId, spanId, traceState, attributes, droppedAttributesCount }: WireLink) =>
  [traceId, spanId, traceState, jsonOf(attributes), droppedAttributesCount].join("|");

const tagsOf = (pairs: Pairs) => Object.fromEntries(pairs.map(({ key, value }) => [key, textOf(plain(value))]));

const textOf = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value));

function plain(value: Decoded): unknown {
  const [kind, inner] = Object.entries(value)[0] ?? [];
  if (kind === "intValue") return Number(inner);
  return kind === "arrayValue" ? (inner as { readonly values: readonly Decoded[] }).values.map(plain) : inner;
}

/** As Go writes it: keys sorted. */
function jsonOf(pairs: Pairs): string {
  const entries = pairs.map(({ key, value }) => [key, plain(value)] as const);
  return JSON.stringify(Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1))));
}
