import { lean } from "./attribute.ts";
import { ATTRIBUTES, SIZE_SUFFIX } from "./attributes.ts";
import type { MappingSettings } from "./config.ts";
import type { Attributes, AttributeValue, Span, SpanEvent } from "./span.ts";
import { cut, limitValue } from "./value.ts";

/** The limits of every exported value, applied once, when a span is otherwise done: so each cut can say what it took. */

/** What `attributes: lean` keeps of a span. */
const LEAN_LIMIT = 32;
/** A step's name is exported whole; one past this (bytes) would cost its span, which a backend refuses as too large. */
const WHOLE_NAME_BYTES = 65_536;

const NAMES = Object.values(ATTRIBUTES).map((attribute) => attribute.name);
/** Payloads: cut by `capture.max_bytes`, their size is always beside them. */
const CUT_BEFORE: ReadonlySet<string> = new Set(NAMES.filter((name) => NAMES.includes(name + SIZE_SUFFIX)));
/** The order of importance, the size of a value that was cut right behind it. */
const ORDER = NAMES.flatMap((name) => [name, name + SIZE_SUFFIX]);

/** A span with as many attributes as the settings allow, within the limits of OTLP. */
export function finished(span: Span, settings: MappingSettings): Span {
  const within = limited(span.attributes, settings);
  const attributes = settings.traces.attributes === "full" ? within : withSizes(lean(within, ORDER, LEAN_LIMIT), within);
  const events = limitedEvents(span.events, settings);
  const { message } = span.status;
  if (attributes === span.attributes && events === span.events && message === undefined) return span;
  return {
    ...span,
    attributes,
    events,
    status: message === undefined ? span.status : { code: span.status.code, message: cut(message, settings.traces.max_value_bytes).value },
  };
}

/** Of those kept, the ones whose size is kept too where they have one: nothing that was cut may look whole. */
function withSizes(kept: Attributes, all: Attributes): Attributes {
  if (kept === all) return kept;
  return Object.fromEntries(Object.entries(kept).filter(([name]) => !(name + SIZE_SUFFIX in all) || name + SIZE_SUFFIX in kept));
}

function limitedEvents(events: readonly SpanEvent[], settings: MappingSettings): readonly SpanEvent[] {
  const isWithin = events.every(({ attributes }) => limited(attributes, settings) === attributes);
  return isWithin ? events : events.map((event) => ({ ...event, attributes: limited(event.attributes, settings) }));
}

/** Values within the limits; beside one that was cut stands its size before that, `<name>.size` (of a list: of all of it). */
export function limited(attributes: Attributes, settings: MappingSettings): Attributes {
  const { max_value_bytes: max } = settings.traces;
  if (areSurelyWithin(attributes, max)) return attributes;
  const kept: Record<string, AttributeValue> = {};
  for (const [name, value] of Object.entries(attributes)) {
    const limit = limitOf(name, max);
    const within = limitValue(value, limit);
    if (within === undefined) continue;
    kept[name] = within;
    const size = sizeIfCut(value, limit);
    if (size !== undefined) kept[name + SIZE_SUFFIX] = attributes[name + SIZE_SUFFIX] ?? size;
  }
  return kept;
}

function areSurelyWithin(attributes: Attributes, maxBytes: number): boolean {
  for (const name in attributes) if (!isSurelyWithin(attributes[name], maxBytes)) return false;
  return true;
}

/** Told without counting bytes: a UTF-16 unit is at most three of them. Nearly every value is. */
function isSurelyWithin(value: AttributeValue | undefined, maxBytes: number): boolean {
  if (typeof value === "string") return value.length * 3 <= maxBytes && value.isWellFormed();
  if (typeof value === "number") return limitValue(value, maxBytes) !== undefined;
  if (typeof value === "object") for (const item of value) if (!isSurelyWithin(item, maxBytes)) return false;
  return true;
}

function limitOf(name: string, max: number): number {
  if (CUT_BEFORE.has(name)) return Number.POSITIVE_INFINITY;
  return name === ATTRIBUTES.STEP_NAME.name ? Math.max(max, WHOLE_NAME_BYTES) : max;
}

/** In bytes of UTF-8; undefined where nothing of it is to be cut. */
function sizeIfCut(value: AttributeValue, limit: number): number | undefined {
  const items: readonly unknown[] = Array.isArray(value) ? value : [value];
  const sizes = items.flatMap((item) => (typeof item === "string" ? [Buffer.byteLength(item)] : []));
  return sizes.some((size) => size > limit) ? sizes.reduce((sum, size) => sum + size, 0) : undefined;
}
