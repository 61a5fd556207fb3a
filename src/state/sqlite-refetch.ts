import type { Millis, RunKey } from "../model/run.ts";
import { REFETCH } from "./outcome.ts";
import type { Database } from "./sqlite-database.ts";
import { findRun, phaseNumber, setWatch } from "./sqlite-runs.ts";
import { findSource } from "./sqlite-sources.ts";

/** Bytes that are not there any more come from the API once more: the mapping gives the same ones. */

/** The run is asked for again, and this part of it goes to this destination alone. */
export function fetchPartAgain(db: Database, source: number, run: number, part: number, destination: number, now: Millis): void {
  db.run("INSERT OR REPLACE INTO outcomes VALUES (?, ?, ?, ?)", run, part, destination, REFETCH);
  fetchRunAgain(db, source, run, now);
}

export function fetchRunAgain(db: Database, source: number, run: number, now: Millis): void {
  db.run("UPDATE runs SET phase = ? WHERE run = ?", phaseNumber("waiting"), run);
  setWatch(db, source, run, { reason: "refetch", dueAt: now, polls: 0 });
}

/** For destinations that have nothing of it; with `everything`, for all that are configured and wait for nothing of it. */
function collectAgain(db: Database, source: number, run: number, everything: boolean, dueAt: Millis): void {
  const settled = `SELECT part, destination FROM outcomes AS o JOIN destinations USING (destination)
    WHERE run = ?1 AND removed_at IS NULL AND outcome <> ?2
      AND NOT EXISTS (SELECT 1 FROM deliveries AS d WHERE d.run = o.run AND d.part = o.part AND d.destination = o.destination)`;
  for (const { part, destination } of everything ? db.all<{ part: number; destination: number }>(settled, run, REFETCH) : []) {
    db.run("INSERT OR REPLACE INTO outcomes VALUES (?, ?, ?, ?)", run, part, destination, REFETCH);
    const ofPart = "(run_id, created, source) = (SELECT id, created, source FROM runs WHERE run = ?) AND part = ? AND destination = ?";
    db.run(`UPDATE quarantine SET payload = NULL WHERE ${ofPart}`, run, part, destination);
  }
  fetchRunAgain(db, source, run, dueAt);
}

export function refetch(db: Database, sourceName: string, keys: readonly RunKey[], everything: boolean, dueAt: Millis): void {
  const source = findSource(db, sourceName);
  for (const key of keys) {
    const known = source === undefined ? undefined : findRun(db, source, key);
    if (known !== undefined) collectAgain(db, known.source, known.run, everything, dueAt);
  }
}

/** It is here again: the quarantine's entry, kept until now, has done its work. */
export function endRefetch(db: Database, run: number, part: number, destination: number): void {
  const sql = "DELETE FROM outcomes WHERE run = ? AND part = ? AND destination = ? AND outcome = ?";
  if (db.run(sql, run, part, destination, REFETCH).changes === 0) return;
  db.run(
    `DELETE FROM quarantine WHERE (run_id, created, source) = (SELECT id, created, source FROM runs WHERE run = ?)
       AND part = ? AND destination = ? AND payload IS NULL`,
    run,
    part,
    destination,
  );
}
