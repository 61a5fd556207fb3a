import type { Encoding } from "../destinations/destination.ts";
import type { Attributes } from "../trace/span.ts";

/**
 * OpenTelemetry's serializers write every integral number as an int, so a duration of exactly 3 s would
 * change the type of its attribute, which typed backends answer by dropping it or by a second column.
 * A double that is integral is therefore handed to them as bytes, a type that no attribute of ours has,
 * and renamed in the output:
 * - protobuf: `bytes_value` of 7 bytes (tag 0x3a, length 7) and `double_value` (tag 0x21, 8 bytes) are both
 *   9 bytes long; the byte that has no room, the mantissa's lowest, is 0 in every integral double below 2^45
 *   (a million years in seconds), so only the first two bytes change and no length does. Larger ones stay ints.
 * - JSON: `"bytesValue":"…"` becomes `"doubleValue":…`. A quotation mark inside a JSON string is escaped, so
 *   that text can only be a key.
 */
export function markDoubles(attributes: Attributes, encoding: Encoding, doubles: ReadonlySet<string>): Record<string, unknown> {
  let marked: Record<string, unknown> | undefined; // of most spans nothing: no copy of those
  for (const key of Object.keys(attributes)) {
    const value = attributes[key];
    if (typeof value !== "number" || !Number.isInteger(value) || (isInt64(value) && !doubles.has(key))) continue;
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setFloat64(0, value + 0, true); // -0 + 0 is 0, as JSON has it
    const bare = encoding === "protobuf" ? bytes.subarray(1) : bytes;
    if (bytes[0] !== 0 && (encoding === "protobuf" || isInt64(value))) continue;
    marked ??= { ...attributes };
    marked[key] = bare;
  }
  return marked ?? attributes;
}

/** Past int64 the protobuf serializer writes a double by itself; the JSON one writes an int that nobody accepts. */
function isInt64(value: number): boolean {
  return value >= -(2 ** 63) && value < 2 ** 63;
}

/** What {@link markDoubles} marked becomes a double in the serialized request; protobuf is changed in place. */
export function unmarkDoubles(request: Uint8Array, encoding: Encoding): Uint8Array {
  if (encoding === "protobuf") {
    patch(request, { at: 0 }, request.length, REQUEST);
    return request;
  }
  const text = Buffer.from(request.buffer, request.byteOffset, request.length).toString();
  return Buffer.from(text.replaceAll(/"bytesValue":"([^"]*)"/g, (_, base64: string) => `"doubleValue":${fromBase64(base64)}`));
}

function fromBase64(base64: string): number {
  return Buffer.from(base64, "base64").readDoubleLE();
}

/** Field numbers from the request down to every AnyValue that is an attribute's. Source: opentelemetry-proto 1.x */
interface Path {
  readonly [field: number]: Path | "value";
}
const KEY_VALUE: Path = { 2: "value" };
const SPAN: Path = { 9: KEY_VALUE, 11: { 3: KEY_VALUE }, 13: { 4: KEY_VALUE } };
const REQUEST: Path = { 1: { 1: { 1: KEY_VALUE }, 2: { 2: SPAN } } };

const BYTES_VALUE = 0x3a;
const DOUBLE_VALUE = 0x21;

/** The bytes are the serializer's own: nothing in them has to be checked, and nothing but the path is looked at. */
function patch(bytes: Uint8Array, cursor: { at: number }, to: number, path: Path): void {
  while (cursor.at < to) {
    const tag = varint(bytes, cursor);
    const length = lengthOf(bytes, cursor, tag & 7);
    const inner = path[tag >>> 3];
    const end = cursor.at + length;
    if (inner === "value") {
      if (bytes[cursor.at] === BYTES_VALUE) bytes.set([DOUBLE_VALUE, 0], cursor.at);
    } else if (inner !== undefined) patch(bytes, cursor, end, inner);
    cursor.at = end;
  }
}

/** Of the field's content, by its wire type; the cursor then stands before it. */
function lengthOf(bytes: Uint8Array, cursor: { at: number }, type: number): number {
  if (type === 2) return varint(bytes, cursor);
  if (type === 1) return 8;
  if (type === 5) return 4;
  varint(bytes, cursor);
  return 0;
}

function varint(bytes: Uint8Array, cursor: { at: number }): number {
  let value = 0;
  for (let unit = 1; ; unit *= 0x80) {
    const byte = bytes[cursor.at] ?? 0;
    cursor.at += 1;
    value += (byte & 0x7f) * unit;
    if (byte < 0x80) return value;
  }
}
