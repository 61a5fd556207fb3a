import type { SQLInputValue } from "node:sqlite";
import { crc32 } from "node:zlib";
import { isOutcome, OUTCOMES } from "./outcome.ts";
import { idHash } from "./run-id.ts";
import type { SourceState } from "./source-state.ts";
import { type Database, openDatabase } from "./sqlite-database.ts";
import { isNamed } from "./sqlite-destinations.ts";
import { fetchPartAgain, fetchRunAgain } from "./sqlite-refetch.ts";
import { phaseNumber } from "./sqlite-runs.ts";
import { MAX_PART, StoreError } from "./store.ts";

/**
 * What can still be read of a damaged file, into a fresh one. Two things matter: a run must not count as
 * delivered or queued when it is not (so whatever is doubtful is fetched again), and what was delivered
 * should not be sent again (so identities and outcomes are kept row by row). Everything that reading had
 * reached is forgotten except the epoch: the API is listed once more from there.
 */

type Row = Record<string, SQLInputValue>;

/** Rows that were kept, by table; `lost` names the tables of which some could not be read. */
export interface Salvaged {
  readonly rows: Readonly<Record<string, number>>;
  readonly lost: readonly string[];
}

/**
 * Tables by the key they are read along, in the order they are written. Not `events`: the message log is read from the
 * epoch again as well, and brings them back.
 */
const TABLES: readonly (readonly [string, string])[] = [
  ["sources", "source"],
  ["destinations", "destination"],
  ["runs", "run"],
  ["outcomes", "run"],
  ["watches", "run"],
  ["payloads", "payload"],
  ["chunks", "rowid"],
  ["deliveries", "id"],
  ["quarantine", "id"],
  ["jobs", "id"],
  ["counters", "owner"],
  ["trees", "trace_id"],
  ["marks", "word"],
];

/** Keys that are text: which one comes behind a damaged page cannot be counted. */
const TEXT_KEYS: ReadonlySet<string> = new Set(["owner", "trace_id", "word"]);

/** @param fresh an empty file of the current schema */
export function salvage(path: string, fresh: Database, now: number): Salvaged {
  const rows: Record<string, number> = {};
  const lost: string[] = [];
  const old = openOld(path);
  if (old === undefined) return { rows, lost: TABLES.map(([table]) => table) };
  fresh.write(() => {
    for (const [table, key] of TABLES) {
      const copied = copyTable(old, fresh, table, key);
      rows[table] = copied.rows;
      if (copied.lost) lost.push(table);
    }
    repairSources(fresh);
    repairRuns(fresh, new Set(lost), now);
  });
  old.close();
  return { rows, lost };
}

function openOld(path: string): Database | undefined {
  try {
    const old = openDatabase(path, true, false);
    // lets SQLite read a file that is shorter than its header says
    old.script("PRAGMA writable_schema = ON");
    return old;
  } catch {
    return undefined;
  }
}

function copyTable(old: Database, fresh: Database, table: string, key: string): { rows: number; lost: boolean } {
  const columns = fresh.all<{ name: string }>("SELECT name FROM pragma_table_info(?)", table).map((column) => column.name);
  const insert = `INSERT OR IGNORE INTO ${table} (${columns.join(", ")}) VALUES (${columns.map(() => "?").join(", ")})`;
  let rows = 0;
  let lost = false;
  const keep = (row: Row) => {
    const kept =
      isSound(table, row) && attempt(() => fresh.run(insert, ...columns.map((column) => emptied(table, column, row[column] ?? null))));
    if (kept) rows += 1;
    else lost = true;
  };
  const whole = TEXT_KEYS.has(key) ? readBothEnds(old, table, key, keep) : readPastDamage(old, table, key, keep);
  return { rows, lost: lost || !whole };
}

/** Queue lengths are counted again as the deliveries come in. */
function emptied(table: string, column: string, value: SQLInputValue): SQLInputValue {
  return table === "destinations" && column.startsWith("queued") ? 0 : value;
}

/** Checks what the database cannot: ids by their hash, states by their check sum, text that has to be JSON. */
function isSound(table: string, row: Row): boolean {
  if (table === "runs") return typeof row.id === "string" && idHash(row.id) === row.id_crc && Number(row.phase) <= phaseNumber("gone");
  if (table === "destinations") return typeof row.name === "string" && isNamed({ name: row.name, name_crc: numberOrNull(row.name_crc) });
  if (table === "outcomes") return isOutcome(String(row.outcome));
  if (table === "trees") return attempt(() => JSON.parse(String(row.kept_by)));
  if (table === "jobs") return attempt(() => JSON.parse(String(row.args))) && attempt(() => JSON.parse(String(row.progress ?? null)));
  return true;
}

const numberOrNull = (value: SQLInputValue | undefined): number | null => (typeof value === "number" ? value : null);

function attempt(work: () => unknown): boolean {
  try {
    work();
    return true;
  } catch {
    return false;
  }
}

/**
 * Forward along an integer key; where a page cannot be read, on behind it, in growing steps. Of two rows whose keys do not
 * ascend one has a number that is not its own, and would have what belongs to another: both are left out. True if nothing was skipped.
 */
