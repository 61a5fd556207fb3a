import { crc32 } from "node:zlib";
import type { Encoding } from "../destinations/destination.ts";
import type { Millis } from "../model/run.ts";
import { excludedOutcome, mergeOutcome, settledCounts } from "./outcome.ts";
import type { Database } from "./sqlite-database.ts";
import { addToQuarantine } from "./sqlite-quarantine.ts";
import { fetchPartAgain } from "./sqlite-refetch.ts";
import { keyOf } from "./sqlite-runs.ts";
import { addCounts } from "./sqlite-sources.ts";
import type { QueuedDelivery, Settlement, StoredChunk } from "./store.ts";

/** The queue of each destination: what is in it, and what became of it. */

export interface DeliveryRow {
  readonly id: number;
  readonly destination: number;
  readonly run: number;
  readonly part: number;
  readonly payload: number;
  readonly bytes: number;
  readonly spans: number;
  readonly first_end: Millis;
  readonly last_end: Millis;
  readonly queued_at: Millis;
}

interface QueuedRow extends DeliveryRow {
  readonly encoding: Encoding;
  readonly source_name: string;
  readonly source: number;
  readonly run_id: string;
  readonly created: Millis;
  readonly payload_run: number;
}

/** Another payload of the same part, in the encoding asked for; a quarantined piece (part NULL) has none. */
const QUEUED = `
SELECT d.id, d.destination, d.run, d.part, d.first_end, d.last_end, d.queued_at, p.payload, p.encoding, p.bytes, p.spans, own.run AS payload_run,
  s.name AS source_name, r.source, r.id AS run_id, r.created
FROM deliveries AS d
JOIN payloads AS own ON own.payload = d.payload
JOIN payloads AS p ON p.payload = CASE WHEN own.encoding = ?3 THEN own.payload ELSE coalesce(
  (SELECT min(payload) FROM payloads WHERE run = d.run AND part = own.part AND encoding = ?3), own.payload) END
JOIN runs AS r ON r.run = d.run JOIN sources AS s ON s.source = r.source
WHERE d.destination = (SELECT destination FROM destinations WHERE name = ?1) AND d.id > ?2 ORDER BY d.id`;

export interface Queued {
  readonly deliveries: QueuedDelivery[];
  /** Their bytes are not what was stored: to be fetched again. */
  readonly damaged: DamagedDelivery[];
}

export type DamagedDelivery = DeliveryRow & { readonly source: number; readonly source_name: string; readonly run_id: string };

export function queued(db: Database, destination: string, encoding: Encoding, after: number, maxBytes: number): Queued {
  const deliveries: QueuedDelivery[] = [];
  const damaged: DamagedDelivery[] = [];
  let total = 0;
  for (const row of db.each<QueuedRow>(QUEUED, destination, after, encoding)) {
    if (deliveries.length > 0 && total + row.bytes > maxBytes) break;
    const chunks = isSound(row) ? readChunks(db, row.payload, row.bytes) : undefined;
    if (chunks === undefined) {
      damaged.push(row);
      continue;
    }
    total += row.bytes;
    deliveries.push(deliveryOf(row, chunks));
  }
  return { deliveries, damaged };
}

/** The check sum is of the bytes; how they are to be read, and whose they are, is checked by itself. */
const isSound = ({ encoding, run, payload_run }: QueuedRow): boolean =>
  (encoding === "protobuf" || encoding === "json") && run === payload_run;

function readChunks(db: Database, payload: number, bytes: number): StoredChunk[] | undefined {
  const sql = "SELECT spans, crc, bytes FROM chunks WHERE payload = ? ORDER BY seq";
  const rows = db.all<StoredChunk & { crc: number }>(sql, payload);
  const whole = rows.reduce((total, row) => total + row.bytes.length, 0) === bytes;
  return whole && rows.every((row) => crc32(row.bytes) === row.crc)
    ? rows.map((row) => ({ bytes: row.bytes, spans: row.spans }))
    : undefined;
}

function deliveryOf(row: QueuedRow, chunks: StoredChunk[]): QueuedDelivery {
  return {
    id: row.id,
    source: row.source_name,
    key: keyOf({ id: row.run_id, created: row.created }),
    part: row.part,
    encoding: row.encoding,
    chunks,
    bytes: row.bytes,
    spans: row.spans,
    firstEnd: row.first_end,
    lastEnd: row.last_end,
    queuedAt: row.queued_at,
  };
}

export function fetchDamagedAgain(db: Database, damaged: readonly DamagedDelivery[], now: Millis): void {
  for (const { id, source, run, part, destination } of damaged) {
    if (takeOut(db, id, destination) !== undefined) fetchPartAgain(db, source, run, part, destination, now);
  }
}

/** Out of the queue, with its payload if nobody else needs that; undefined where it was settled before. */
function takeOut(db: Database, id: number, destination: number): DeliveryRow | undefined {
  const row = db.get<DeliveryRow>("DELETE FROM deliveries WHERE id = ? AND destination = ? RETURNING *", id, destination);
  if (row === undefined) return undefined;
  db.run("DELETE FROM payloads WHERE payload = ?1 AND NOT EXISTS (SELECT 1 FROM deliveries WHERE payload = ?1)", row.payload);
  return row;
}

export function settle(db: Database, destination: number, settlements: readonly Settlement[], now: Millis): void {
  const counts: Record<string, number> = {};
  for (const settlement of settlements) {
    const row = takeOut(db, settlement.id, destination);
    if (row === undefined) continue;
    for (const piece of settlement.refused ?? []) addToQuarantine(db, row, piece, now);
    const excluded = settlement.outcome === "excluded" && excludedOutcome(settlement.reason ?? "unknown");
    recordOutcome(db, row, excluded || settlement.outcome);
    for (const [name, value] of settledCounts(settlement, row.part)) counts[name] = (counts[name] ?? 0) + value;
  }
  addCounts(db, `destination ${destination}`, counts);
}

function recordOutcome(db: Database, { run, part, destination }: DeliveryRow, outcome: string): void {
  const isFirst = db.run("INSERT OR IGNORE INTO outcomes VALUES (?, ?, ?, ?)", run, part, destination, outcome).changes === 1;
  if (isFirst) return;
  const key = "run = ? AND part = ? AND destination = ?";
  const before = db.get<{ outcome: string }>(`SELECT outcome FROM outcomes WHERE ${key}`, run, part, destination)?.outcome;
  const merged = mergeOutcome(before, outcome, remainingPieces(db, run, part, destination));
  db.run(`UPDATE outcomes SET outcome = ? WHERE ${key}`, merged, run, part, destination);
}

function remainingPieces(db: Database, run: number, part: number, destination: number): number {
  const sql = `SELECT (SELECT count(*) FROM quarantine WHERE (run_id, created, source) = (SELECT id, created, source FROM runs WHERE run = ?1)
      AND part = ?2 AND destination = ?3)
    + (SELECT count(*) FROM deliveries WHERE run = ?1 AND part = ?2 AND destination = ?3) AS pieces`;
  return db.get<{ pieces: number }>(sql, run, part, destination)?.pieces ?? 0;
}
