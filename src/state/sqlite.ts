import { commitPage } from "./sqlite-commit.ts";
import type { Database } from "./sqlite-database.ts";
import { allDestinations, destinationState, findDestination, setPaused, syncDestinations } from "./sqlite-destinations.ts";
import { readEvents } from "./sqlite-events.ts";
import { openForReading, openForWork } from "./sqlite-file.ts";
import { addJob, jobs, updateJob } from "./sqlite-jobs.ts";
import { maintain } from "./sqlite-maintain.ts";
import { fetchDamagedAgain, queued, settle } from "./sqlite-outbox.ts";
import { dropQuarantined, quarantined, quarantinedBytes, requeue } from "./sqlite-quarantine.ts";
import { refetch } from "./sqlite-refetch.ts";
import { dueRuns, findMarks, findRuns, findRunsById, hasten, nextDue, traceSize, watched } from "./sqlite-runs.ts";
import { readSource } from "./sqlite-sources.ts";
import { outcomes, size, status } from "./sqlite-status.ts";
import type { Store } from "./store.ts";

export interface StoreOptions {
  /** For when something was queued or quarantined. */
  readonly now?: () => number;
  /** What the user should know: a file that was moved aside, payloads that were damaged. */
  readonly log?: (event: string, details: object) => void;
  /** For a command beside the worker that only looks. */
  readonly readOnly?: boolean;
  /** For a command beside the worker that leaves a job: it writes, but never checks, migrates or moves the file. */
  readonly guest?: boolean;
  /** For a worker that is to tell what is missing: runs that nobody accounts for are not fetched again on the way. */
  readonly asFound?: boolean;
}

/**
 * The store in a SQLite file. As the worker (neither `readOnly` nor `guest`; it holds the lock of lock.ts) it makes
 * the file (0600, in a directory 0700), checks it, and where it is damaged moves it aside and salvages what it can.
 *
 * @throws StoreError `missing` for a reader or guest without a file, `readonly`, `full`, `busy`; `other` for a file of a newer version
 */
export async function openStore(path: string, options: StoreOptions = {}): Promise<Store> {
  const { now = Date.now, log = () => undefined, readOnly = false, guest = false, asFound = false } = options;
  const db = readOnly || guest ? openForReading(path, readOnly) : openForWork(path, asFound, now, log);
  return createStore(db, now, log);
}

/** The store over an open database of the current schema. */
export function createStore(db: Database, now: () => number, log: NonNullable<StoreOptions["log"]>): Store {
  return { ...sourceMethods(db, now), ...deliveryMethods(db, now, log), ...quarantineMethods(db), ...jobMethods(db), ...wholeMethods(db) };
}

function sourceMethods(db: Database, now: () => number) {
  return {
    readSource: async (source) => db.read(() => readSource(db, source)),
    findRuns: async (source, keys) => (keys.length === 0 ? [] : db.read(() => findRuns(db, source, keys))),
    findRunsById: async (runId) => db.read(() => findRunsById(db, runId)),
    dueRuns: async (source, until, limit) => db.read(() => dueRuns(db, source, until, limit)),
    nextDue: async (source) => db.read(() => nextDue(db, source)),
    hasten: async (source, reason, dueAt, limit = -1) => db.write(() => hasten(db, source, reason, dueAt, limit)),
    watched: async (source) => db.read(() => watched(db, source)),
    findMarks: async (source, words) => db.read(() => findMarks(db, source, words)),
    traceSize: async (traceId) => db.read(() => traceSize(db, traceId)),
    readEvents: async (source, keys) => db.read(() => readEvents(db, source, keys)),
    outcomes: async (source, keys) => (keys.length === 0 ? [] : db.read(() => outcomes(db, source, keys))),
    commit: async (page) => db.write(() => commitPage(db, page, now())),
  } satisfies Partial<Store>;
}

function deliveryMethods(db: Database, now: () => number, log: NonNullable<StoreOptions["log"]>) {
  return {
    syncDestinations: async (names, at) => db.write(() => syncDestinations(db, names, at)),
    destinations: async () => db.read(() => allDestinations(db).map(destinationState)),
    setPaused: async (destination, paused) => db.write(() => setPaused(db, destination, paused)),
    async queued(destination, encoding, after, maxBytes) {
      const { deliveries, damaged } = db.read(() => queued(db, destination, encoding, after, maxBytes));
      if (damaged.length === 0) return deliveries;
      db.write(() => fetchDamagedAgain(db, damaged, now()));
      log("state.payload_damaged", { destination, runs: damaged.map((row) => row.run_id) });
      return deliveries;
    },
    async settle(destination, settlements, at) {
      const row = db.read(() => findDestination(db, destination));
      if (row !== undefined) db.write(() => settle(db, row.destination, settlements, at));
    },
  } satisfies Partial<Store>;
}

function quarantineMethods(db: Database) {
  return {
    quarantined: async (filter) => db.read(() => quarantined(db, filter)),
    quarantinedBytes: async (id) => db.read(() => quarantinedBytes(db, id)),
    requeue: async (ids, at) => db.write(() => requeue(db, ids, at)),
    dropQuarantined: async (ids) => db.write(() => dropQuarantined(db, ids)),
    refetch: async (source, keys, everything, dueAt) => db.write(() => refetch(db, source, keys, everything, dueAt)),
  } satisfies Partial<Store>;
}

function jobMethods(db: Database) {
  return {
    addJob: async (kind, args, at) => db.write(() => addJob(db, kind, args, at)),
    jobs: async (at) => db.read(() => jobs(db, at)),
    updateJob: async (id, change) => db.write(() => updateJob(db, id, change)),
  } satisfies Partial<Store>;
}

function wholeMethods(db: Database) {
  return {
    maintain: (input) => maintain(db, input),
    status: async (now) => db.read(() => status(db, now)),
    size: async () => db.read(() => size(db)),
    close: async () => db.close(),
  } satisfies Partial<Store>;
}
