import { type Database, openDatabase } from "./sqlite-database.ts";
import { StoreError } from "./store.ts";
import { EVENT_ROW_BYTES } from "./stored-event.ts";

/**
 * The tables, as steps: step n takes a file from `user_version` n to n + 1. A step that was released is
 * never edited; a change is a new step.
 *
 * - An identity is one row of `runs` (with two narrow indexes) and one of `outcomes` per destination. Run
 *   ids stand in `runs` only; the index has their CRC-32 instead, and a look-up compares the id itself.
 * - A part's bytes lie once per encoding in `payloads` and its `chunks`; `deliveries` has only what is
 *   queued. AUTOINCREMENT: an id is never used again, so a late second settlement meets nothing.
 * - Events of the message log wait in `events`, once each. `runs.events_lost` is set where those of a run had to go.
 * - A quarantine entry that the user dropped stays without its bytes, `dropped` set: what it stands for was not delivered.
 * - `runs.placement_crc` and `marks.crc` are of the texts that end up in spans, `destinations.name_crc` of what ties a queue
 *   to the configuration. Rows of older versions have none and are taken as they are.
 * - `runs.failures` are the words for the messages of its failure functions, with spaces between them.
 * - What `status` and back-pressure ask for often (queue lengths, bytes) is kept up to date by triggers.
 */
const STEPS: readonly string[] = [
  `
CREATE TABLE sources (source INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, state TEXT, state_crc INTEGER) STRICT;
CREATE TABLE destinations (
  destination INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, since INTEGER NOT NULL, removed_at INTEGER,
  ended INTEGER NOT NULL DEFAULT 0, paused TEXT, paused_since INTEGER,
  queued INTEGER NOT NULL DEFAULT 0, queued_bytes INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE counters (owner TEXT NOT NULL, name TEXT NOT NULL, value INTEGER NOT NULL, PRIMARY KEY (owner, name)) STRICT, WITHOUT ROWID;
CREATE TABLE totals (payload_bytes INTEGER NOT NULL, quarantine_bytes INTEGER NOT NULL) STRICT;
INSERT INTO totals VALUES (0, 0);

CREATE TABLE runs (
  run INTEGER PRIMARY KEY, source INTEGER NOT NULL, id TEXT NOT NULL, id_crc INTEGER NOT NULL, created INTEGER NOT NULL,
  phase INTEGER NOT NULL, parts INTEGER NOT NULL, ended INTEGER, placement TEXT
) STRICT;
CREATE INDEX runs_by_id ON runs (id_crc, created);
CREATE INDEX runs_by_end ON runs (source, coalesce(ended, created)) WHERE phase >= 2;
CREATE TABLE outcomes (
  run INTEGER NOT NULL, part INTEGER NOT NULL, destination INTEGER NOT NULL, outcome TEXT NOT NULL,
  PRIMARY KEY (run, part, destination)
) STRICT, WITHOUT ROWID;
CREATE TABLE watches (
  run INTEGER PRIMARY KEY, source INTEGER NOT NULL, due INTEGER NOT NULL, reason TEXT NOT NULL, polls INTEGER NOT NULL,
  absent_count INTEGER, absent_since INTEGER, refused TEXT
) STRICT;
CREATE INDEX watches_by_due ON watches (source, due);
CREATE TABLE trees (
  trace_id TEXT PRIMARY KEY, source INTEGER NOT NULL, spans INTEGER NOT NULL, bytes INTEGER NOT NULL,
  kept_by TEXT NOT NULL, seen INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE marks (
  word TEXT NOT NULL, source INTEGER NOT NULL, id TEXT NOT NULL, created INTEGER NOT NULL, trace_id TEXT NOT NULL, span_id TEXT NOT NULL,
  seen INTEGER NOT NULL, PRIMARY KEY (word, source, created, id, span_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE payloads (
  payload INTEGER PRIMARY KEY, run INTEGER NOT NULL, part INTEGER, encoding TEXT NOT NULL, spans INTEGER NOT NULL, bytes INTEGER NOT NULL
) STRICT;
CREATE INDEX payloads_by_part ON payloads (run, part);
CREATE TABLE chunks (
  payload INTEGER NOT NULL, seq INTEGER NOT NULL, spans INTEGER NOT NULL, crc INTEGER NOT NULL, bytes BLOB NOT NULL
) STRICT;
CREATE INDEX chunks_by_payload ON chunks (payload, seq);
CREATE TABLE deliveries (
  id INTEGER PRIMARY KEY AUTOINCREMENT, destination INTEGER NOT NULL, run INTEGER NOT NULL, part INTEGER NOT NULL,
  payload INTEGER NOT NULL, bytes INTEGER NOT NULL, spans INTEGER NOT NULL,
  first_end INTEGER NOT NULL, last_end INTEGER NOT NULL, queued_at INTEGER NOT NULL
) STRICT;
CREATE INDEX deliveries_by_destination ON deliveries (destination);
CREATE INDEX deliveries_by_run ON deliveries (run);
CREATE INDEX deliveries_by_payload ON deliveries (payload);

CREATE TABLE quarantine (
  id INTEGER PRIMARY KEY AUTOINCREMENT, source INTEGER NOT NULL, run_id TEXT NOT NULL, created INTEGER NOT NULL, part INTEGER NOT NULL,
  destination INTEGER, reason TEXT NOT NULL, status INTEGER, message TEXT NOT NULL, encoding TEXT, spans INTEGER NOT NULL,
  bytes INTEGER NOT NULL, first_end INTEGER, last_end INTEGER, at INTEGER NOT NULL, crc INTEGER, payload BLOB
) STRICT;
CREATE INDEX quarantine_by_run ON quarantine (run_id, created);
CREATE INDEX quarantine_by_destination ON quarantine (destination);
CREATE INDEX quarantine_with_bytes ON quarantine (at) WHERE payload IS NOT NULL;
CREATE TABLE jobs (
  id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, args TEXT NOT NULL, created_at INTEGER NOT NULL,
  started_at INTEGER, finished_at INTEGER, progress TEXT, exit_code INTEGER
) STRICT;

CREATE TRIGGER delivery_queued AFTER INSERT ON deliveries BEGIN
  UPDATE destinations SET queued = queued + 1, queued_bytes = queued_bytes + NEW.bytes WHERE destination = NEW.destination;
END;
CREATE TRIGGER delivery_settled AFTER DELETE ON deliveries BEGIN
  UPDATE destinations SET queued = queued - 1, queued_bytes = queued_bytes - OLD.bytes WHERE destination = OLD.destination;
END;
CREATE TRIGGER payload_added AFTER INSERT ON payloads BEGIN
  UPDATE totals SET payload_bytes = payload_bytes + NEW.bytes;
END;
CREATE TRIGGER payload_removed AFTER DELETE ON payloads BEGIN
  DELETE FROM chunks WHERE payload = OLD.payload;
  UPDATE totals SET payload_bytes = payload_bytes - OLD.bytes;
END;
CREATE TRIGGER quarantine_added AFTER INSERT ON quarantine WHEN NEW.payload IS NOT NULL BEGIN
  UPDATE totals SET quarantine_bytes = quarantine_bytes + NEW.bytes;
END;
CREATE TRIGGER quarantine_removed AFTER DELETE ON quarantine WHEN OLD.payload IS NOT NULL BEGIN
  UPDATE totals SET quarantine_bytes = quarantine_bytes - OLD.bytes;
END;
CREATE TRIGGER quarantine_trimmed AFTER UPDATE OF payload ON quarantine WHEN OLD.payload IS NOT NULL AND NEW.payload IS NULL BEGIN
  UPDATE totals SET quarantine_bytes = quarantine_bytes - OLD.bytes;
END;
`,
  `
CREATE TABLE events (
  created INTEGER NOT NULL, run INTEGER NOT NULL, event TEXT NOT NULL, crc INTEGER NOT NULL, PRIMARY KEY (created, run, event)
) STRICT, WITHOUT ROWID;
ALTER TABLE totals ADD COLUMN event_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN events_lost INTEGER;
CREATE TRIGGER event_added AFTER INSERT ON events BEGIN
  UPDATE totals SET event_bytes = event_bytes + octet_length(NEW.event) + ${EVENT_ROW_BYTES};
END;
CREATE TRIGGER event_removed AFTER DELETE ON events BEGIN
  UPDATE totals SET event_bytes = event_bytes - octet_length(OLD.event) - ${EVENT_ROW_BYTES};
END;
`,
  "ALTER TABLE quarantine ADD COLUMN dropped INTEGER;",
  "ALTER TABLE runs ADD COLUMN failures TEXT;",
  `
ALTER TABLE runs ADD COLUMN placement_crc INTEGER;
ALTER TABLE marks ADD COLUMN crc INTEGER;
ALTER TABLE destinations ADD COLUMN name_crc INTEGER;
`,
];

