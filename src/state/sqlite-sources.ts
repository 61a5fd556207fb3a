import { crc32 } from "node:zlib";
import type { SourceState } from "./source-state.ts";
import type { Database } from "./sqlite-database.ts";
import { StoreError } from "./store.ts";

/** Sources by their number, their state, and the counters of sources and destinations. */

interface SourceRow {
  readonly source: number;
  readonly name: string;
  readonly state: string | null;
  readonly state_crc: number | null;
}

export function findSource(db: Database, name: string): number | undefined {
  return db.get<{ source: number }>("SELECT source FROM sources WHERE name = ?", name)?.source;
}

export function ensureSource(db: Database, name: string): number {
  return findSource(db, name) ?? db.run("INSERT INTO sources (name) VALUES (?)", name).id;
}

export function allSources(db: Database): { source: number; name: string; state?: SourceState }[] {
  return db.all<SourceRow>("SELECT * FROM sources ORDER BY source").map((row) => {
    const state = stateOf(row);
    return { source: row.source, name: row.name, ...(state && { state }) };
  });
}

export function readSource(db: Database, name: string): SourceState | undefined {
  const row = db.get<SourceRow>("SELECT * FROM sources WHERE name = ?", name);
  return row && stateOf(row);
}

/** A flipped bit in a watermark would skip runs silently: hence the check sum. */
function stateOf(row: SourceRow): SourceState | undefined {
  if (row.state === null) return undefined;
  if (crc32(row.state) !== row.state_crc) throw new StoreError("corrupt", `the state of source ${row.name} is damaged`);
  return JSON.parse(row.state) as SourceState;
}

export function saveSource(db: Database, source: number, state: SourceState): void {
  const text = JSON.stringify(state);
  db.run("UPDATE sources SET state = ?, state_crc = ? WHERE source = ?", text, crc32(text), source);
}

/** Whose counters: a source's or a destination's. */
export type Owner = `source ${number}` | `destination ${number}`;

export function addCounts(db: Database, owner: Owner, counts: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(counts)) {
    if (value === 0) continue;
    db.run(
      "INSERT INTO counters VALUES (?, ?, ?) ON CONFLICT (owner, name) DO UPDATE SET value = value + excluded.value",
      owner,
      name,
      value,
    );
  }
}

export function readCounts(db: Database, owner: Owner): Record<string, number> {
  const rows = db.all<{ name: string; value: number }>("SELECT name, value FROM counters WHERE owner = ? ORDER BY name", owner);
  return Object.fromEntries(rows.map((row) => [row.name, row.value]));
}
