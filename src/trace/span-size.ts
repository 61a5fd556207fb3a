import type { Attributes, AttributeValue, Span } from "./span.ts";

/** Tag and length of a protobuf field; lengths take at most 4 bytes up to 256 MB. */
const FRAME = 6;
/** Ids, kind, times, flags and the frame of a span; of an event; of a link. */
const SPAN = 96;
const EVENT = 16;
const LINK = 48;

/**
 * An upper bound of a span's size as protobuf in bytes, about a tenth too much: this room knows no encoder,
 * and the limits it is for (what a backend takes as one trace) are no sharper.
 */
export function spanBytes(span: Span): number {
  let bytes = SPAN + text(span.name) + text(span.traceState) + text(span.status.message) + attributeBytes(span.attributes);
  for (const event of span.events) bytes += EVENT + text(event.name) + attributeBytes(event.attributes);
  for (const link of span.links) bytes += LINK + text(link.traceState) + attributeBytes(link.attributes);
  return bytes;
}

function attributeBytes(attributes: Attributes): number {
  let bytes = 0;
  for (const [name, value] of Object.entries(attributes)) bytes += FRAME + text(name) + valueBytes(value);
  return bytes;
}

function valueBytes(value: AttributeValue): number {
  if (typeof value === "string") return FRAME + text(value);
  if (typeof value !== "object") return FRAME + 10;
  let bytes = 2 * FRAME;
  for (const item of value) bytes += FRAME + valueBytes(item);
  return bytes;
}

function text(value: string | undefined): number {
  return value === undefined ? 0 : FRAME + Buffer.byteLength(value);
}
