import { isEnd, type MessageEvent } from "../model/event.ts";
import { endOf, keyOf, type Millis, type WorkflowRun } from "../model/run.ts";
import type { EventPage, EventQuery } from "../sources/source.ts";
import type { SourceContext } from "./context.ts";
import { askLog, compactEvents, type Details, SETTLED_AFTER_MS, wantsDetail } from "./detail.ts";
import type { PatientSource } from "./patience.ts";
import type { Reader } from "./reader.ts";
import type { Window } from "./windows.ts";

/**
 * `detail: messages` of a backfill: the message log is read once, as one stream from the oldest run on, as far as the
 * runs that are about to be mapped go. Events wait here for their run. What `fromDate` and `toDate` compare in that log
 * does not matter: once everything from a run's creation to its end was read, all three readings have shown all of it.
 */
export interface EventShelf {
  /** What the log says of these runs. */
  details(runs: readonly WorkflowRun[], signal: AbortSignal): Promise<Details>;
  /** Only runs created in these windows are wanted from now on. */
  release(left: readonly Window[]): void;
}

const PAGE = 1_000;
/** Of one stretch of time: its last page is half empty on average. */
const EVENTS_PER_STRETCH = 10_000;
const FIRST_STRETCH_MS = 60_000;
const GROWTH = 4;
/** A stretch with more is given up and begun again shorter. */
const MOST_OF_STRETCH = 2.5 * EVENTS_PER_STRETCH;
const SHRINK = 16;
/** In memory; past it runs are asked for one by one. */
const MOST_EVENTS = 100_000;

type RunEvents = ReturnType<typeof compactEvents>[number];

interface Shelf {
  readonly context: SourceContext;
  readonly source: PatientSource;
  /** When runs were created of which events are kept. */
  wanted: readonly Window[];
  /** Everything in between was read. */
  from: Millis;
  to: Millis;
  /** Of the next stretch, in ms. */
  width: number;
  /** Somewhere before is a burst: stretches do not grow. */
  burstBefore: Millis;
  readonly events: Map<string, { readonly createdAt: Millis; readonly events: MessageEvent[] }>;
  count: number;
  /** The log answers. */
  there: boolean;
}

/** Undefined where no detail is wanted, or the log was caught lying. @param wanted when runs were created that are to be mapped */
export function createEventShelf(reader: Reader, source: PatientSource, wanted: readonly Window[]): EventShelf | undefined {
  const { context, state } = reader;
  const from = wanted[0]?.from ?? 0;
  if (!wantsDetail(context.config) || state().feed?.status === "distrusted") return undefined;
  const shelf: Shelf = {
    context,
    source,
    wanted,
    from,
    to: from - 1,
    width: FIRST_STRETCH_MS,
    burstBefore: 0,
    events: new Map(),
    count: 0,
    there: true,
  };
  return {
    async details(runs, signal) {
      const end = runs.reduce((latest, run) => Math.max(latest, endOf(run) + SETTLED_AFTER_MS), 0);
      while (shelf.there && shelf.to < end && !signal.aborted) await readStretch(shelf, end, signal);
      const details = new Map<string, readonly MessageEvent[]>();
      for (const run of shelf.there ? runs : []) details.set(keyOf(run), await eventsOf(shelf, run, signal));
      return details;
    },
    release(left) {
      shelf.wanted = left;
      for (const [key, { createdAt, events }] of shelf.events) {
        if (isIn(left, createdAt)) continue;
        shelf.events.delete(key);
        shelf.count -= events.length;
      }
    },
  };
}

/** The next stretch of time, as long as it should be, or only as far as is needed if that is nearly all of it. */
async function readStretch(shelf: Shelf, end: Millis, signal: AbortSignal): Promise<void> {
  const from = shelf.to + 1;
  const to = Math.max(from, Math.min(from + Math.ceil(shelf.width), Math.max(end, shelf.wanted.at(-1)?.to ?? 0)));
  const found: RunEvents[] = [];
  let read = 0;
  let cursor: string | undefined;
  do {
    const query: EventQuery = { count: PAGE, fromDate: from, toDate: to, ...(cursor !== undefined && { cursor }) };
    const reply = await shelf.source.events(query, "backfill", signal);
    // no reading shows events of runs that were created later: then the dates are not looked at
    if (reply.kind !== "ok" || reply.value.events.some(({ createdAt }) => createdAt > to)) {
      shelf.there = false; // as without the feed: the grouped log alone
      return shelf.events.clear();
    }
    shelf.context.server.observe(reply.serverTime);
    read += reply.value.events.length;
    found.push(...wantedOf(shelf, reply.value));
    if (read > MOST_OF_STRETCH && to > from) {
      shelf.width = (to - from) / SHRINK; // a burst after a silence: in smaller pieces
      shelf.burstBefore = to;
      return;
    }
    if (reply.value.cursor === cursor) break;
    cursor = reply.value.cursor;
  } while (cursor !== undefined);
  shelf.to = to;
  keep(shelf, found);
  shelf.width = Math.max(
    1,
    Math.min(((to - from + 1) * EVENTS_PER_STRETCH) / Math.max(1, read), shelf.width * (to < shelf.burstBefore ? 1 : GROWTH)),
  );
  if (shelf.count <= MOST_EVENTS) return;
  // what is left of a log could pass for the whole
  shelf.events.clear();
  shelf.count = 0;
  shelf.from = to + 1;
}

function wantedOf({ wanted, context }: Shelf, { events }: EventPage): readonly RunEvents[] {
  return compactEvents(
    events.filter(({ createdAt }) => isIn(wanted, createdAt)),
    context.settings,
  );
}

function keep(shelf: Shelf, found: readonly RunEvents[]): void {
  for (const { key, events: own } of found) {
    const known = shelf.events.get(keyOf(key)) ?? { createdAt: key.createdAt, events: [] };
    known.events.push(...own);
    shelf.count += own.length;
    shelf.events.set(keyOf(key), known);
  }
}

function isIn(windows: readonly Window[], time: Millis): boolean {
  return windows.some(({ from, to }) => time >= from && time <= to);
}

/** A run of whose log some was not read is asked for alone. */
async function eventsOf(shelf: Shelf, run: WorkflowRun, signal: AbortSignal): Promise<readonly MessageEvent[]> {
  const events = shelf.events.get(keyOf(run))?.events ?? [];
  const whole = run.createdAt >= shelf.from && endOf(run) + SETTLED_AFTER_MS <= shelf.to && events.some(isEnd);
  return whole ? events : ((await askLog({ settings: shelf.context.settings, source: shelf.source }, run, signal)) ?? []);
}
