import type { Answer } from "./fault.ts";
import { BadQuery, type DateReadings, eventFilter, integer, runFilter } from "./filter.ts";
import type { Ask, Listed, LogStore, Place } from "./log-store.ts";
import { trimBodies } from "./trim-body.ts";
import type { Millis, WireEvent, WireRun } from "./wire.ts";

/** How this API behaves where Upstash's own sources leave it open, or where a test wants it worse. */
export interface LogApiOptions {
  /** Runs and events are seen this much after they happened. */
  lagMs?: number;
  /** Runs that ended before this, and events older than this, are gone. */
  retentionMs?: number;
  /** How a last page says that it is the last. Default: no `cursor` at all. */
  endMarker?: "missing" | "empty" | "null";
  /** A cursor older than this is answered with 400. */
  cursorTtlMs?: number;
  /** Default: creation for runs, the event's own time for events. */
  dates?: Partial<DateReadings>;
  /** What `trimBody=-1` does. */
  trimMinusOne?: "keep" | "drop";
  messageLog?: MessageLogOptions;
}

export interface MessageLogOptions {
  /** Which paths answer with the flat log; the others answer 404. Default: both. */
  paths?: readonly ("messageLogs" | "events")[];
  /** 200, and never an event. */
  empty?: boolean;
  /** Behind the grouped log by this much more. */
  lateMs?: number;
  /** Events that are never shown. */
  skip?: (event: WireEvent) => boolean;
}

/** Each cursor that was handed out, and when. */
export type Cursors = Map<string, Millis>;
export const newCursors = (): Cursors => new Map();

interface Context {
  readonly store: LogStore;
  readonly now: Millis;
  readonly cursors: Cursors;
  readonly options: LogApiOptions;
}

const MAX_RUNS = 10;
const MAX_EVENTS = 1_000;

/** Answers one GET that was let in. */
export function answerQuery(request: { readonly path: string; readonly query: URLSearchParams }, context: Context): Answer {
  const paths = context.options.messageLog?.paths ?? ["messageLogs", "events"];
  const { query } = request;
  try {
    if (request.path === "/v2/workflows/logs") return ok(groupedPage(query, context));
    if (request.path === "/v2/workflows/events" && query.get("groupBy") === "workflowRunId") return ok(groupedPage(query, context));
    if (paths.some((path) => request.path === `/v2/workflows/${path}`)) return ok(flatPage(query, context));
    return { status: 404, headers: {}, body: { error: "not found" } };
  } catch (error) {
    if (error instanceof BadQuery) return { status: 400, headers: {}, body: { error: error.message } };
    throw error;
  }
}

const ok = (body: unknown): Answer => ({ status: 200, headers: {}, body });

function groupedPage(query: URLSearchParams, context: Context): unknown {
  const { store, options, now } = context;
  const filter = runFilter(query, options.dates?.runs ?? "creation");
  const horizon = now - (options.retentionMs ?? Number.POSITIVE_INFINITY);
  const matches = (run: WireRun) => (run.workflowRunCompletedAt ?? now) >= horizon && filter(run);
  const listed = store.listRuns(askFor(query, context, MAX_RUNS, now - (options.lagMs ?? 0), matches));
  return page("runs", listed, query, context);
}

function flatPage(query: URLSearchParams, context: Context): unknown {
  const { store, options, now } = context;
  const { empty = false, lateMs = 0, skip = () => false } = options.messageLog ?? {};
  const filter = eventFilter(query, options.dates?.events ?? "event", lastEventTimes(store, now));
  const horizon = now - (options.retentionMs ?? Number.POSITIVE_INFINITY);
  const matches = (event: WireEvent) => !empty && event.time >= horizon && !skip(event) && filter(event);
  const listed = store.listEvents(askFor(query, context, MAX_EVENTS, now - (options.lagMs ?? 0) - lateMs, matches));
  return page("events", listed, query, context);
}

function askFor<T>(query: URLSearchParams, context: Context, most: number, at: Millis, matches: Ask<T>["matches"]): Ask<T> {
  const count = integer(query, "count") ?? most;
  if (count < 1) throw new BadQuery("invalid count");
  return { at, count: Math.min(count, most), after: placeOf(query.get("cursor"), context), matches };
}

function page<T>(name: "runs" | "events", listed: Listed<T>, query: URLSearchParams, { options, cursors, now }: Context): unknown {
  const trimBody = integer(query, "trimBody");
  const entries = listed.entries.map((entry) => trimBodies(entry, trimBody, options.trimMinusOne ?? "keep"));
  if (listed.next !== undefined) {
    const cursor = `${listed.next.time}-${listed.next.seq}`;
    cursors.set(cursor, now);
    return { cursor, [name]: entries };
  }
  if (options.endMarker === "empty") return { cursor: "", [name]: entries };
  return options.endMarker === "null" ? { cursor: null, [name]: entries } : { [name]: entries };
}

/** The SDK sends no cursor for the first page, or an empty one. */
function placeOf(cursor: string | null, { cursors, options, now }: Context): Place | undefined {
  if (cursor === null || cursor === "") return undefined;
  const issuedAt = cursors.get(cursor);
  const match = /^(-?\d+)-(\d+)$/.exec(cursor);
  if (issuedAt === undefined || match === null) throw new BadQuery("invalid cursor");
  if (now - issuedAt > (options.cursorTtlMs ?? Number.POSITIVE_INFINITY)) throw new BadQuery("cursor expired");
  return { time: Number(match[1]), seq: Number(match[2]) };
}

/** The time of the newest event of an event's run; looked through only where the reading asks for it. */
function lastEventTimes(store: LogStore, now: Millis): (event: WireEvent) => Millis {
  const keyOf = (event: WireEvent) => `${event.workflowRunId}@${event.workflowCreatedAt}`;
  let times: Map<string, Millis> | undefined;
  return (event) => {
    const happened = () => store.allEvents().filter((each) => each.time <= now);
    times ??= new Map(happened().map((each) => [keyOf(each), each.time]));
    return times.get(keyOf(event)) ?? event.time;
  };
}
