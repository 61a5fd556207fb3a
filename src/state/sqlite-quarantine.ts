import { crc32 } from "node:zlib";
import type { Encoding } from "../destinations/destination.ts";
import type { Millis } from "../model/run.ts";
import { DROPPED } from "./outcome.ts";
import type { QuarantineEntry, QuarantineFilter } from "./report.ts";
import { storedId } from "./run-id.ts";
import { insertRun, queueDelivery, storePayload } from "./sqlite-commit.ts";
import type { Database } from "./sqlite-database.ts";
import { fetchPartAgain, fetchRunAgain } from "./sqlite-refetch.ts";
import { findRun, keyOf, phaseNumber } from "./sqlite-runs.ts";
import type { RefusedPiece } from "./store.ts";

/** What a destination refused or a source could not read: kept with its bytes (within caps) until the user decides. */

interface EntryRow {
  readonly id: number;
  readonly source: number;
  readonly source_name: string;
  readonly run_id: string;
  readonly created: Millis;
  readonly part: number;
  readonly destination: number | null;
  readonly destination_name: string | null;
  readonly reason: string;
  readonly status: number | null;
  readonly message: string;
  readonly encoding: Encoding | null;
  readonly spans: number;
  readonly bytes: number;
  readonly first_end: Millis | null;
  readonly last_end: Millis | null;
  readonly at: Millis;
  readonly has_bytes: number;
}

const ENTRIES = `
SELECT q.id, q.source, s.name AS source_name, q.run_id, q.created, q.part, q.destination, d.name AS destination_name, q.reason, q.status,
  q.message, q.encoding, q.spans, q.bytes, q.first_end, q.last_end, q.at, q.payload IS NOT NULL AS has_bytes
FROM quarantine AS q JOIN sources AS s ON s.source = q.source LEFT JOIN destinations AS d ON d.destination = q.destination`;

/** What a refused piece was part of. */
export interface RefusedDelivery {
  readonly destination: number;
  readonly run: number;
  readonly part: number;
  readonly first_end: Millis;
  readonly last_end: Millis;
}

export function addToQuarantine(db: Database, from: RefusedDelivery, piece: RefusedPiece, now: Millis): void {
  db.run(
    `INSERT INTO quarantine
       (source, run_id, created, part, destination, reason, status, message, encoding, spans, bytes, first_end, last_end, at, crc, payload)
     SELECT source, id, created, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14 FROM runs WHERE run = ?1`,
    from.run,
    from.part,
    from.destination,
    piece.reason,
    piece.status ?? null,
    piece.message,
    piece.encoding,
    piece.spans,
    piece.bytes.length,
    from.first_end,
    from.last_end,
    now,
    crc32(piece.bytes),
    piece.bytes,
  );
}

export function quarantined(db: Database, filter: QuarantineFilter): QuarantineEntry[] {
  const sql = `${ENTRIES} WHERE (?1 IS NULL OR d.name = ?1) AND (?2 IS NULL OR q.run_id = ?2)
    AND (?3 IS NULL OR q.id IN (SELECT value FROM json_each(?3))) AND (q.dropped IS NOT NULL) = ?4 ORDER BY q.id`;
  const id = filter.runId === undefined ? null : storedId(filter.runId);
  const ids = filter.ids ? JSON.stringify(filter.ids) : null;
  return db.all<EntryRow>(sql, filter.destination ?? null, id, ids, filter.dropped === true ? 1 : 0).map(entryOf);
}

function entryOf(row: EntryRow): QuarantineEntry {
  return {
    id: row.id,
    source: row.source_name,
    key: keyOf({ id: row.run_id, created: row.created }),
    part: row.part,
    ...(row.destination_name !== null && { destination: row.destination_name }),
    reason: row.reason,
    ...(row.status !== null && { status: row.status }),
    message: row.message,
    spans: row.spans,
    bytes: row.bytes,
    hasBytes: row.has_bytes === 1,
    ...(row.encoding !== null && { encoding: row.encoding }),
    at: row.at,
  };
}

