import { crc32 } from "node:zlib";
import type { Millis, RunKey } from "../model/run.ts";
import type { WatchSummary } from "./report.ts";
import { idHash, originalId, storedId } from "./run-id.ts";
import type { Database } from "./sqlite-database.ts";
import { findSource } from "./sqlite-sources.ts";
import { MARKS_PER_WORD, type Mark, type RunPhase, type RunRecord, type TraceSize, type Watch, type WatchedRun } from "./store.ts";

/** Identities and what is asked for again: look-ups. Writing them is sqlite-commit.ts. */

/** Stored as their position here; from `collected` on an identity may expire (the index `runs_by_end` knows that). */
const PHASES: readonly RunPhase[] = ["open", "waiting", "collected", "done", "gone"];

export const phaseNumber = (phase: RunPhase): number => PHASES.indexOf(phase);
export const phaseName = (phase: number): RunPhase => PHASES[phase] ?? "open";

export interface RunRow {
  readonly run: number;
  readonly source: number;
  readonly id: string;
  readonly created: Millis;
  readonly phase: number;
  readonly parts: number;
  readonly ended: Millis | null;
  readonly placement: string | null;
  readonly placement_crc: number | null;
  readonly events_lost: number | null;
  readonly failures: string | null;
}

interface WatchRow {
  readonly due: Millis;
  readonly reason: Watch["reason"];
  readonly polls: number;
  readonly absent_count: number | null;
  readonly absent_since: Millis | null;
  readonly refused: string | null;
}

export const keyOf = (row: { readonly id: string; readonly created: Millis }): RunKey => ({
  id: originalId(row.id),
  createdAt: row.created,
});

/** What is done is not watched: a row that says both is damaged. Its run is followed and collected; what it had before comes no second time. */
const PHASE = `iif(runs.phase = ${phaseNumber("done")} AND EXISTS (SELECT 1 FROM watches AS w WHERE w.run = runs.run), ${phaseNumber("waiting")}, runs.phase) AS phase`;

export function findRun(db: Database, source: number, key: RunKey): RunRow | undefined {
  const id = storedId(key.id);
  return db.get<RunRow>(
    `SELECT runs.*, ${PHASE} FROM runs WHERE id_crc = ? AND created = ? AND id = ? AND source = ?`,
    idHash(id),
    key.createdAt,
    id,
    source,
  );
}

export function findRuns(db: Database, sourceName: string, keys: readonly RunKey[]): (RunRecord | undefined)[] {
  const source = findSource(db, sourceName);
  return keys.map((key) => {
    const row = source === undefined ? undefined : findRun(db, source, key);
    return row && recordOf(db, sourceName, row);
  });
}

export function findRunsById(db: Database, runId: string): RunRecord[] {
  const id = storedId(runId);
  const rows = db.all<RunRow & { name: string }>(
    `SELECT runs.*, ${PHASE}, name FROM runs JOIN sources USING (source) WHERE id_crc = ? AND id = ? ORDER BY created DESC, run`,
    idHash(id),
    id,
  );
  return rows.map((row) => recordOf(db, row.name, row));
}

function recordOf(db: Database, source: string, row: RunRow): RunRecord {
  const watch = db.get<WatchRow>("SELECT * FROM watches WHERE run = ?", row.run);
  const placement = placementOf(row);
  return {
    source,
    key: keyOf(row),
    phase: phaseName(row.phase),
    ...(row.ended !== null && { endedAt: row.ended }),
    ...(placement !== undefined && { placement }),
    parts: partsOf(row.parts),
    ...(row.failures !== null && { failures: failuresOf(row) }),
    ...(watch && { watch: watchOf(watch) }),
  };
}

/** One that was damaged on the disk is as good as never decided: deciding it again gives the same, taking it as it is a wrong trace. */
export function placementOf({ placement, placement_crc }: RunRow): string | undefined {
  return placement === null || !isIntact(placement, placement_crc) ? undefined : placement;
}

const isIntact = (text: string, crc: number | null): boolean => crc === null || crc32(text) === crc;

