import { crc32 } from "node:zlib";
import type { Encoding } from "../destinations/destination.ts";
import type { Millis, RunKey } from "../model/run.ts";
import { excludedOutcome, REFETCH } from "./outcome.ts";
import { idHash, storedId } from "./run-id.ts";
import type { Database } from "./sqlite-database.ts";
import { addEvents, dropEvents } from "./sqlite-events.ts";
import { endRefetch } from "./sqlite-refetch.ts";
import { failuresOf, findRun, phaseNumber, placementOf, type RunRow, setWatch } from "./sqlite-runs.ts";
import { addCounts, ensureSource, saveSource } from "./sqlite-sources.ts";
import type { CollectedPart, Mark, PageCommit, RunChange, StoredChunk, TraceSize } from "./store.ts";

/** One page of work of one source into the tables; the caller holds the transaction. */
export function commitPage(db: Database, page: PageCommit, now: Millis): void {
  const source = ensureSource(db, page.source);
  if (page.state !== undefined) saveSource(db, source, page.state);
  const facts = page.runs.length === 0 ? undefined : factsOf(db, source);
  for (const change of page.runs) if (facts !== undefined) changeRun(db, facts, change, now);
  if (page.events !== undefined) addEvents(db, source, page.events.runs, page.events.maxBytes);
  if (page.counts !== undefined) addCounts(db, `source ${source}`, page.counts);
  for (const { key, reason, message, count } of page.unreadable ?? []) {
    const id = storedId(key.id);
    const { changes } = db.run(
      `INSERT INTO quarantine (source, run_id, created, part, reason, message, spans, bytes, at)
       SELECT ?1, ?2, ?3, 0, ?4, ?5, 0, 0, ?6 WHERE NOT EXISTS (
         SELECT 1 FROM quarantine WHERE run_id = ?2 AND created = ?3 AND source = ?1 AND destination IS NULL AND reason = ?4
           AND (?3 <> 0 OR message = ?5))`,
      source,
      id,
      key.createdAt,
      reason,
      message,
      now,
    );
    if (changes > 0 && count !== undefined) addCounts(db, `source ${source}`, { [count]: 1 });
  }
}

/** What is the same for all runs of a page. */
interface Facts {
  readonly source: number;
  /** Those that are configured, by name. */
  readonly destinations: ReadonlyMap<string, number>;
  /** Some runs of the source are in the quarantine because they could not be read, or asked for. */
  readonly hasUnreadable: boolean;
}

function factsOf(db: Database, source: number): Facts {
  const rows = db.all<{ name: string; destination: number }>("SELECT name, destination FROM destinations WHERE removed_at IS NULL");
  const unreadable = db.get("SELECT 1 FROM quarantine WHERE destination IS NULL AND source = ? LIMIT 1", source);
  return { source, destinations: new Map(rows.map((row) => [row.name, row.destination])), hasUnreadable: unreadable !== undefined };
}

function changeRun(db: Database, facts: Facts, change: RunChange, now: Millis): void {
  const { source } = facts;
  const known = findRun(db, source, change.key);
  if (known !== undefined && isStale(known, change)) return;
  const parts = change.parts ?? [];
  const before = known?.parts ?? 0;
  const failures = known === undefined ? [] : failuresOf(known);
  let bits = before;
  for (const { part, message } of parts) {
    if (message !== undefined && ((bits >> part) & 1) === 0) failures.push(message);
    bits |= 1 << part;
  }
  const run = saveRun(db, source, known, change, bits, failures);
  if (known !== undefined || change.watch !== undefined) setWatch(db, source, run, change.watch);
  if (known !== undefined && change.phase !== "open" && change.phase !== "waiting") dropEvents(db, known);
  parts.forEach((part, index) => {
    const isNew = known === undefined && !parts.some((one, before) => before < index && one.part === part.part);
    queuePart(db, facts, { run, isNew }, part, now);
  });
  if (bits === before) return;
  for (const mark of change.marks ?? []) addMark(db, source, mark, change.endedAt ?? change.key.createdAt);
  if (change.tree !== undefined) addToTree(db, source, change.tree.traceId, change.tree, change.endedAt ?? change.key.createdAt);
  if (!facts.hasUnreadable) return;
  const fetchedAfterAll = "DELETE FROM quarantine WHERE run_id = ? AND created = ? AND source = ? AND destination IS NULL";
  db.run(fetchedAfterAll, storedId(change.key.id), change.key.createdAt, source);
}

