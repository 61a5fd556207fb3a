import type { Millis } from "../model/run.ts";
import type { Job, JobKind } from "./job.ts";
import type { Database } from "./sqlite-database.ts";

/** Work that other commands leave for the holder of the worker's role. */

interface JobRow {
  readonly id: number;
  readonly kind: JobKind;
  readonly args: string;
  readonly created_at: Millis;
  readonly started_at: Millis | null;
  readonly finished_at: Millis | null;
  readonly progress: string | null;
  readonly exit_code: number | null;
}

const SHOWN_AFTER_END_MS = 86_400_000;

export function addJob(db: Database, kind: JobKind, args: Readonly<Record<string, unknown>>, now: Millis): number {
  return db.run("INSERT INTO jobs (kind, args, created_at) VALUES (?, ?, ?)", kind, JSON.stringify(args), now).id;
}

export function jobs(db: Database, now: Millis): Job[] {
  const sql = "SELECT * FROM jobs WHERE finished_at IS NULL OR finished_at >= ? ORDER BY id";
  return db.all<JobRow>(sql, now - SHOWN_AFTER_END_MS).map(jobOf);
}

function jobOf(row: JobRow): Job {
  return {
    id: row.id,
    kind: row.kind,
    args: JSON.parse(row.args) as Job["args"],
    createdAt: row.created_at,
    ...(row.started_at !== null && { startedAt: row.started_at }),
    ...(row.finished_at !== null && { finishedAt: row.finished_at }),
    ...(row.progress !== null && { progress: JSON.parse(row.progress) as NonNullable<Job["progress"]> }),
    ...(row.exit_code !== null && { exitCode: row.exit_code }),
  };
}

export function updateJob(
  db: Database,
  id: number,
  change: Partial<Pick<Job, "startedAt" | "finishedAt" | "progress" | "exitCode">>,
): void {
  db.run(
    `UPDATE jobs SET started_at = coalesce(?, started_at), finished_at = coalesce(?, finished_at),
       progress = coalesce(?, progress), exit_code = coalesce(?, exit_code) WHERE id = ?`,
    change.startedAt ?? null,
    change.finishedAt ?? null,
    change.progress ? JSON.stringify(change.progress) : null,
    change.exitCode ?? null,
    id,
  );
}

export function forgetJobs(db: Database, now: Millis): void {
  db.run("DELETE FROM jobs WHERE finished_at < ?", now - SHOWN_AFTER_END_MS);
}
