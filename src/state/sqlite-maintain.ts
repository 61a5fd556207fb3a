import { setImmediate as nextTurn } from "node:timers/promises";
import type { Millis } from "../model/run.ts";
import type { Database } from "./sqlite-database.ts";
import { allDestinations } from "./sqlite-destinations.ts";
import { forgetJobs } from "./sqlite-jobs.ts";
import { settle } from "./sqlite-outbox.ts";
import { findRun, keyOf } from "./sqlite-runs.ts";
import { findSource } from "./sqlite-sources.ts";
import { type MaintenanceInput, QUARANTINE_MAX_AGE_MS, QUARANTINE_MAX_BYTES, REMOVED_DESTINATION_GRACE_MS } from "./store.ts";

/**
 * Housekeeping in slices, so that neither a transaction nor the process's other work waits for millions of rows.
 * Nothing is ever vacuumed: freed pages are used again, and `size` counts only those in use. The file keeps its
 * high-water mark, which `state.max_size` bounds.
 */
const SLICE = 1_000;

export async function maintain(db: Database, input: MaintenanceInput): Promise<void> {
  for (const { destination, removed_at } of allDestinations(db)) {
    if (removed_at === null || removed_at + REMOVED_DESTINATION_GRACE_MS > input.now) continue;
    await slices(() => db.write(() => endDestination(db, destination, input.now)));
  }
  for (const [name, before] of Object.entries(input.forgetBefore)) {
    const source = findSource(db, name);
    if (source !== undefined) await slices(() => db.write(() => forgetRuns(db, source, before)));
    if (source !== undefined) db.write(() => forgetLeftovers(db, source, before));
  }
  db.write(() => trimQuarantine(db, input.now));
  db.write(() => forgetJobs(db, input.now));
}

/** Repeats until a slice comes back that is not full. */
async function slices(work: () => number): Promise<void> {
  while (work() >= SLICE) await nextTurn();
}

/** What is still queued for a destination that left the configuration a day ago becomes excluded. */
function endDestination(db: Database, destination: number, now: Millis): number {
  const rows = db.all<{ id: number }>("SELECT id FROM deliveries WHERE destination = ? ORDER BY id LIMIT ?", destination, SLICE);
  const excluded = { outcome: "excluded", reason: "destination_removed", spans: 0, bytes: 0 } as const;
  settle(
    db,
    destination,
    rows.map(({ id }) => ({ id, ...excluded })),
    now,
  );
  db.run("UPDATE destinations SET ended = 1 WHERE destination = ?", destination);
  return rows.length;
}

/** Identities that ended before, but for those that are still asked for or still have something queued. */
function forgetRuns(db: Database, source: number, before: Millis): number {
  const rows = db.all<{ run: number }>(
    `SELECT run FROM runs WHERE source = ? AND phase >= 2 AND coalesce(ended, created) < ?
       AND NOT EXISTS (SELECT 1 FROM watches WHERE watches.run = runs.run)
       AND NOT EXISTS (SELECT 1 FROM deliveries WHERE deliveries.run = runs.run) LIMIT ?`,
    source,
    before,
    SLICE,
  );
  for (const { run } of rows) {
    db.run("DELETE FROM runs WHERE run = ?", run);
    db.run("DELETE FROM outcomes WHERE run = ?", run);
  }
  return rows.length;
}

/** Trees that nothing new joined, and quarantine entries without bytes whose run is forgotten: the API has forgotten it as well. */
function forgetLeftovers(db: Database, source: number, before: Millis): void {
  db.run("DELETE FROM trees WHERE source = ? AND seen < ?", source, before);
  db.run("DELETE FROM marks WHERE source = ? AND seen < ?", source, before);
  const sql = "SELECT id, run_id, created FROM quarantine WHERE source = ? AND at < ? AND payload IS NULL";
  for (const row of db.all<{ id: number; run_id: string; created: Millis }>(sql, source, before)) {
    const run = findRun(db, source, keyOf({ id: row.run_id, created: row.created }));
    if (run === undefined) db.run("DELETE FROM quarantine WHERE id = ?", row.id);
  }
}

/** Bytes go oldest first; identity and reason stay. */
function trimQuarantine(db: Database, now: Millis): void {
  db.run("UPDATE quarantine SET payload = NULL WHERE payload IS NOT NULL AND at < ?", now - QUARANTINE_MAX_AGE_MS);
  const held = db.all<{ id: number; bytes: number }>("SELECT id, bytes FROM quarantine WHERE payload IS NOT NULL ORDER BY id DESC");
  let total = 0;
  for (const { id, bytes } of held) {
    total += bytes;
    if (total > QUARANTINE_MAX_BYTES) db.run("UPDATE quarantine SET payload = NULL WHERE id = ?", id);
  }
}
