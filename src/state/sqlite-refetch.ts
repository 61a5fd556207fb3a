import type { Millis } from "../model/run.ts";
import { REFETCH } from "./outcome.ts";
import type { Database } from "./sqlite-database.ts";
import { phaseNumber, setWatch } from "./sqlite-runs.ts";

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
