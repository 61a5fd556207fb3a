import type { Attributes as OtelAttributes } from "@opentelemetry/api";
import { JsonTraceSerializer, ProtobufTraceSerializer } from "@opentelemetry/otlp-transformer";
import type { Resource } from "@opentelemetry/resources";
import type { Encoding } from "../destinations/destination.ts";
import type { Attributes, Span } from "../trace/span.ts";
import { markDoubles, unmarkDoubles } from "./doubles.ts";
import { readableSpan } from "./readable-span.ts";

const SERIALIZERS = { protobuf: ProtobufTraceSerializer, json: JsonTraceSerializer } as const;

/** A function that makes one request of any of a resource's spans. `doubles`: attributes that are doubles even where integral. */
export function serializer(of: Attributes, encoding: Encoding, doubles: ReadonlySet<string>): (spans: readonly Span[]) => Uint8Array {
  const marked = (attributes: Attributes) => markDoubles(attributes, encoding, doubles) as OtelAttributes;
  const resource = plainResource(marked(of));
  return (spans) => {
    const bytes = SERIALIZERS[encoding].serializeRequest(spans.map((span) => readableSpan(span, resource, marked)));
    if (bytes === undefined) throw new Error("the OTLP serializer gave nothing");
    return unmarkDoubles(bytes, encoding);
  };
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
