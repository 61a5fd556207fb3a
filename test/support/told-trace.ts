import type { RunKey } from "../../src/model/run.ts";
import {
  continuationRootSpanId,
  continuationTraceId,
  failureSpanId,
  invokeSpanId,
  runSpanId,
  stepSpanId,
  traceId,
} from "../../src/trace/ids.ts";
import type { AttributeValue, MappedRun, Span, SpanLink } from "../../src/trace/span.ts";

/** A trace as a text that people can hold against trace-model.md: ids by what they are the ids of, attributes only where they are the point. */
export interface Telling {
  /** Whose ids are told by name; others are shown as they are. */
  readonly runs: readonly RunKey[];
  /** Names of attributes that are shown; none where left out. */
  readonly attributes?: RegExp;
}

export function told(mapped: readonly MappedRun[], { runs, attributes = /^$/ }: Telling): string {
  const words = idWords(runs);
  return mapped.map(({ spans }) => spans.map((span) => toldSpan(span, spans[0]?.start ?? 0, words, attributes)).join("\n")).join("\n\n");
}

function idWords(runs: readonly RunKey[]): ReadonlyMap<string, string> {
  const words = new Map<string, string>();
  for (const { id, createdAt } of runs) {
    words.set(traceId(id, createdAt), `own trace of ${id}`);
    words.set(runSpanId(id, createdAt), `run ${id}`);
    for (const n of [1, 2, 3]) words.set(failureSpanId(id, createdAt, n), `failure function ${n} of ${id}`);
    for (const k of [1, 2]) {
      words.set(continuationTraceId(id, createdAt, k), `continuation ${k} of ${id}`);
      words.set(continuationRootSpanId(id, createdAt, k), `root of continuation ${k} of ${id}`);
    }
    for (let key = 0; key < 30; key += 1) words.set(stepSpanId(id, createdAt, key), `step ${key} of ${id}`);
    for (const child of runs) words.set(invokeSpanId(id, createdAt, child.id), `invoke of ${child.id} by ${id}`);
  }
  return words;
}

function toldSpan(span: Span, zero: number, words: ReadonlyMap<string, string>, shown: RegExp): string {
  const word = (id: string) => words.get(id) ?? id;
  const link = (to: SpanLink) => `link → ${word(to.spanId)}, in ${word(to.traceId)}${context(to)}${to.isRemote ? ", remote" : ""}`;
  const parent = span.parentSpanId === undefined ? "none" : `${word(span.parentSpanId)}${span.parentIsRemote ? ", remote" : ""}`;
  const lines = [
    `span   ${word(span.spanId)}, in ${word(span.traceId)}${context(span)}`,
    `parent ${parent}`,
    ...(span.scope === "workflow" ? [] : [`scope  ${span.scope}`]),
    ...(span.status.code === "error" ? [`error  ${span.status.message ?? ""}`] : []),
    ...attributeLines(span.attributes, shown),
    ...span.events.flatMap(({ name, time, attributes }) => [
      `event  ${name}, ${time - zero} ms`,
      ...attributeLines(attributes, shown).map((line) => `  ${line}`),
    ]),
    ...span.links.map(link),
  ];
  return [`${span.name} (${span.kind}, ${span.start - zero} … ${span.end - zero} ms)`, ...lines.map((line) => `    ${line}`)].join("\n");
}

function context({ traceFlags, traceState }: { readonly traceFlags: number; readonly traceState?: string }): string {
  return `, flags ${traceFlags}${traceState === undefined ? "" : `, state ${traceState}`}`;
}

function attributeLines(attributes: Readonly<Record<string, AttributeValue>>, shown: RegExp): string[] {
  return Object.entries(attributes).flatMap(([name, value]) => (shown.test(name) ? [`${name} = ${JSON.stringify(value)}`] : []));
}