/** @returns its number */
function saveRun(
  db: Database,
  source: number,
  known: RunRow | undefined,
  change: RunChange,
  parts: number,
  failures: readonly string[],
): number {
  const { key, phase } = change;
  const ended = change.endedAt ?? null;
  const placement = (known && placementOf(known)) ?? change.placement ?? null;
  const crc = placement === null ? null : crc32(placement);
  const words = failures.join(" ") || null;
  if (known === undefined) {
    const id = storedId(key.id);
    const sql = `INSERT INTO runs (source, id, id_crc, created, phase, parts, failures, ended, placement, placement_crc)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;
    return db.run(sql, source, id, idHash(id), key.createdAt, phaseNumber(phase), parts, words, ended, placement, crc).id;
  }
  const sql =
    "UPDATE runs SET phase = ?, parts = ?, failures = ?, ended = coalesce(?, ended), placement = ?, placement_crc = ? WHERE run = ?";
  db.run(sql, phaseNumber(phase), parts, words, ended, placement, crc, known.run);
  return known.run;
}

/** A page that was read earlier than what is stored (reordered, repeated): it shows an ended run as it was before. */
function isStale(known: RunRow, change: RunChange): boolean {
  const ended = known.phase === phaseNumber("collected") || known.phase === phaseNumber("done");
  return ended && (change.phase === "open" || change.phase === "waiting");
}

/** An identity of which nothing is known yet; also for one that was forgotten and is wanted again. */
export function insertRun(db: Database, source: number, key: RunKey): number {
  const id = storedId(key.id);
  const sql = "INSERT INTO runs (source, id, id_crc, created, phase, parts) VALUES (?, ?, ?, ?, 0, 0)";
  return db.run(sql, source, id, idHash(id), key.createdAt).id;
}

interface Wanted {
  readonly destination: number;
  readonly encoding: Encoding | undefined;
  readonly excluded: string | undefined;
}

/** @param isNew nobody has had anything of this part yet */
function queuePart(db: Database, facts: Facts, { run, isNew }: { run: number; isNew: boolean }, part: CollectedPart, now: Millis): void {
  const wanted = wantedBy(db, facts, isNew ? undefined : run, part);
  const payloads = new Map<Encoding, { payload: number; bytes: number }>();
  for (const { destination, encoding, excluded } of wanted) {
    if (!isNew) endRefetch(db, run, part.part, destination);
    if (excluded !== undefined) {
      exclude(db, run, part.part, destination, excluded);
      continue;
    }
    const given = part.payloads.find((one) => one.encoding === encoding) ?? (part.payloads.length === 1 ? part.payloads[0] : undefined);
    if (given === undefined) throw new Error(`part ${part.part} has no payload in the destination's encoding (${encoding})`);
    const stored = payloads.get(given.encoding) ?? storePayload(db, run, part.part, given.encoding, given.chunks);
    payloads.set(given.encoding, stored);
    queueDelivery(db, { ...part, ...stored, run, destination }, now);
  }
}

/**
 * Destinations that are known, still configured, and have had nothing of this part yet (or are to get it again).
 * @param run undefined where nobody has had anything of it
 */
function wantedBy(db: Database, { destinations }: Facts, run: number | undefined, { part, deliveries }: CollectedPart): Wanted[] {
  return deliveries.flatMap(({ destination: name, encoding, excluded }) => {
    const destination = destinations.get(name);
    if (destination === undefined || (run !== undefined && hasHad(db, run, part, destination))) return [];
    return [{ destination, encoding, excluded }];
  });
}

function hasHad(db: Database, run: number, part: number, destination: number): boolean {
  const sql = `SELECT coalesce((SELECT outcome FROM outcomes WHERE run = ?1 AND part = ?2 AND destination = ?3),
    (SELECT 'queued' FROM deliveries WHERE run = ?1 AND part = ?2 AND destination = ?3), ?4) <> ?4 AS had`;
  return db.get<{ had: number }>(sql, run, part, destination, REFETCH)?.had === 1;
}

function exclude(db: Database, run: number, part: number, destination: number, reason: string): void {
  db.run("INSERT OR REPLACE INTO outcomes VALUES (?, ?, ?, ?)", run, part, destination, excludedOutcome(reason));
  if (part === 0) addCounts(db, `destination ${destination}`, { [`excluded.${reason}`]: 1 });
}

/** @param part undefined for quarantined pieces, which are not the whole of a part */
export function storePayload(
  db: Database,
  run: number,
  part: number | undefined,
  encoding: Encoding,
  chunks: readonly StoredChunk[],
): { payload: number; bytes: number } {
  const bytes = chunks.reduce((total, chunk) => total + chunk.bytes.length, 0);
  const spans = chunks.reduce((total, chunk) => total + chunk.spans, 0);
  const sql = "INSERT INTO payloads (run, part, encoding, spans, bytes) VALUES (?, ?, ?, ?, ?)";
  const payload = db.run(sql, run, part ?? null, encoding, spans, bytes).id;
  chunks.forEach((chunk, seq) => {
    db.run("INSERT INTO chunks VALUES (?, ?, ?, ?, ?)", payload, seq, chunk.spans, crc32(chunk.bytes), chunk.bytes);
  });
  return { payload, bytes };
}

export interface NewDelivery {
  readonly destination: number;
  readonly run: number;
  readonly part: number;
  readonly payload: number;
  readonly bytes: number;
  readonly spans: number;
  readonly firstEnd: Millis;
  readonly lastEnd: Millis;
}

export function queueDelivery(db: Database, delivery: NewDelivery, now: Millis): void {
  const { destination, run, part, payload, bytes, spans, firstEnd, lastEnd } = delivery;
  db.run(
    `INSERT INTO deliveries (destination, run, part, payload, bytes, spans, first_end, last_end, queued_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    destination,
    run,
    part,
    payload,
    bytes,
    spans,
    firstEnd,
    lastEnd,
    now,
  );
}

/** Remembered as long as the identity of the run that left it. */
function addMark(db: Database, source: number, { word, key, traceId, spanId }: Mark, seen: Millis): void {
  const sql = "INSERT OR IGNORE INTO marks VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
  db.run(sql, word, source, storedId(key.id), key.createdAt, traceId, spanId, seen, crc32(`${traceId}${spanId}`));
}

/** `seen` says how long it is remembered: until the last run that was put into it has expired. */
function addToTree(db: Database, source: number, traceId: string, added: TraceSize, seen: Millis): void {
  const before = db.get<{ kept_by: string }>("SELECT kept_by FROM trees WHERE trace_id = ?", traceId);
  const keptBy = [...new Set([...(before ? (JSON.parse(before.kept_by) as string[]) : []), ...added.keptBy])];
  db.run(
    `INSERT INTO trees VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (trace_id) DO UPDATE SET
       spans = spans + excluded.spans, bytes = bytes + excluded.bytes, kept_by = excluded.kept_by, seen = max(seen, excluded.seen)`,
    traceId,
    source,
    added.spans,
    added.bytes,
    JSON.stringify(keptBy),
    seen,
  );
}
