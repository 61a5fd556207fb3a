import { ATTRIBUTES } from "../trace/attributes.ts";
import type { Attributes, AttributeValue, MappedRun, Span, SpanKind, SpanRole } from "../trace/span.ts";
import { SCOPES } from "./scope.ts";

/** What {@link spansOfJson} reads of the JSON that encode.ts wrote. */
interface JsonValue {
  readonly stringValue?: string;
  readonly intValue?: number;
  readonly doubleValue?: number;
  readonly boolValue?: boolean;
  readonly arrayValue?: { readonly values: readonly JsonValue[] };
}
type JsonAttributes = readonly { readonly key: string; readonly value: JsonValue }[];
interface JsonContext {
  readonly traceId: string;
  readonly spanId: string;
  readonly traceState?: string;
  readonly flags: number;
  readonly attributes: JsonAttributes;
}
interface JsonSpan extends JsonContext {
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly events: readonly { readonly name: string; readonly timeUnixNano: string; readonly attributes: JsonAttributes }[];
  readonly links: readonly JsonContext[];
  readonly status: { readonly code: number; readonly message?: string };
}
interface JsonRequest {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: JsonAttributes };
    readonly scopeSpans: readonly { readonly scope: { readonly name: string }; readonly spans: readonly JsonSpan[] }[];
  }[];
}

/**
 * A JSON request as the runs it was encoded from, to be drawn: spans of one trace, run id and resource together.
 * `role` is not on the wire and is read from the attributes. Only for requests that encode.ts made.
 */
export function spansOfJson(bytes: Uint8Array): MappedRun[] {
  const request = JSON.parse(new TextDecoder().decode(bytes)) as JsonRequest;
  const runs = new Map<string, { resource: Attributes; spans: Span[] }>();
  for (const { resource, scopeSpans } of request.resourceSpans) {
    for (const { scope, spans } of scopeSpans) {
      for (const json of spans) {
        const span = toSpan(json, scope.name === SCOPES.gen_ai.name ? "gen_ai" : "workflow");
        const key = JSON.stringify([span.traceId, span.attributes[ATTRIBUTES.RUN_ID.name], resource]);
        const run = runs.get(key) ?? { resource: toAttributes(resource.attributes), spans: [] };
        runs.set(key, run);
        run.spans.push(span);
      }
    }
  }
  return [...runs.values()];
}

const KINDS: readonly SpanKind[] = ["internal", "internal", "server", "client", "producer", "consumer"];

function toSpan(json: JsonSpan, scope: Span["scope"]): Span {
  const { parentSpanId, name, status } = json;
  const attributes = toAttributes(json.attributes);
  return {
    traceId: json.traceId,
    spanId: json.spanId,
    ...(parentSpanId === undefined ? {} : { parentSpanId }),
    ...(json.traceState === undefined ? {} : { traceState: json.traceState }),
    ...flagsOf(json, parentSpanId !== undefined),
    name,
    kind: KINDS[json.kind] ?? "internal",
    start: toMillis(json.startTimeUnixNano),
    end: toMillis(json.endTimeUnixNano),
    attributes,
    events: json.events.map((event) => ({
      name: event.name,
      time: toMillis(event.timeUnixNano),
      attributes: toAttributes(event.attributes),
    })),
    links: json.links.map(({ flags, ...link }) => ({
      ...link,
      traceFlags: flags & 0xff,
      isRemote: (flags & 0x200) !== 0,
      attributes: toAttributes(link.attributes),
    })),
    status: { code: status.code === 2 ? "error" : "unset", ...(status.message === undefined ? {} : { message: status.message }) },
    scope,
    role: roleOf(name, attributes, parentSpanId === undefined),
  };
}

function flagsOf({ flags }: JsonSpan, hasParent: boolean) {
  return { traceFlags: flags & 0xff, parentIsRemote: hasParent && (flags & 0x200) !== 0 };
}

function roleOf(name: string, attributes: Attributes, isRoot: boolean): SpanRole {
  if (attributes[ATTRIBUTES.RUN_STATE.name] !== undefined) return "run";
  if (isRoot) return "continuation";
  if (attributes[ATTRIBUTES.FAILURE_STATE.name] !== undefined) return "failure";
  if (attributes[ATTRIBUTES.STEP_TYPE.name] !== undefined) return "step";
  if (name === "start delay") return "delay";
  return /^(queued|backoff|attempt \d+)$/.test(name) ? "part" : "delivery";
}

function toAttributes(json: JsonAttributes): Attributes {
  return Object.fromEntries(json.map(({ key, value }) => [key, toValue(value)]));
}

function toValue(json: JsonValue): AttributeValue {
  if (json.arrayValue !== undefined) return json.arrayValue.values.map(toValue) as readonly string[];
  return json.stringValue ?? json.intValue ?? json.doubleValue ?? json.boolValue ?? "";
}

function toMillis(nanos: string): number {
  return Number(BigInt(nanos) / 1_000_000n);
}
