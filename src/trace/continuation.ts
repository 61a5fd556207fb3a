import type { RunKey } from "../model/run.ts";
import { ATTRIBUTES, SIZE_SUFFIX } from "./attributes.ts";
import type { TracesConfig } from "./config.ts";
import { continuationRootSpanId, continuationTraceId } from "./ids.ts";
import { OWN_TRACE_FLAGS } from "./placement.ts";
import type { Span, SpanLink } from "./span.ts";
import { areSurelyWithin, spanBytes } from "./span-size.ts";
import { spanName } from "./value.ts";

type Limits = Pick<TracesConfig, "max_spans_per_trace" | "max_trace_bytes">;

/** A step with its parts, which stay together. */
interface Unit {
  readonly spans: readonly Span[];
  readonly bytes: number;
}

interface Room {
  spans: number;
  bytes: number;
}

/** Resource, scopes, and the links between the traces. */
const ENVELOPE = 8_192;

/**
 * A run too large for one trace goes on in further ones, each with a root of its own, linked to the run's
 * span and from it; nothing is lost.
 * @param spans the run's, its own first, a step's parts right behind it.
 * @param pinned ids of the steps that stay in the first trace whatever it takes: Invoke steps, since the
 *   invoked runs may already point at them.
 * @param sizeOf an upper bound of a span's size as protobuf, in bytes.
 */
export function inSeveralTraces(
  spans: readonly Span[],
  run: RunKey,
  limits: Limits,
  pinned: ReadonlySet<string>,
  sizeOf: (span: Span) => number = spanBytes,
): readonly Span[] {
  if (spans.length <= limits.max_spans_per_trace && sizeOf === spanBytes && areSurelyWithin(spans, limits.max_trace_bytes - ENVELOPE)) {
    return spans;
  }
  const [root, ...rest] = spans;
  const bytes = spans.reduce((sum, span) => sum + sizeOf(span), ENVELOPE);
  if (root === undefined || (spans.length <= limits.max_spans_per_trace && bytes <= limits.max_trace_bytes)) return spans;
  const capacity: Room = { spans: limits.max_spans_per_trace - 1, bytes: limits.max_trace_bytes - ENVELOPE };
  const [first = [], ...further] = fill(unitsOf(rest, root.spanId, sizeOf), capacity, sizeOf(root), pinned);
  const continued = further.map((units, index) => continuation(root, run, index + 1, units));
  const links = continued.flatMap(([other]) => (other === undefined ? [] : [linkTo(other)]));
  return [{ ...root, links: [...root.links, ...links] }, ...first.flatMap((unit) => unit.spans), ...continued.flat()];
}

function unitsOf(spans: readonly Span[], rootId: string, sizeOf: (span: Span) => number): Unit[] {
  const units: { spans: Span[]; bytes: number }[] = [];
  for (const span of spans) {
    const last = units.at(-1);
    if (last === undefined || span.parentSpanId === rootId) {
      units.push({ spans: [span], bytes: sizeOf(span) });
    } else {
      last.spans.push(span);
      last.bytes += sizeOf(span);
    }
  }
  return units;
}

/** Trace by trace, in order; in the first one the run's span and what is pinned have their room before all others. */
function fill(units: readonly Unit[], capacity: Room, rootBytes: number, pinned: ReadonlySet<string>): Unit[][] {
  const isPinned = (unit: Unit) => unit.spans.some((span) => pinned.has(span.spanId));
  const first: Unit[] = [];
  const traces = [first];
  let current = first;
  let room = units.filter(isPinned).reduce(taken, { ...capacity, bytes: capacity.bytes - rootBytes });
  for (const unit of units) {
    if (isPinned(unit)) {
      first.push(unit);
      continue;
    }
    const fits = unit.spans.length <= room.spans && unit.bytes <= room.bytes;
    // What fits nowhere has a trace of its own.
    if (!fits && (current === first || current.length > 0)) {
      current = [];
      traces.push(current);
      room = capacity;
    }
    current.push(unit);
    room = taken(room, unit);
  }
  return traces;
}

function taken(room: Room, unit: Unit): Room {
  return { spans: room.spans - unit.spans.length, bytes: room.bytes - unit.bytes };
}

/** Its root spans what it holds. Being no part of a caller's trace, it has flags of its own and no trace state. */
function continuation(root: Span, run: RunKey, k: number, units: readonly Unit[]): Span[] {
  const traceId = continuationTraceId(run.id, run.createdAt, k);
  const spanId = continuationRootSpanId(run.id, run.createdAt, k);
  const spans = units
    .flatMap((unit) => unit.spans)
    .map(({ traceState: _, ...span }) => {
      return {
        ...span,
        traceId,
        traceFlags: OWN_TRACE_FLAGS,
        parentSpanId: span.parentSpanId === root.spanId ? spanId : span.parentSpanId,
      };
    }) as Span[];
  const identity = [ATTRIBUTES.RUN_ID.name, ATTRIBUTES.WORKFLOW_NAME.name].flatMap((name) => [name, name + SIZE_SUFFIX]);
  const own: Span = {
    traceId,
    spanId,
    parentIsRemote: false,
    traceFlags: OWN_TRACE_FLAGS,
    name: spanName(`${root.name} (continued)`, ""),
    kind: "internal",
    start: spans.reduce((earliest, span) => Math.min(earliest, span.start), root.end),
    end: spans.reduce((latest, span) => Math.max(latest, span.end), root.start),
    attributes: Object.fromEntries(Object.entries(root.attributes).filter(([name]) => identity.includes(name))),
    events: [],
    links: [linkTo(root)],
    status: { code: "unset" },
    scope: "workflow",
    role: "continuation",
  };
  return [own, ...spans];
}

function linkTo({ traceId, spanId, traceFlags, traceState }: Span): SpanLink {
  return { traceId, spanId, traceFlags, ...(traceState !== undefined && { traceState }), isRemote: false, attributes: {} };
}