export function failuresOf({ failures }: RunRow): string[] {
  return failures?.split(" ") ?? [];
}

/** `parts` is a bit per part. */
function partsOf(bits: number): number[] {
  const parts: number[] = [];
  for (let part = 0; bits >> part !== 0; part += 1) if ((bits >> part) & 1) parts.push(part);
  return parts;
}

function watchOf(row: WatchRow): Watch {
  return {
    reason: row.reason,
    dueAt: row.due,
    polls: row.polls,
    ...(row.absent_count !== null && row.absent_since !== null && { absent: { count: row.absent_count, since: row.absent_since } }),
    ...(row.refused !== null && { refused: row.refused }),
  };
}

export function setWatch(db: Database, source: number, run: number, watch: Watch | undefined): void {
  if (watch === undefined) {
    db.run("DELETE FROM watches WHERE run = ?", run);
    return;
  }
  const { reason, dueAt, polls, absent, refused } = watch;
  db.run(
    "INSERT OR REPLACE INTO watches (run, source, due, reason, polls, absent_count, absent_since, refused) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    run,
    source,
    dueAt,
    reason,
    polls,
    absent?.count ?? null,
    absent?.since ?? null,
    refused ?? null,
  );
}

export function dueRuns(db: Database, source: string, now: Millis, limit: number): WatchedRun[] {
  const rows = db.all<RunRow & WatchRow>(
    `SELECT *, ${PHASE} FROM watches JOIN runs USING (run)
     WHERE watches.source = (SELECT source FROM sources WHERE name = ?) AND due <= ? ORDER BY due, run LIMIT ?`,
    source,
    now,
    limit,
  );
  return rows.map((row) => ({ key: keyOf(row), phase: phaseName(row.phase), watch: watchOf(row) }));
}

export function nextDue(db: Database, source: string): Millis | undefined {
  const sql = "SELECT min(due) AS due FROM watches WHERE source = (SELECT source FROM sources WHERE name = ?)";
  return db.get<{ due: Millis | null }>(sql, source)?.due ?? undefined;
}

export function hasten(db: Database, source: string, reason: Watch["reason"], dueAt: Millis, limit: number): void {
  const later = "SELECT run FROM watches WHERE source = (SELECT source FROM sources WHERE name = ?2) AND reason = ?3 AND due > ?1";
  db.run(`UPDATE watches SET due = ?1 WHERE run IN (${later} ORDER BY due LIMIT ?4)`, dueAt, source, reason, limit);
}

export function watched(db: Database, source: string): WatchSummary[] {
  return db.all<WatchSummary>(
    `SELECT reason, count(*) AS count, min(created) AS oldestCreatedAt, min(coalesce(ended, created)) AS oldestEndedAt
     FROM watches JOIN runs USING (run)
     WHERE watches.source = (SELECT source FROM sources WHERE name = ?) GROUP BY reason ORDER BY reason`,
    source,
  );
}

export function traceSize(db: Database, traceId: string): TraceSize {
  const row = db.get<{ spans: number; bytes: number; kept_by: string }>(
    "SELECT spans, bytes, kept_by FROM trees WHERE trace_id = ?",
    traceId,
  );
  return row === undefined ? { spans: 0, bytes: 0, keptBy: [] } : { spans: row.spans, bytes: row.bytes, keptBy: JSON.parse(row.kept_by) };
}

export function findMarks(db: Database, sourceName: string, words: readonly string[]): Mark[] {
  const source = findSource(db, sourceName);
  if (source === undefined) return [];
  const sql =
    "SELECT id, created, trace_id, span_id, crc FROM marks WHERE word = ? AND source = ? ORDER BY created DESC, id, span_id LIMIT ?";
  return words.flatMap((word) =>
    db
      .all<{ id: string; created: Millis; trace_id: string; span_id: string; crc: number | null }>(sql, word, source, MARKS_PER_WORD)
      .filter((row) => isIntact(`${row.trace_id}${row.span_id}`, row.crc))
      .map((row) => ({ word, key: keyOf(row), traceId: row.trace_id, spanId: row.span_id })),
  );
}
