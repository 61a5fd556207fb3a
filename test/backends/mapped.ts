import type { Decoded } from "../../src/fake-upstash/otlp-decode.ts";
import type { FakeUpstash } from "../../src/fake-upstash/server.ts";
import { distinctRuns, isTerminal } from "../../src/model/run.ts";
import { SCOPES } from "../../src/otlp/scope.ts";
import { eventLinks, marksOf } from "../../src/pipeline/marks.ts";
import { readInput } from "../../src/sources/upstash/input.ts";
import { DOUBLE_ATTRIBUTES } from "../../src/trace/attributes.ts";
import type { MappingSettings } from "../../src/trace/config.ts";
import { withEventLinks } from "../../src/trace/event-links.ts";
import { mapRun } from "../../src/trace/map-run.ts";
import { placeAll } from "../../src/trace/place-all.ts";
import type { Attributes, AttributeValue, Span } from "../../src/trace/span.ts";

/**
 * What the mapper makes of everything the API shows, in the canonical form of the strict decoder: whatever a
 * backend shows is compared with this, not with what the daemon says it sent.
 */
export interface ExpectedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly role: Span["role"];
  readonly wire: Decoded;
  /** With a link to the other side of its event, which it has if that was exported before. */
  readonly linked: Decoded;
}

export async function mappedSpans(api: FakeUpstash, settings: MappingSettings): Promise<ExpectedSpan[]> {
  const runs = distinctRuns(readInput(await everyPage(api)).runs);
  const placementOf = placeAll(runs, settings);
  const mapped = runs.filter(isTerminal).map((run) => ({ run, trace: mapRun(run, placementOf(run), settings) }));
  const left = mapped.flatMap(({ run, trace }) => marksOf(run, trace));
  const marks = Map.groupBy(left, ({ word }) => word);
  return mapped.flatMap(({ run, trace }) => {
    const linked = withEventLinks(trace, eventLinks(marks, run)).spans.map((span) => wireOf(span, trace.resource));
    return trace.spans.map((span, i) => {
      const wire = wireOf(span, trace.resource);
      return { traceId: span.traceId, spanId: span.spanId, role: span.role, wire, linked: linked[i] ?? wire };
    });
  });
}

/** What a backend should show of a span, with or without the link that only the order of delivery decides on. */
export function formOf({ wire, linked }: ExpectedSpan, shownLinks: number | undefined): Decoded {
  return shownLinks === linksOf(linked).length ? linked : wire;
}

function linksOf(wire: Decoded): readonly unknown[] {
  return (wire.span as { readonly links: readonly unknown[] }).links;
}

async function everyPage(api: FakeUpstash): Promise<string> {
  const pages: unknown[] = [];
  let cursor: string | undefined = "";
  do {
    const query: string = `count=10${cursor === "" ? "" : `&cursor=${encodeURIComponent(cursor)}`}`;
    const reply = await fetch(`${api.url}/v2/workflows/logs?${query}`, { headers: { authorization: `Bearer ${api.token}` } });
    const page = (await reply.json()) as { readonly cursor?: string };
    pages.push(page);
    cursor = page.cursor;
  } while (cursor);
  return JSON.stringify(pages);
}

const KINDS = { internal: 1, server: 2, client: 3, producer: 4, consumer: 5 } as const;
const DROPPED = { droppedAttributesCount: 0 };
/** OTLP: bit 8 says that bit 9, "is remote", means something. */
const remoteFlags = (isRemote: boolean) => 0x100 + (isRemote ? 0x200 : 0);
/** A time in ms as decimal nanoseconds. */
const nanos = (millis: number) => `${BigInt(Math.round(millis * 1_000)) * 1_000n}`;

function wireOf(span: Span, resource: Attributes): Decoded {
  const { schemaUrl, ...scope } = SCOPES[span.scope];
  return {
    resource: { attributes: pairs(resource), ...DROPPED },
    resourceSchemaUrl: "",
    scope: { ...scope, attributes: [], ...DROPPED },
    scopeSchemaUrl: schemaUrl,
    span: {
      traceId: span.traceId,
      spanId: span.spanId,
      traceState: span.traceState ?? "",
      parentSpanId: span.parentSpanId ?? "",
      flags: span.traceFlags + remoteFlags(span.parentIsRemote),
      name: span.name,
      kind: KINDS[span.kind],
      startTimeUnixNano: nanos(span.start),
      endTimeUnixNano: nanos(span.end),
      attributes: pairs(span.attributes),
      events: span.events.map(({ name, time, attributes }) => ({
        timeUnixNano: nanos(time),
        name,
        attributes: pairs(attributes),
        ...DROPPED,
      })),
      links: span.links.map((link) => ({
        traceId: link.traceId,
        spanId: link.spanId,
        traceState: link.traceState ?? "",
        attributes: pairs(link.attributes),
        ...DROPPED,
        flags: link.traceFlags + remoteFlags(link.isRemote),
      })),
      status: { message: span.status.message ?? "", code: span.status.code === "error" ? 2 : 0 },
      ...DROPPED,
      droppedEventsCount: 0,
      droppedLinksCount: 0,
    },
  };
}

const pairs = (attributes: Attributes) => Object.entries(attributes).map(([key, value]) => ({ key, value: anyValue(key, value) }));

function anyValue(key: string, value: AttributeValue): object {
  if (typeof value === "string") return { stringValue: value };
  if (typeof value === "boolean") return { boolValue: value };
  if (typeof value !== "number") return { arrayValue: { values: value.map((item) => anyValue(key, item)) } };
  return DOUBLE_ATTRIBUTES.has(key) || !Number.isInteger(value) ? { doubleValue: value } : { intValue: String(value) };
}

/** Attributes by name: OTLP gives their order no meaning, and some backends sort them. */
export function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([name, inner]) => [name, name === "attributes" ? byKey(inner) : sorted(inner)]);
  return Object.fromEntries(entries);
}

function byKey(attributes: unknown): unknown {
  return (attributes as { readonly key: string }[]).toSorted((a, b) => (a.key < b.key ? -1 : 1));
}
