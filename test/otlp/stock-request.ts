import type { Attributes as OtelAttributes } from "@opentelemetry/api";
import { JsonTraceSerializer, ProtobufTraceSerializer } from "@opentelemetry/otlp-transformer";
import type { Resource } from "@opentelemetry/resources";
import type { Encoding } from "../../src/destinations/destination.ts";
import { fields } from "../../src/otlp/wire.ts";
import type { Attributes, MappedRun } from "../../src/trace/span.ts";
import { readableSpan } from "../support/readable-span.ts";

const SERIALIZERS = { protobuf: ProtobufTraceSerializer, json: JsonTraceSerializer } as const;

/**
 * A run as one request by OpenTelemetry's own serializers. They write every integral number as an int; a double
 * that is integral is therefore handed to them as bytes, a type that no attribute of ours has, and renamed in the output:
 * - protobuf: `bytes_value` of 7 bytes (tag 0x3a, length 7) and `double_value` (tag 0x21, 8 bytes) are both
 *   9 bytes long; the byte that has no room, the mantissa's lowest, is 0 in every integral double below 2^45.
 *   Larger ones in which it is not stay ints.
 * - JSON: `"bytesValue":"…"` becomes `"doubleValue":…`. A quotation mark inside a JSON string is escaped, so
 *   that text can only be a key.
 */
export function stockRequest(run: MappedRun, encoding: Encoding, doubles: ReadonlySet<string>): Uint8Array {
  const marked = (attributes: Attributes) => markDoubles(attributes, encoding, doubles) as OtelAttributes;
  const resource = plainResource(marked(run.resource));
  const bytes = SERIALIZERS[encoding].serializeRequest(run.spans.map((span) => readableSpan(span, resource, marked)))!;
  if (encoding === "json") return Buffer.from(unmarkJson(Buffer.from(bytes).toString()));
  unmarkProtobuf(bytes, 0, bytes.length, REQUEST);
  return bytes;
}

/** Not resourceFromAttributes: that drops an attribute whose name every object inherits, such as `constructor`. */
function plainResource(attributes: OtelAttributes): Resource {
  const resource: Resource = { attributes, getRawAttributes: () => Object.entries(attributes), merge: () => resource };
  return resource;
}

function markDoubles(attributes: Attributes, encoding: Encoding, doubles: ReadonlySet<string>): Record<string, unknown> {
  const marked: Record<string, unknown> = { ...attributes };
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value !== "number" || !Number.isInteger(value) || (isInt64(value) && !doubles.has(key))) continue;
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setFloat64(0, value + 0, true); // -0 + 0 is 0, as JSON has it
    if (bytes[0] !== 0 && (encoding === "protobuf" || isInt64(value))) continue;
    marked[key] = encoding === "protobuf" ? bytes.subarray(1) : bytes;
  }
  return marked;
}

/** Past int64 the protobuf serializer writes a double by itself; the JSON one writes an int that nobody accepts. */
function isInt64(value: number): boolean {
  return value >= -(2 ** 63) && value < 2 ** 63;
}

function unmarkJson(text: string): string {
  return text.replaceAll(/"bytesValue":"([^"]*)"/g, (_, base64: string) => `"doubleValue":${Buffer.from(base64, "base64").readDoubleLE()}`);
}

/** Field numbers from the request down to every AnyValue that is an attribute's. Source: opentelemetry-proto 1.x */
interface Path {
  readonly [field: number]: Path | "value";
}
const KEY_VALUE: Path = { 2: "value" };
const SPAN: Path = { 9: KEY_VALUE, 11: { 3: KEY_VALUE }, 13: { 4: KEY_VALUE } };
const REQUEST: Path = { 1: { 1: { 1: KEY_VALUE }, 2: { 2: SPAN } } };

function unmarkProtobuf(bytes: Uint8Array, from: number, to: number, path: Path): void {
  for (const field of fields(bytes, from, to)) {
    const inner = path[field.number];
    if (inner === "value" && bytes[field.from] === 0x3a) bytes.set([0x21, 0], field.from);
    else if (typeof inner === "object") unmarkProtobuf(bytes, field.from, field.to, inner);
  }
}
