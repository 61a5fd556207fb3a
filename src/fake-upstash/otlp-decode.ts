/**
 * A strict decoder of OTLP trace requests, for tests and the demo: what a backend would tolerate is an error
 * here. Independent of the encoder on purpose: it knows only the published field numbers.
 * Source: opentelemetry-proto v1.x, collector/trace/v1/trace_service.proto, trace/v1/trace.proto.
 */
type Scalar = "string" | "bytes" | "id8" | "id16" | "fixed64" | "fixed32" | "uint32" | "int64" | "bool" | "double";
type Kind = Scalar | (() => Message);
/** JSON name → field number, kind, whether it repeats. `oneof`: at most one is set, and none has a default. */
interface Message {
  readonly oneof?: true;
  readonly fields: Readonly<Record<string, readonly [number: number, kind: Kind, repeated?: "repeated"]>>;
}

const KEY_VALUE: Message = { fields: { key: [1, "string"], value: [2, () => ANY_VALUE] } };
const KEY_VALUES: Message = { fields: { values: [1, () => KEY_VALUE, "repeated"] } };
const ARRAY: Message = { fields: { values: [1, () => ANY_VALUE, "repeated"] } };
const ANY_VALUE: Message = {
  oneof: true,
  fields: {
    stringValue: [1, "string"],
    boolValue: [2, "bool"],
    intValue: [3, "int64"],
    doubleValue: [4, "double"],
    arrayValue: [5, () => ARRAY],
    kvlistValue: [6, () => KEY_VALUES],
    bytesValue: [7, "bytes"],
  },
};
const attributes = (number: number) => [number, () => KEY_VALUE, "repeated"] as const;
const EVENT: Message = {
  fields: { timeUnixNano: [1, "fixed64"], name: [2, "string"], attributes: attributes(3), droppedAttributesCount: [4, "uint32"] },
};
const LINK: Message = {
  fields: {
    traceId: [1, "id16"],
    spanId: [2, "id8"],
    traceState: [3, "string"],
    attributes: attributes(4),
    droppedAttributesCount: [5, "uint32"],
    flags: [6, "fixed32"],
  },
};
const STATUS: Message = { fields: { message: [2, "string"], code: [3, "uint32"] } };
const SPAN: Message = {
  fields: {
    traceId: [1, "id16"],
    spanId: [2, "id8"],
    traceState: [3, "string"],
    parentSpanId: [4, "id8"],
    flags: [16, "fixed32"],
    name: [5, "string"],
    kind: [6, "uint32"],
    startTimeUnixNano: [7, "fixed64"],
    endTimeUnixNano: [8, "fixed64"],
    attributes: attributes(9),
    droppedAttributesCount: [10, "uint32"],
    events: [11, () => EVENT, "repeated"],
    droppedEventsCount: [12, "uint32"],
    links: [13, () => LINK, "repeated"],
    droppedLinksCount: [14, "uint32"],
    status: [15, () => STATUS],
  },
};
const SCOPE: Message = {
  fields: { name: [1, "string"], version: [2, "string"], attributes: attributes(3), droppedAttributesCount: [4, "uint32"] },
};
const SCOPE_SPANS: Message = { fields: { scope: [1, () => SCOPE], spans: [2, () => SPAN, "repeated"], schemaUrl: [3, "string"] } };
const RESOURCE: Message = { fields: { attributes: attributes(1), droppedAttributesCount: [2, "uint32"] } };
const RESOURCE_SPANS: Message = {
  fields: { resource: [1, () => RESOURCE], scopeSpans: [2, () => SCOPE_SPANS, "repeated"], schemaUrl: [3, "string"] },
};
const REQUEST: Message = { fields: { resourceSpans: [1, () => RESOURCE_SPANS, "repeated"] } };

/** A decoded message: every field is there, with its default where the wire had none (but for an AnyValue's). */
export type Decoded = { [name: string]: unknown };

/** Ids as lower-case hex, 64-bit integers as decimal strings: equal for both encodings. Throws a SyntaxError. */
export function decodeRequest(body: Uint8Array, encoding: "protobuf" | "json"): Decoded {
  if (encoding === "protobuf") return fromProtobuf(body, REQUEST, "request");
  return fromJson(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body)), REQUEST, "request");
}

const ZERO: Readonly<Record<Scalar, unknown>> = {
  string: "",
  bytes: "",
  id8: "",
  id16: "",
  fixed64: "0",
  fixed32: 0,
  uint32: 0,
  int64: "0",
  bool: false,
  double: 0,
};

function defaults(message: Message): Decoded {
  if (message.oneof) return {};
  return Object.fromEntries(
    Object.entries(message.fields).map(([name, [, kind, repeated]]) => {
      if (repeated) return [name, []];
      return [name, typeof kind === "function" ? defaults(kind()) : ZERO[kind]];
    }),
  );
}

function put(into: Decoded, message: Message, name: string, value: unknown, where: string): void {
  if (message.fields[name]?.[2]) (into[name] as unknown[]).push(value);
  else into[name] = value;
  if (message.oneof && Object.keys(into).length > 1) throw new SyntaxError(`${where}: two values`);
}

