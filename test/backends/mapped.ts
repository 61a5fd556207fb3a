import type { Decoded } from "../../src/fake-upstash/otlp-decode.ts";
import type { FakeUpstash } from "../../src/fake-upstash/server.ts";
import { eventsByRun } from "../../src/model/event.ts";
import { distinctRuns, endOf, isTerminal, keyOf } from "../../src/model/run.ts";
import { SCOPES } from "../../src/otlp/scope.ts";
import { eventLinks, marksOf } from "../../src/pipeline/marks.ts";
import { readInput } from "../../src/sources/upstash/input.ts";
import { DOUBLE_ATTRIBUTES } from "../../src/trace/attributes.ts";
import { childEnds } from "../../src/trace/child-ends.ts";
import type { MappingSettings } from "../../src/trace/config.ts";
import { withEventLinks } from "../../src/trace/event-links.ts";
import { mapRun } from "../../src/trace/map-run.ts";
import { placeAll } from "../../src/trace/place-all.ts";
import type { Attributes, AttributeValue, Span } from "../../src/trace/span.ts";

/** A source's `detail`: with `auto`, the default, the message log says more of each step; with `runs` it is not read. */
export type Detail = "auto" | "runs";

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

/** @param detail `auto`: with what the message log says of each run, read from the API and not from the daemon's state. */
export async function mappedSpans(api: FakeUpstash, settings: MappingSettings, detail: Detail = "runs"): Promise<ExpectedSpan[]> {
  const { runs: listed, events } = readInput(JSON.stringify(await everyPage(api, detail)));
  const runs = distinctRuns(listed);
  const ended = runs.filter(isTerminal);
  const eventsOf = eventsByRun(events);
  const childEnd = childEnds(ended.map((run) => ({ key: run, endedAt: endOf(run) })));
  const placementOf = placeAll(runs, settings);
  const mapped = ended.map((run) => {
    const facts = { childEnd, events: eventsOf.get(keyOf(run)) ?? [] };
    return { run, trace: mapRun(run, placementOf(run), settings, facts) };
  });
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

/** What a backend should show of a span, with or without the link that only the order of delivery decides on; see `eventPairs`. */
export function formOf({ wire, linked }: ExpectedSpan, shownLinks: number | undefined): Decoded {
  return shownLinks === linksOf(linked).length ? linked : wire;
}

/**
 * The two sides of every event, a step that waits and one that notifies. Whichever is exported later has the link to
 * the other, so of each pair exactly one must show it: a backend, or a daemon, that drops every such link is found out.
 */
function eventPairs(expected: readonly ExpectedSpan[]): (readonly [ExpectedSpan, ExpectedSpan])[] {
  const byId = new Map(expected.map((span) => [span.spanId, span]));
  return expected.flatMap((span) => {
    const others = linksOf(span.linked).slice(linksOf(span.wire).length);
    return others.flatMap(({ spanId }) => {
      const other = byId.get(spanId);
      return other === undefined || other.spanId < span.spanId ? [] : [[span, other] as const]; // each pair once
    });
  });
}

/** How many sides of each event show its link. @param shownLinks of a span, by its id */
export function linkedSides(expected: readonly ExpectedSpan[], shownLinks: (spanId: string) => number | undefined): number[] {
  const isLinked = ({ spanId, linked }: ExpectedSpan) => shownLinks(spanId) === linksOf(linked).length;
  return eventPairs(expected).map((pair) => pair.filter(isLinked).length);
}

/** Names of the spans that only the message log gives, each once. */
export function partNames(expected: readonly ExpectedSpan[]): string[] {
  const parts = expected.filter(({ role }) => role === "part");
  return [...new Set(parts.map(({ wire }) => (wire.span as { readonly name: string }).name))].sort();
}

function linksOf(wire: Decoded): readonly { readonly spanId: string }[] {
  return (wire.span as { readonly links: readonly { readonly spanId: string }[] }).links;
}

async function everyPage(api: FakeUpstash, detail: Detail): Promise<unknown[]> {
  const pages: unknown[] = [];
  for (const path of detail === "auto" ? ["logs", "messageLogs"] : ["logs"]) {
    let cursor: string | undefined;
    do {
      const query: string = cursor === undefined ? "" : `?cursor=${encodeURIComponent(cursor)}`;
      const reply = await fetch(`${api.url}/v2/workflows/${path}${query}`, { headers: { authorization: `Bearer ${api.token}` } });
      const page = (await reply.json()) as { readonly cursor?: string };
      pages.push(page);
      cursor = page.cursor;
    } while (cursor);
  }
  return pages;
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