function readPastDamage(old: Database, table: string, key: string, keep: (row: Row) => void): boolean {
  const sql = `SELECT ${key} AS salvage_key, * FROM ${table} WHERE ${key} > ? ORDER BY ${key}`;
  const least = table === "outcomes" ? 0 : 1; // of one run there may be several
  let last = -1;
  let whole = true;
  let held: Row | undefined;
  for (let step = 1; step < 2 ** 40; step *= 2) {
    try {
      for (const row of old.each<Row>(sql, last)) {
        const ascends = Number(row.salvage_key) >= last + least;
        if (ascends && held !== undefined) keep(held);
        held = ascends ? row : undefined;
        if (!ascends) throw new StoreError("corrupt", "its keys do not ascend"); // nor is it read in a circle
        last = Number(row.salvage_key);
        step = 1;
      }
      if (held !== undefined) keep(held);
      return whole;
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      if (held !== undefined) keep(held);
      held = undefined;
      whole = false;
      last += step;
    }
  }
  return false;
}

/** Along a text key from either end up to the damage. */
function readBothEnds(old: Database, table: string, key: string, keep: (row: Row) => void): boolean {
  for (const order of ["", " DESC"]) {
    try {
      for (const row of old.each<Row>(`SELECT * FROM ${table} ORDER BY ${key}${order}`)) keep(row);
      if (order === "") return true;
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
    }
  }
  return false;
}

/** Of a source's state only what is no position in the log; where even the epoch is gone, the oldest end that is known. */
function repairSources(fresh: Database): void {
  for (const row of fresh.all<{ source: number; state: string | null; state_crc: number | null }>("SELECT * FROM sources")) {
    if (row.state === null) continue;
    const state = crc32(row.state) === row.state_crc ? (JSON.parse(row.state) as SourceState) : undefined;
    const sql = "SELECT min(ended) AS ended FROM runs WHERE source = ?";
    const epoch = state?.epoch ?? fresh.get<{ ended: number | null }>(sql, row.source)?.ended ?? undefined;
    const text =
      epoch === undefined
        ? null
        : JSON.stringify({ epoch, ...(state?.learnedRetentionMs !== undefined && { learnedRetentionMs: state.learnedRetentionMs }) });
    fresh.run("UPDATE sources SET state = ?, state_crc = ? WHERE source = ?", text, text === null ? null : crc32(text), row.source);
  }
}

interface Doubtful {
  readonly source: number;
  readonly run: number;
  readonly part: number;
  readonly destination: number;
}

function repairRuns(fresh: Database, lost: ReadonlySet<string>, now: number): void {
  fresh.run("DELETE FROM runs WHERE source NOT IN (SELECT source FROM sources)");
  for (const table of ["outcomes", "watches", "deliveries", "payloads"])
    fresh.run(`DELETE FROM ${table} WHERE run NOT IN (SELECT run FROM runs)`);
  const withoutBytes = fresh.all<Doubtful>(
    "SELECT source, run, part, destination FROM deliveries JOIN runs USING (run) WHERE payload NOT IN (SELECT payload FROM payloads)",
  );
  fresh.run("DELETE FROM deliveries WHERE payload NOT IN (SELECT payload FROM payloads)");
  for (const { source, run, part, destination } of withoutBytes) fetchPartAgain(fresh, source, run, part, destination, now);
  fetchUnaccountedAgain(fresh, ALL_PARTS, now); // a damaged page can hide rows from SQLite without a word
  if (lost.has("destinations")) forgetDestinations(fresh, now);
  fresh.run("DELETE FROM payloads WHERE payload NOT IN (SELECT payload FROM deliveries)");
  fresh.run("DELETE FROM chunks WHERE payload NOT IN (SELECT payload FROM payloads)");
  if (!lost.has("watches")) return;
  const unwatched = "FROM runs WHERE phase <= 2 AND run NOT IN (SELECT run FROM watches)";
  fresh.run(`INSERT INTO watches (run, source, due, reason, polls) SELECT run, source, ?, 'refetch', 0 ${unwatched}`, now);
}

/** A destination whose name is lost must not hand its outcomes to the next that gets its number: every run is fetched for it again. */
function forgetDestinations(fresh: Database, now: number): void {
  for (const table of ["outcomes", "deliveries"])
    fresh.run(`DELETE FROM ${table} WHERE destination NOT IN (SELECT destination FROM destinations)`);
  for (const { source, run } of fresh.all<{ source: number; run: number }>("SELECT source, run FROM runs WHERE parts <> 0")) {
    fetchRunAgain(fresh, source, run, now);
  }
}

const ALL_PARTS = Array.from({ length: MAX_PART + 1 }, (_, part) => part);

/**
 * Collected, and neither queued nor settled for a destination of its time: a row of it is lost, or its word damaged. A failure function (part 1
 * and on) has no row where its run was excluded.
 * @returns how many were found
 */
export function fetchUnaccountedAgain(db: Database, parts: readonly number[], now: number): number {
  const found = db.all<Doubtful>(
    `SELECT source, run, p.value AS part, destination FROM runs CROSS JOIN destinations AS d CROSS JOIN json_each(?1) AS p
     WHERE parts & (1 << p.value) AND d.removed_at IS NULL
       AND (coalesce(runs.ended, created) >= since OR since = (SELECT min(since) FROM destinations))
       AND NOT EXISTS (SELECT 1 FROM outcomes AS o WHERE o.run = runs.run AND o.destination = d.destination
         AND (o.outcome LIKE 'excluded (%)' AND o.part IN (0, p.value) OR o.outcome IN (SELECT value FROM json_each(?2)) AND o.part = p.value))
       AND NOT EXISTS (SELECT 1 FROM deliveries AS q WHERE q.run = runs.run AND q.part = p.value AND q.destination = d.destination)`,
    JSON.stringify(parts),
    JSON.stringify(OUTCOMES),
  );
  for (const { source, run, part, destination } of found) fetchPartAgain(db, source, run, part, destination, now);
  return found.length;
}
