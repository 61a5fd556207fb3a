import type { Encoding } from "../destinations/destination.ts";
import { fields } from "./wire.ts";
import {
  delimit,
  encodeMessage,
  type Writer,
  writeDouble,
  writeFixed32,
  writeFixed64,
  writeHex,
  writeInteger,
  writeText,
  written,
} from "./writer.ts";

/**
 * A stored request in the other encoding: for what was queued before a destination's encoding was changed.
 * Only for requests that encode.ts made; every field of OTLP that those have is in the tables below.
 */
export function transcode(bytes: Uint8Array, from: Encoding, to: Encoding): Uint8Array {
  if (from === to) return bytes;
  if (to === "json") return Buffer.from(JSON.stringify(toJson(REQUEST, bytes, 0, bytes.length)));
  const request = JSON.parse(new TextDecoder().decode(bytes));
  return encodeMessage((to) => writeMessage(to, REQUEST, request));
}

type Scalar = "string" | "hex" | "uint" | "int" | "fixed32" | "fixed64" | "double" | "bool";
/** `many`: repeated. `one`: at most one of these is there, and it counts even where it is zero. `maybe`: left out of JSON where it is empty. */
type Rule = "many" | "one" | "maybe" | "always";
type Shape = readonly (readonly [name: string, number: number, type: Scalar | (() => Shape), rule: Rule])[];
type Json = { [name: string]: unknown };

/** Numbers and names: opentelemetry-proto 1.x; order: as json.ts writes them. */
const VALUE: Shape = [
  ["stringValue", 1, "string", "one"],
  ["boolValue", 2, "bool", "one"],
  ["intValue", 3, "int", "one"],
  ["doubleValue", 4, "double", "one"],
  ["arrayValue", 5, () => VALUES, "one"],
];
const VALUES: Shape = [["values", 1, () => VALUE, "many"]];
const ATTRIBUTE: Shape = [
  ["key", 1, "string", "always"],
  ["value", 2, () => VALUE, "always"],
];
const LINK: Shape = [
  ["attributes", 4, () => ATTRIBUTE, "many"],
  ["spanId", 2, "hex", "always"],
  ["traceId", 1, "hex", "always"],
  ["traceState", 3, "string", "maybe"],
  ["droppedAttributesCount", 5, "uint", "always"],
  ["flags", 6, "fixed32", "always"],
];
const EVENT: Shape = [
  ["attributes", 3, () => ATTRIBUTE, "many"],
  ["name", 2, "string", "always"],
  ["timeUnixNano", 1, "fixed64", "always"],
  ["droppedAttributesCount", 4, "uint", "always"],
];
const STATUS: Shape = [
  ["code", 3, "uint", "always"],
  ["message", 2, "string", "maybe"],
];
const SPAN: Shape = [
  ["traceId", 1, "hex", "always"],
  ["spanId", 2, "hex", "always"],
  ["parentSpanId", 4, "hex", "maybe"],
  ["traceState", 3, "string", "maybe"],
  ["name", 5, "string", "always"],
  ["kind", 6, "uint", "always"],
  ["startTimeUnixNano", 7, "fixed64", "always"],
  ["endTimeUnixNano", 8, "fixed64", "always"],
  ["attributes", 9, () => ATTRIBUTE, "many"],
  ["droppedAttributesCount", 10, "uint", "always"],
  ["events", 11, () => EVENT, "many"],
  ["droppedEventsCount", 12, "uint", "always"],
  ["status", 15, () => STATUS, "always"],
  ["links", 13, () => LINK, "many"],
  ["droppedLinksCount", 14, "uint", "always"],
  ["flags", 16, "fixed32", "always"],
];
const SCOPE: Shape = [
  ["name", 1, "string", "always"],
  ["version", 2, "string", "maybe"],
];
const SCOPE_SPANS: Shape = [
  ["scope", 1, () => SCOPE, "always"],
  ["spans", 2, () => SPAN, "many"],
  ["schemaUrl", 3, "string", "maybe"],
];
const RESOURCE: Shape = [
  ["attributes", 1, () => ATTRIBUTE, "many"],
  ["droppedAttributesCount", 2, "uint", "always"],
];
const RESOURCE_SPANS: Shape = [
  ["resource", 1, () => RESOURCE, "always"],
  ["scopeSpans", 2, () => SCOPE_SPANS, "many"],
];
const REQUEST: Shape = [["resourceSpans", 1, () => RESOURCE_SPANS, "many"]];

function toJson(shape: Shape, bytes: Uint8Array, from: number, to: number): Json {
  const found = [...fields(bytes, from, to)];
  const entries = shape.flatMap(([name, number, type, rule]): [string, unknown][] => {
    const read = (field: { from: number; to: number }) =>
      typeof type === "function" ? toJson(type(), bytes, field.from, field.to) : readScalar(type, bytes.subarray(field.from, field.to));
    const values = found.filter((field) => field.number === number).map(read);
    if (rule === "many") return [[name, values]];
    if (values.length > 0) return [[name, values.at(-1)]];
    if (rule !== "always") return [];
    return [[name, typeof type === "function" ? toJson(type(), bytes, 0, 0) : readScalar(type, new Uint8Array(0))]];
  });
  return Object.fromEntries(entries);
}

/** @param bytes the field's content; empty for its default */
function readScalar(type: Scalar, bytes: Uint8Array): unknown {
  if (type === "string") return new TextDecoder().decode(bytes);
  if (type === "hex") return Buffer.from(bytes).toString("hex");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (type === "fixed32") return bytes.length === 0 ? 0 : view.getUint32(0, true);
  if (type === "fixed64") return bytes.length === 0 ? "0" : view.getBigUint64(0, true).toString();
  if (type === "double") return bytes.length === 0 ? 0 : view.getFloat64(0, true);
  const value = bytes.reduce((sum, byte, index) => sum | (BigInt(byte & 0x7f) << BigInt(7 * index)), 0n);
  if (type === "bool") return value !== 0n;
  const signed = BigInt.asIntN(64, value);
  return Number.isSafeInteger(Number(signed)) ? Number(signed) : signed.toString();
}

function writeMessage(to: Writer, shape: Shape, json: Json): void {
  for (const [name, number, type, rule] of shape.toSorted((a, b) => b[1] - a[1])) {
    const value = json[name];
    if (value === undefined || value === null) continue;
    if (typeof type !== "function") writeScalar(to, number, type, value, rule === "one");
    else {
      for (const one of (rule === "many" ? (value as Json[]) : [value as Json]).toReversed()) {
        const before = written(to);
        writeMessage(to, type(), one);
        delimit(to, number, before);
      }
    }
  }
}

function writeScalar(to: Writer, number: number, type: Scalar, value: unknown, evenZero: boolean): void {
  if (!evenZero && (value === "" || value === 0 || value === "0")) return;
  if (type === "string") writeText(to, number, String(value));
  else if (type === "hex") writeHex(to, number, String(value));
  else if (type === "double") writeDouble(to, number, Number(value));
  else if (type === "fixed32") writeFixed32(to, number, Number(value));
  else if (type === "fixed64") {
    const nanos = BigInt(value as string | number);
    writeFixed64(to, number, Number(nanos >> 32n), Number(nanos & 0xffff_ffffn));
  } else writeInteger(to, number, Number(BigInt.asIntN(64, BigInt(value as boolean | string | number))));
}
