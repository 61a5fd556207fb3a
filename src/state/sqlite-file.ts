import { accessSync, chmodSync, closeSync, constants, existsSync, mkdirSync, openSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { type Database, openDatabase } from "./sqlite-database.ts";
import { allDestinations } from "./sqlite-destinations.ts";
import { fetchUnaccountedAgain, salvage } from "./sqlite-salvage.ts";
import { APPLICATION_ID, migrate, refuseNewer, sameSchema } from "./sqlite-schema.ts";
import { allSources } from "./sqlite-sources.ts";
import { StoreError } from "./store.ts";

/** The file itself: made, checked, and where it is damaged rebuilt from what can still be read. */

/** Below it SQLite takes a file for an empty one. Source: https://sqlite.org/fileformat.html, the smallest page. */
const HEADER_BYTES = 512;

type Log = (event: string, details: object) => void;

/** For commands beside the worker: whatever is there, as it is. */
export function openForReading(path: string, readOnly: boolean): Database {
  if (!existsSync(path)) throw new StoreError("missing", `there is no state at ${path} yet`);
  const db = openDatabase(path, readOnly);
  return closingOnError(db, () => {
    refuseNewer(db, path);
    if (isEmpty(db)) throw new StoreError("missing", `${path} is empty: wfotel run makes it when it starts`);
    if (!isOurs(db)) throw new StoreError("corrupt", NOT_OURS);
  });
}

/** @param asFound runs that nobody accounts for are left to be found by whoever asks */
export function openForWork(path: string, asFound: boolean, now: () => number, log: Log): Database {
  createFile(path);
  try {
    if (existsSync(damagedPath(path))) throw new StoreError("corrupt", "damage was met while it was in use");
    const db = openChecked(path);
    return healing(asFound ? db : accountedFor(db, now, log), path, log);
  } catch (error) {
    if (!(error instanceof StoreError) || !isDamage(error, path)) throw error;
    rebuild(path, error.message, now, log);
    return healing(openChecked(path), path, log);
  }
}

/** SQLite's checks see a damaged tree and no damaged value: a queued run whose number changed is missed here, and only here. */
function accountedFor(db: Database, now: () => number, log: Log): Database {
  return closingOnError(db, () => {
    const runs = db.write(() => fetchUnaccountedAgain(db, [RUN_ITSELF], now()));
    if (runs > 0) log("state.unaccounted", { runs });
  });
}

/** Its failure functions' parts, 1 and on, would take a second per million identities each. */
const RUN_ITSELF = 0;

/**
 * An index that does not match its table (the check at start is not thorough enough to see that for identities: it
 * would take seconds per million) shows when a row is looked up or removed. Made anew from the table, the work succeeds.
 * Where it does not, the next start rebuilds the file: nobody can go on with this one.
 */
function healing(db: Database, path: string, log: Log): Database {
  const healed =
    (transaction: Database["write"]) =>
    <T>(work: () => T): T => {
      try {
        return transaction(work);
      } catch (error) {
        if (!(error instanceof StoreError) || error.kind !== "corrupt") throw error;
        log("state.reindexed", { path, reason: error.message });
        try {
          db.script("REINDEX");
          return transaction(work);
        } catch (again) {
          if (again instanceof StoreError && again.kind === "corrupt") closeSync(openSync(damagedPath(path), "w", 0o600));
          throw again;
        }
      }
    };
  return { ...db, write: healed(db.write), read: healed(db.read) };
}

/** A directory that is made is private; one that exists is left as it is. SQLite gives -wal and -shm the file's mode. */
function createFile(path: string): void {
  try {
    makeFolder(dirname(path));
    if (existsSync(rebuiltPath(path))) swapIn(path);
    // never open a file that exists: closing it would take away SQLite's locks on it in this process
    if (!existsSync(path)) closeSync(openSync(path, "wx", 0o600));
    for (const file of [path, `${path}-wal`, `${path}-shm`]) if (existsSync(file)) chmodSync(file, 0o600);
  } catch (error) {
    throw fileError(error, path);
  }
}

/**
 * Private, with those above it; one that exists is left as it is. Not `recursive`: Node.js 24 asks for ever for a folder
 * in /proc, where none can be made.
 */
export function makeFolder(path: string): void {
  if (isFolder(path)) return;
  makeFolder(dirname(path));
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if (!isFolder(path)) throw error; // another process may have made it meanwhile
  }
}

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;

