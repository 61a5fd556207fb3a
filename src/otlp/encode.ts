import type { Attributes as OtelAttributes } from "@opentelemetry/api";
import { JsonTraceSerializer, ProtobufTraceSerializer } from "@opentelemetry/otlp-transformer";
import type { Resource } from "@opentelemetry/resources";
import type { Encoding } from "../destinations/destination.ts";
import { DOUBLE_ATTRIBUTES } from "../trace/attributes.ts";
import type { Attributes, MappedRun, Span } from "../trace/span.ts";
import { markDoubles, unmarkDoubles } from "./doubles.ts";
import { readableSpan } from "./readable-span.ts";

/** `bytes` is one whole ExportTraceServiceRequest of `spans` whole spans. */
export interface EncodedChunk {
  readonly bytes: Uint8Array;
  readonly spans: number;
}

const SERIALIZERS = { protobuf: ProtobufTraceSerializer, json: JsonTraceSerializer } as const;

/**
 * A run as requests of at most `maxChunkBytes`, by OpenTelemetry's own serializers; the same run always gives
 * the same bytes. Spans keep their order from chunk to chunk, and inside a chunk within each scope; a span that
 * is larger than the cap is a chunk of its own. A run without spans has no chunk. `doubles`: the attributes
 * that are doubles even where their value is integral.
 */
export function encodeRun(
  run: MappedRun,
  encoding: Encoding,
  maxChunkBytes = 256 * 1024,
  doubles: ReadonlySet<string> = DOUBLE_ATTRIBUTES,
): EncodedChunk[] {
  const marked = (attributes: Attributes) => markDoubles(attributes, encoding, doubles) as OtelAttributes;
  const resource = plainResource(marked(run.resource));
  const encode = (spans: readonly Span[]) => serialize(spans, resource, encoding, marked);
  return run.spans.length === 0 ? [] : chunks(run.spans, encode, maxChunkBytes);
}

/** Cuts into as many equal parts as the size asks for, and those again where their spans are unequal. */
function chunks(spans: readonly Span[], encode: (spans: readonly Span[]) => Uint8Array, maxBytes: number): EncodedChunk[] {
  const bytes = encode(spans);
  if (bytes.length <= maxBytes || spans.length === 1) return [{ bytes, spans: spans.length }];
  const size = Math.ceil(spans.length / Math.min(spans.length, Math.ceil(bytes.length / maxBytes)));
  const parts: EncodedChunk[] = [];
  for (let i = 0; i < spans.length; i += size) parts.push(...chunks(spans.slice(i, i + size), encode, maxBytes));
  return parts;
}

function serialize(
  spans: readonly Span[],
  resource: Resource,
  encoding: Encoding,
  marked: (attributes: Attributes) => OtelAttributes,
): Uint8Array {
  const readable = spans.map((span) => readableSpan(span, resource, marked));
  const bytes = SERIALIZERS[encoding].serializeRequest(readable);
  if (bytes === undefined) throw new Error("the OTLP serializer gave nothing");
  return unmarkDoubles(bytes, encoding);
}

/**
 * Not resourceFromAttributes: that drops an attribute whose name every object inherits, such as `constructor`.
 * No schema URL: the JSON serializer (0.223) writes it inside the resource too, where OTLP has no such field,
 * and the two names of ours in it are stable. The scopes carry theirs.
 */
function plainResource(attributes: OtelAttributes): Resource {
  const resource: Resource = { attributes, getRawAttributes: () => Object.entries(attributes), merge: () => resource };
  return resource;
}