function fromJson(json: unknown, message: Message, where: string): Decoded {
  if (typeof json !== "object" || json === null || Array.isArray(json)) throw new SyntaxError(`${where}: not an object`);
  const out = defaults(message);
  for (const [name, value] of Object.entries(json)) {
    const field = Object.hasOwn(message.fields, name) ? message.fields[name] : undefined;
    if (field === undefined) throw new SyntaxError(`${where}: unknown field ${name}`);
    const [, kind, repeated] = field;
    const at = `${where}.${name}`;
    if (repeated && !Array.isArray(value)) throw new SyntaxError(`${at}: not a list`);
    for (const item of repeated ? (value as unknown[]) : [value]) {
      put(out, message, name, typeof kind === "function" ? fromJson(item, kind(), at) : jsonScalar(item, kind, at), where);
    }
  }
  return out;
}

const JSON_FORMS: Readonly<Record<Scalar, (value: unknown) => boolean>> = {
  string: (value) => typeof value === "string" && value.isWellFormed(),
  bytes: (value) => typeof value === "string" && /^[A-Za-z0-9+/]*={0,2}$/.test(value),
  id8: (value) => typeof value === "string" && /^([0-9a-fA-F]{16})?$/.test(value),
  id16: (value) => typeof value === "string" && /^([0-9a-fA-F]{32})?$/.test(value),
  fixed64: (value) => (typeof value === "string" && /^\d+$/.test(value) && BigInt(value) < 2n ** 64n) || Number.isSafeInteger(value),
  fixed32: (value) => Number.isInteger(value) && Number(value) >= 0 && Number(value) < 2 ** 32,
  uint32: (value) => Number.isInteger(value) && Number(value) >= 0 && Number(value) < 2 ** 32,
  int64: (value) => (typeof value === "string" && /^-?\d+$/.test(value)) || (Number.isInteger(value) && Math.abs(Number(value)) <= 2 ** 63),
  bool: (value) => typeof value === "boolean",
  double: (value) => typeof value === "number",
};

function jsonScalar(value: unknown, kind: Scalar, where: string): unknown {
  if (!JSON_FORMS[kind](value)) throw new SyntaxError(`${where}: not a ${kind}`);
  if (kind === "id8" || kind === "id16") return String(value).toLowerCase();
  return kind === "fixed64" || kind === "int64" ? BigInt(value as string | number).toString() : value;
}

function fromProtobuf(bytes: Uint8Array, message: Message, where: string): Decoded {
  const names = new Map(Object.entries(message.fields).map(([name, [number]]) => [number, name]));
  const out = defaults(message);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at < bytes.length; ) {
    const tag = varint(view, at, where);
    const name = names.get(Number(tag.value >> 3n)) ?? "";
    const field = message.fields[name];
    if (field === undefined) throw new SyntaxError(`${where}: unknown field ${tag.value >> 3n}`);
    const [, kind] = field;
    const path = `${where}.${name}`;
    if (Number(tag.value & 7n) !== wireType(kind)) throw new SyntaxError(`${path}: wrong wire type`);
    const content = contentAt(view, tag.next, wireType(kind), path);
    const raw = bytes.subarray(content.from, content.to);
    put(out, message, name, typeof kind === "function" ? fromProtobuf(raw, kind(), path) : scalar(raw, kind, path), where);
    at = content.to;
  }
  return out;
}

function wireType(kind: Kind): number {
  if (kind === "uint32" || kind === "int64" || kind === "bool") return 0;
  if (kind === "fixed64" || kind === "double") return 1;
  return kind === "fixed32" ? 5 : 2;
}

function contentAt(view: DataView, at: number, wire: number, where: string): { from: number; to: number } {
  const length = wire === 2 ? varint(view, at, where) : { value: BigInt(wire === 1 ? 8 : 4), next: at };
  const to = wire === 0 ? varint(view, at, where).next : length.next + Number(length.value);
  if (to > view.byteLength) throw new SyntaxError(`${where}: ends after its message`);
  return { from: wire === 0 ? at : length.next, to };
}

function varint(view: DataView, at: number, where: string): { value: bigint; next: number } {
  let value = 0n;
  for (let i = 0; i < 10 && at + i < view.byteLength; i++) {
    const byte = view.getUint8(at + i);
    value |= BigInt(byte & 0x7f) << BigInt(7 * i);
    if (byte < 0x80) return { value, next: at + i + 1 };
  }
  throw new SyntaxError(`${where}: a varint without an end`);
}

function scalar(raw: Uint8Array, kind: Scalar, where: string): unknown {
  const view = new DataView(raw.buffer, raw.byteOffset, raw.length);
  if (kind === "string") return utf8(raw, where);
  if (kind === "bytes") return Buffer.from(raw).toString("base64");
  if (kind === "fixed64") return view.getBigUint64(0, true).toString();
  if (kind === "double") return view.getFloat64(0, true);
  if (kind === "fixed32") return view.getUint32(0, true);
  if (kind === "id8" || kind === "id16") return id(raw, kind === "id8" ? 8 : 16, where);
  const { value } = varint(view, 0, where);
  if (kind === "int64") return BigInt.asIntN(64, value).toString();
  if (value > (kind === "bool" ? 1n : 0xffffffffn)) throw new SyntaxError(`${where}: not a ${kind}`);
  return kind === "bool" ? value === 1n : Number(value);
}

function id(raw: Uint8Array, length: number, where: string): string {
  if (raw.length !== length) throw new SyntaxError(`${where}: ${raw.length} bytes, not ${length}`);
  return Buffer.from(raw).toString("hex");
}

function utf8(raw: Uint8Array, where: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(raw);
  } catch {
    throw new SyntaxError(`${where}: not UTF-8`);
  }
}