/** Undefined as well where they are damaged: the entry counts as one without bytes then. */
export function quarantinedBytes(db: Database, id: number): Uint8Array | undefined {
  const row = db.get<{ payload: Uint8Array | null; crc: number }>("SELECT payload, crc FROM quarantine WHERE id = ?", id);
  return row?.payload && crc32(row.payload) === row.crc ? row.payload : undefined;
}

export function requeue(db: Database, ids: readonly number[], now: Millis): { requeued: number; refetch: number } {
  const rows = undropped(db, ids).filter(({ created }) => created !== 0); // without its whole key a run cannot be asked for
  let requeued = 0;
  for (const row of rows) if (requeueEntry(db, row, now)) requeued += 1;
  return { requeued, refetch: rows.length - requeued };
}

/** True if it went back into the queue, false if its run has to be fetched first. */
function requeueEntry(db: Database, row: EntryRow, now: Millis): boolean {
  const run = findRun(db, row.source, keyOf({ id: row.run_id, created: row.created }))?.run ?? rememberRun(db, row);
  const bytes = quarantinedBytes(db, row.id);
  const { destination, encoding, first_end: firstEnd, last_end: lastEnd } = row;
  if (destination === null) {
    fetchRunAgain(db, row.source, run, now);
    return false;
  }
  if (bytes === undefined || encoding === null || firstEnd === null || lastEnd === null) {
    db.run("UPDATE quarantine SET payload = NULL WHERE id = ?", row.id);
    fetchPartAgain(db, row.source, run, row.part, destination, now);
    return false;
  }
  db.run("DELETE FROM quarantine WHERE id = ?", row.id);
  const stored = storePayload(db, run, undefined, encoding, [{ bytes, spans: row.spans }]);
  queueDelivery(db, { ...stored, destination, run, part: row.part, spans: row.spans, firstEnd, lastEnd }, now);
  return true;
}

/** Its identity had expired. */
function rememberRun(db: Database, row: EntryRow): number {
  const run = insertRun(db, row.source, keyOf({ id: row.run_id, created: row.created }));
  db.run(
    "UPDATE runs SET phase = ?, parts = ?, ended = ? WHERE run = ?",
    phaseNumber("done"),
    row.destination === null ? 0 : 1 << row.part,
    row.last_end,
    run,
  );
  return run;
}

function undropped(db: Database, ids: readonly number[]): EntryRow[] {
  const sql = `${ENTRIES} WHERE q.dropped IS NULL AND q.id IN (SELECT value FROM json_each(?)) ORDER BY q.id`;
  return db.all<EntryRow>(sql, JSON.stringify(ids));
}

export function dropQuarantined(db: Database, ids: readonly number[]): number {
  const rows = undropped(db, ids);
  for (const row of rows) {
    db.run("UPDATE quarantine SET dropped = 1, payload = NULL WHERE id = ?", row.id);
    if (row.destination !== null) recordDropped(db, row, row.destination);
  }
  return rows.length;
}

/** As long as another piece of it may still be delivered, what became of the part is open. */
function recordDropped(db: Database, row: EntryRow, destination: number): void {
  db.run(
    `UPDATE outcomes SET outcome = ?1 WHERE run = ?2 AND part = ?3 AND destination = ?4 AND outcome = 'quarantined'
       AND NOT EXISTS (SELECT 1 FROM deliveries WHERE run = ?2 AND part = ?3 AND destination = ?4)
       AND NOT EXISTS (SELECT 1 FROM quarantine WHERE run_id = ?5 AND created = ?6 AND source = ?7 AND part = ?3 AND destination = ?4
         AND dropped IS NULL)`,
    DROPPED,
    findRun(db, row.source, keyOf({ id: row.run_id, created: row.created }))?.run ?? null,
    row.part,
    destination,
    row.run_id,
    row.created,
    row.source,
  );
}
