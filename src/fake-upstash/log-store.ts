import type { Millis, WireEvent, WireRun } from "./wire.ts";

/**
 * Both logs, in memory, as they stand at any time: a run is a list of versions, each true from its `since` on, and
 * every question names the time it is asked for. So a whole history can be put in beforehand and is seen to grow as
 * time goes by, and a lagging API is one that is asked for a moment ago. What is put in is kept as it is: a caller
 * that changes it afterwards rewrites the past.
 */
export interface LogStore {
  /** A run as it stands from `since` on (ms; default: always). Of two versions with the same `since` the later put counts. */
  putRun(run: WireRun, since?: Millis): void;
  /** A line of the message log, there from `since` on (ms; default: its own time). */
  putEvent(event: WireEvent, since?: Millis): void;
  /** As if retention had taken it: the run, all its versions, and its events. */
  deleteRun(id: string, createdAt: Millis): void;
  /** Newest created first. */
  listRuns(ask: Ask<WireRun>): Listed<WireRun>;
  /** Newest first; of the same millisecond, the one put last first. */
  listEvents(ask: Ask<WireEvent>): Listed<WireEvent>;
  /** Every run in its newest version, in the order of creation: what there is to be found in the end. */
  allRuns(): WireRun[];
  allEvents(): WireEvent[];
}

export interface Ask<T> {
  /** The log as it stood then. */
  readonly at: Millis;
  readonly count: number;
  /** Only entries older than this place. */
  readonly after?: Place | undefined;
  readonly matches: (entry: T) => boolean;
}

export interface Listed<T> {
  readonly entries: readonly T[];
  /** The place of the last entry, if there are more. */
  readonly next?: Place;
}

/** Where an entry stands: its time (ms), and its number among all that were ever put in. */
export interface Place {
  readonly time: Millis;
  readonly seq: number;
}

interface Row<T> extends Place {
  readonly key: string;
  readonly versions: { readonly since: Millis; readonly value: T }[];
}

export function createLogStore(): LogStore {
  const runs: Row<WireRun>[] = [];
  const events: Row<WireEvent>[] = [];
  const byKey = new Map<string, Row<WireRun>>();
  let seq = 0;
  return {
    putRun(run, since = Number.NEGATIVE_INFINITY) {
      const key = keyOf(run.workflowRunId, run.workflowRunCreatedAt);
      let row = byKey.get(key);
      if (row === undefined) {
        row = { time: run.workflowRunCreatedAt, seq: seq++, key, versions: [] };
        byKey.set(key, row);
        insert(runs, row);
      }
      const at = row.versions.findLastIndex((version) => version.since <= since);
      row.versions.splice(at + 1, 0, { since, value: run });
    },
    putEvent(event, since = event.time) {
      const key = keyOf(event.workflowRunId, event.workflowCreatedAt);
      insert(events, { time: event.time, seq: seq++, key, versions: [{ since, value: event }] });
    },
    deleteRun(id, createdAt) {
      const key = keyOf(id, createdAt);
      byKey.delete(key);
      removeAll(runs, key);
      removeAll(events, key);
    },
    listRuns: (ask) => list(runs, ask),
    listEvents: (ask) => list(events, ask),
    allRuns: () => runs.flatMap((row) => row.versions.at(-1)?.value ?? []),
    allEvents: () => events.flatMap((row) => row.versions.at(-1)?.value ?? []),
  };
}

const keyOf = (id: string, createdAt: Millis) => JSON.stringify([id, createdAt]);

/** Rows are kept in ascending order; nearly every insertion is at the end. */
function insert<T>(rows: Row<T>[], row: Row<T>): void {
  rows.splice(countBelow(rows, row), 0, row);
}

function removeAll<T>(rows: Row<T>[], key: string): void {
  for (let index = rows.length - 1; index >= 0; index--) {
    if (rows[index]?.key === key) rows.splice(index, 1);
  }
}

/** How many rows stand before this place (binary search). */
function countBelow<T>(rows: readonly Row<T>[], place: Place): number {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const row = rows[middle];
    if (row !== undefined && (row.time < place.time || (row.time === place.time && row.seq < place.seq))) low = middle + 1;
    else high = middle;
  }
  return low;
}

function list<T>(rows: readonly Row<T>[], ask: Ask<T>): Listed<T> {
  const found: { row: Row<T>; value: T }[] = [];
  const from = ask.after === undefined ? rows.length : countBelow(rows, ask.after);
  for (let index = from - 1; index >= 0 && found.length <= ask.count; index--) {
    const row = rows[index];
    const version = row?.versions.findLast((candidate) => candidate.since <= ask.at);
    if (row !== undefined && version !== undefined && ask.matches(version.value)) found.push({ row, value: version.value });
  }
  const page = found.slice(0, ask.count);
  const last = page.at(-1)?.row;
  const entries = page.map((item) => item.value);
  return found.length > ask.count && last !== undefined ? { entries, next: { time: last.time, seq: last.seq } } : { entries };
}
