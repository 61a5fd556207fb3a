import { crc32 } from "node:zlib";
import type { MessageEvent } from "../model/event.ts";
import type { RunKey } from "../model/run.ts";
import type { Database } from "./sqlite-database.ts";
import { findRun, phaseNumber, type RunRow } from "./sqlite-runs.ts";
import { addCounts, findSource } from "./sqlite-sources.ts";
import { eventText, MAX_EVENTS_PER_RUN, type RunEvents, storedEvent } from "./stored-event.ts";

/** The message log's events of open runs, until they are collected. Sorted by their run's creation: the longest open stand first. */

/** The caller holds the transaction. */
export function addEvents(db: Database, source: number, runs: readonly RunEvents[], maxBytes: number): void {
  for (const { key, events } of runs) {
    const run = findRun(db, source, key);
    if (run === undefined || run.phase !== phaseNumber("open") || run.events_lost !== null) continue;
    for (const event of events) {
      const text = eventText(event);
      db.run("INSERT OR IGNORE INTO events VALUES (?, ?, ?, ?)", run.created, run.run, text, crc32(text));
    }
  }
  while (bytesOfEvents(db) > maxBytes && dropLongestOpen(db));
}

function bytesOfEvents(db: Database): number {
  return db.get<{ event_bytes: number }>("SELECT event_bytes FROM totals")?.event_bytes ?? 0;
}

/** What is left of a run's log is none: half of it could pass for the whole. False where there is nothing to be dropped. */
function dropLongestOpen(db: Database): boolean {
  const first = db.get<Pick<RunRow, "run" | "created" | "source">>(
    "SELECT run, events.created, source FROM events JOIN runs USING (run) ORDER BY events.created, run LIMIT 1",
  );
  if (first === undefined) return false;
  dropEvents(db, first);
  db.run("UPDATE runs SET events_lost = 1 WHERE run = ?", first.run);
  addCounts(db, `source ${first.source}`, { "events.dropped": 1 });
  return true;
}

export function dropEvents(db: Database, { run, created }: Pick<RunRow, "run" | "created">): void {
  db.run("DELETE FROM events WHERE created = ? AND run = ?", created, run);
}

export function readEvents(db: Database, sourceName: string, keys: readonly RunKey[]): (MessageEvent[] | undefined)[] {
  const source = findSource(db, sourceName);
  return keys.map((key) => {
    const run = source === undefined ? undefined : findRun(db, source, key);
    return run === undefined ? [] : eventsOf(db, run, key);
  });
}

/** A flipped bit would tell a false time: a log of which one event is damaged is none. */
function eventsOf(db: Database, run: RunRow, key: RunKey): MessageEvent[] | undefined {
  if (run.events_lost !== null) return undefined;
  const sql = "SELECT event, crc FROM events WHERE created = ? AND run = ? ORDER BY event LIMIT ?";
  const rows = db.all<{ event: string; crc: number }>(sql, run.created, run.run, MAX_EVENTS_PER_RUN + 1);
  if (rows.length > MAX_EVENTS_PER_RUN || rows.some(({ event, crc }) => crc32(event) !== crc)) return undefined;
  return rows.map(({ event }) => storedEvent(key, event));
}