/** A file system's error as a `StoreError` that names the path. */
export function fileError(error: unknown, path: string): unknown {
  if (!(error instanceof Error) || !("code" in error)) return error;
  const { code } = error;
  const kind =
    code === "EACCES" || code === "EROFS" || code === "EPERM" ? "readonly" : code === "ENOSPC" || code === "EDQUOT" ? "full" : "other";
  return new StoreError(kind, `${path} cannot be written (${code})`);
}

function openChecked(path: string): Database {
  const db = openDatabase(path, false);
  return closingOnError(db, () => {
    check(db, path);
    // NORMAL: a crash of the process loses nothing; a power cut may take the last transactions, each as a whole
    db.script("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = 67108864");
    migrate(db);
    if (!sameSchema(db)) throw new StoreError("corrupt", "its tables are not ours");
    allSources(db);
    allDestinations(db);
    db.run("UPDATE totals SET payload_bytes = payload_bytes"); // a damaged header may forbid to write, and say so only then
  });
}

function closingOnError(db: Database, work: () => void): Database {
  try {
    work();
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/**
 * Tables whose size is that of the queue: their indexes are checked as well, or a queued run might be hidden. And one that
 * has its rows in its only index, of which the quick check does not see that they are in order.
 */
const CHECKED_WHOLE = ["outcomes", "deliveries", "payloads", "chunks", "watches", "quarantine", "jobs", "sources", "destinations"];

function check(db: Database, path: string): void {
  const { size } = statSync(path);
  if (size > 0 && size < HEADER_BYTES) throw new StoreError("corrupt", "it is shorter than a header");
  if (isEmpty(db)) return;
  if (!isOurs(db)) throw new StoreError("corrupt", NOT_OURS);
  refuseNewer(db, path);
  for (const pragma of ["quick_check(5)", ...CHECKED_WHOLE.map((table) => `integrity_check(${table})`)]) {
    const problems = db.all<Record<string, string>>(`PRAGMA ${pragma}`).flatMap((row) => Object.values(row));
    if (problems[0] !== "ok") throw new StoreError("corrupt", problems.slice(0, 5).join("; "));
  }
}

const NOT_OURS = "it is not a state file of this program";

function isEmpty(db: Database): boolean {
  return db.get<{ tables: number }>("SELECT count(*) AS tables FROM sqlite_schema")?.tables === 0;
}

function isOurs(db: Database): boolean {
  return db.get<{ application_id: number }>("PRAGMA application_id")?.application_id === APPLICATION_ID;
}

/** `readonly` although the file system lets us write: the header's version bytes are damaged. */
function isDamage(error: StoreError, path: string): boolean {
  return error.kind === "corrupt" || (error.kind === "readonly" && isWritable(path));
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    accessSync(dirname(path), constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

const rebuiltPath = (path: string): string => `${path}.rebuilt`;

/** An empty file beside it: the check at start does not see what is wrong. */
const damagedPath = (path: string): string => `${path}.damaged`;

/** The new file gets its name only when it is complete; a kill at any moment leaves either file to go on with. */
function rebuild(path: string, reason: string, now: () => number, log: Log): void {
  const unfinished = `${path}.rebuilding`;
  for (const file of [unfinished, `${unfinished}-wal`, `${unfinished}-shm`]) rmSync(file, { force: true });
  createFile(unfinished);
  const fresh = openChecked(unfinished);
  const kept = salvage(path, fresh, now());
  fresh.close();
  renameSync(unfinished, rebuiltPath(path));
  log("state.moved_aside", { path, aside: swapIn(path), reason, kept });
}

/** The old -wal goes first: beside the new file it would be taken for that one's. */
function swapIn(path: string): string {
  let n = 1;
  while (existsSync(`${path}.corrupt-${n}`)) n += 1;
  const aside = `${path}.corrupt-${n}`;
  if (existsSync(`${path}-wal`)) renameSync(`${path}-wal`, `${aside}-wal`);
  rmSync(`${path}-shm`, { force: true });
  if (existsSync(path)) renameSync(path, aside);
  renameSync(rebuiltPath(path), path);
  rmSync(damagedPath(path), { force: true });
  return aside;
}
