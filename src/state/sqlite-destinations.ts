import { crc32 } from "node:zlib";
import type { Millis } from "../model/run.ts";
import type { Database } from "./sqlite-database.ts";
import { type DestinationState, StoreError } from "./store.ts";

/** Destinations by their number, and what the configuration says of them. */

export interface DestinationRow {
  readonly destination: number;
  readonly name: string;
  readonly name_crc: number | null;
  readonly since: Millis;
  readonly removed_at: Millis | null;
  /** 1 once the queue of a removed one became excluded: if it comes back, it starts anew. */
  readonly ended: number;
  readonly paused: string | null;
  readonly paused_since: Millis | null;
  readonly queued: number;
  readonly queued_bytes: number;
}

export function findDestination(db: Database, name: string): DestinationRow | undefined {
  return db.get<DestinationRow>("SELECT * FROM destinations WHERE name = ?", name);
}

/** @throws StoreError `corrupt` where a name is damaged: its queue would belong to nobody */
export function allDestinations(db: Database): DestinationRow[] {
  const rows = db.all<DestinationRow>("SELECT * FROM destinations ORDER BY destination");
  for (const row of rows) if (!isNamed(row)) throw new StoreError("corrupt", `the name of destination ${row.destination} is damaged`);
  return rows;
}

export const isNamed = ({ name, name_crc }: Pick<DestinationRow, "name" | "name_crc">): boolean =>
  name_crc === null || crc32(name) === name_crc;

export function destinationState(row: DestinationRow): DestinationState {
  return {
    name: row.name,
    since: row.since,
    ...(row.removed_at !== null && { removedAt: row.removed_at }),
    ...(row.paused !== null && row.paused_since !== null && { paused: { reason: row.paused, since: row.paused_since } }),
  };
}

export function syncDestinations(db: Database, names: readonly string[], now: Millis): void {
  for (const name of names) {
    db.run(
      `INSERT INTO destinations (name, name_crc, since) VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET
         since = CASE WHEN ended THEN excluded.since ELSE since END, removed_at = NULL, ended = 0`,
      name,
      crc32(name),
      now,
    );
  }
  const sql = "UPDATE destinations SET removed_at = ? WHERE removed_at IS NULL AND name NOT IN (SELECT value FROM json_each(?))";
  db.run(sql, now, JSON.stringify(names));
}

export function setPaused(db: Database, name: string, paused: DestinationState["paused"]): void {
  db.run("UPDATE destinations SET paused = ?, paused_since = ? WHERE name = ?", paused?.reason ?? null, paused?.since ?? null, name);
}