/** "wfot": tells our files from anybody else's. */
export const APPLICATION_ID = 0x77666f74;

const SCHEMA_VERSION = STEPS.length;

function schemaVersion(db: Database): number {
  return db.get<{ user_version: number }>("PRAGMA user_version")?.user_version ?? 0;
}

/** @throws StoreError for a file that a newer version wrote: it is in order, only not for us. */
export function refuseNewer(db: Database, path: string): void {
  const version = schemaVersion(db);
  if (version <= SCHEMA_VERSION) return;
  throw new StoreError(
    "other",
    `${path} was written by a newer version (schema ${version}, this one knows ${SCHEMA_VERSION}): use that version`,
  );
}

/** Brings a file to this version's schema, each step in a transaction of its own. */
export function migrate(db: Database): void {
  for (let version = schemaVersion(db); version < SCHEMA_VERSION; version += 1) {
    db.write(() => {
      db.script(STEPS[version] ?? "");
      db.script(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${version + 1}`);
    });
  }
}

/** Whether the tables are what the steps make, letter by letter. */
export function sameSchema(db: Database): boolean {
  const fresh = openDatabase(":memory:", false);
  migrate(fresh);
  const same = schemaText(fresh) === schemaText(db);
  fresh.close();
  return same;
}

function schemaText(db: Database): string {
  return JSON.stringify(db.all("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name"));
}
