import type { Millis, RunKey } from "../model/run.ts";
import { combineParts } from "./outcome.ts";
import { OPEN_AGES_MS, type RunOutcomes, type StoreSize, type StoreStatus } from "./report.ts";
import type { Database } from "./sqlite-database.ts";
import { allDestinations, type DestinationRow, destinationState } from "./sqlite-destinations.ts";
import { findRun, phaseName, phaseNumber, watched } from "./sqlite-runs.ts";
import { allSources, findSource, readCounts } from "./sqlite-sources.ts";

/** What the user is told: sizes, queues, counters, and what became of a run. */

export function size(db: Database): StoreSize {
  const pragma = (name: string) => Object.values(db.get<Record<string, number>>(`PRAGMA ${name}`) ?? {})[0] ?? 0;
  const totals = db.get<{ payload_bytes: number; quarantine_bytes: number; event_bytes: number }>("SELECT * FROM totals");
  const pagesInUse = pragma("page_count") - pragma("freelist_count");
  const eventBytes = totals?.event_bytes ?? 0;
  const quarantineBytes = totals?.quarantine_bytes ?? 0;
  return {
    liveBytes: Math.max(0, pagesInUse * pragma("page_size") - eventBytes - quarantineBytes),
    payloadBytes: totals?.payload_bytes ?? 0,
    quarantineBytes,
    eventBytes,
  };
}

export function status(db: Database, now: Millis): StoreStatus {
  const sources = allSources(db).flatMap(({ source, name, state }) => {
    if (state === undefined) return [];
    const counts = readCounts(db, `source ${source}`);
    return [{ name, state, watched: watched(db, name), openByAge: openByAge(db, source, now), counts }];
  });
  return { sources, destinations: allDestinations(db).map((row) => destinationStatus(db, row)), size: size(db) };
}

function openByAge(db: Database, source: number, now: Millis): number[] {
  const rows = db.all<{ age: number; count: number }>(
    `SELECT (SELECT max(value) FROM json_each(?2) WHERE value <= max(0, ?3 - created)) AS age, count(*) AS count
     FROM watches JOIN runs USING (run) WHERE watches.source = ?1 AND phase = ?4 GROUP BY age`,
    source,
    JSON.stringify(OPEN_AGES_MS),
    now,
    phaseNumber("open"),
  );
  return OPEN_AGES_MS.map((age) => rows.find((row) => row.age === age)?.count ?? 0);
}

function destinationStatus(db: Database, row: DestinationRow): StoreStatus["destinations"][number] {
  const oldest = db.get<{ queued_at: Millis }>(
    "SELECT queued_at FROM deliveries WHERE destination = ? ORDER BY id LIMIT 1",
    row.destination,
  );
  const entries = db.get<{ count: number }>(
    "SELECT count(*) AS count FROM quarantine WHERE destination = ? AND dropped IS NULL",
    row.destination,
  );
  return {
    ...destinationState(row),
    queued: row.queued,
    queuedBytes: row.queued_bytes,
    ...(oldest && { oldestQueuedAt: oldest.queued_at }),
    quarantined: entries?.count ?? 0,
    counts: readCounts(db, `destination ${row.destination}`),
  };
}

export function outcomes(db: Database, sourceName: string, keys: readonly RunKey[]): (RunOutcomes | undefined)[] {
  const source = findSource(db, sourceName);
  return keys.map((key) => {
    const row = source === undefined ? undefined : findRun(db, source, key);
    return row && { phase: phaseName(row.phase), destinations: outcomesOf(db, row.run) };
  });
}

function outcomesOf(db: Database, run: number): Record<string, string> {
  const rows = db.all<{ name: string; outcome: string }>(
    `SELECT name, outcome FROM (
       SELECT destination, part, outcome FROM outcomes WHERE run = ?1 UNION ALL
       SELECT destination, part, 'queued' FROM deliveries WHERE run = ?1
     ) JOIN destinations USING (destination) ORDER BY destination, part`,
    run,
  );
  const parts: Record<string, string[]> = {};
  for (const row of rows) parts[row.name] = [...(parts[row.name] ?? []), row.outcome];
  return Object.fromEntries(Object.entries(parts).map(([name, all]) => [name, combineParts(all)]));
}
