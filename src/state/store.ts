import type { Encoding } from "../destinations/destination.ts";
import type { MessageEvent } from "../model/event.ts";
import type { Millis, RunKey } from "../model/run.ts";
import type { Job, JobKind } from "./job.ts";
import type { QuarantineEntry, QuarantineFilter, RunOutcomes, StoreSize, StoreStatus, WatchSummary } from "./report.ts";
import type { SourceState } from "./source-state.ts";
import type { RunEvents } from "./stored-event.ts";

/**
 * What the bridge remembers: how far each source was read, every run it has seen and what became of it
 * for every destination, and the encoded payloads that are still to be delivered.
 *
 * Rules an implementer must keep:
 * - Every method is one transaction: all of it is durable when the promise resolves, or none of it is.
 *   (After a power cut the last transactions may be missing as a whole, which only repeats work.)
 * - A method rejects with `StoreError` where the storage fails; nothing has then changed, and the caller
 *   may try again.
 * - Identity is (source, run id, createdAt). A second commit of the same part of the same run for the same
 *   destination changes nothing: what was queued once is never queued again.
 * - One worker at a time writes (state/lock.ts); others may read. Nothing here relies on the methods
 *   being synchronous, so a shared database can implement it.
 */
export interface Store {
  readSource(source: string): Promise<SourceState | undefined>;
  /** What is known of these runs, in the order of `keys`. */
  findRuns(source: string, keys: readonly RunKey[]): Promise<readonly (RunRecord | undefined)[]>;
  /** Every known run with this id, newest first: for a user who does not know the creation time. */
  findRunsById(runId: string): Promise<readonly RunRecord[]>;
  /** Runs that are to be asked for at or before `now`, the longest due first. */
  dueRuns(source: string, now: Millis, limit: number): Promise<readonly WatchedRun[]>;
  /** When the next run is due, if any. */
  nextDue(source: string): Promise<Millis | undefined>;
  /** Pulls every watch of this reason forward to `dueAt`, or so many, the earliest due first: what they waited for is no more. */
  hasten(source: string, reason: Watch["reason"], dueAt: Millis, limit?: number): Promise<void>;
  /** How many runs are watched, and since when the oldest exists, by reason. */
  watched(source: string): Promise<readonly WatchSummary[]>;
  /** What the runs collected so far have put into this trace (only of runs that gave a `tree`). */
  traceSize(traceId: string): Promise<TraceSize>;
  /** What runs collected before left behind under these words, newest first; at most `MARKS_PER_WORD` of each. */
  findMarks(source: string, words: readonly string[]): Promise<readonly Mark[]>;
  /**
   * What `PageCommit.events` has stored of these runs' message logs, in the order of `keys`, each in any order; undefined
   * where they were dropped, some are damaged, or they are more than `MAX_EVENTS_PER_RUN`.
   */
  readEvents(source: string, keys: readonly RunKey[]): Promise<readonly (readonly MessageEvent[] | undefined)[]>;
  /** One page of work of one source. */
  commit(page: PageCommit): Promise<void>;

  /**
   * Makes the destinations of the configuration known. One that is new starts at `now`. One that is
   * missing is marked, and a day later (`removedAt` + 24 h) its queue becomes excluded (`destination_removed`).
   */
  syncDestinations(names: readonly string[], now: Millis): Promise<void>;
  destinations(): Promise<readonly DestinationState[]>;
  setPaused(destination: string, paused: DestinationState["paused"]): Promise<void>;
  /**
   * Queued deliveries after position `after`, oldest first, as many as fit `maxBytes` (at least one). In `encoding`
   * where the part is stored so, else in the encoding it was collected for. One whose bytes are damaged is not given
   * but fetched again (`refetch`).
   */
  queued(destination: string, encoding: Encoding, after: number, maxBytes: number): Promise<readonly QueuedDelivery[]>;
  /** What became of deliveries, with their counters and quarantined pieces. One that was settled before is ignored. */
  settle(destination: string, settlements: readonly Settlement[], now: Millis): Promise<void>;

  quarantined(filter: QuarantineFilter): Promise<readonly QuarantineEntry[]>;
  /** The quarantined bytes; undefined where only the identity was kept. */
  quarantinedBytes(id: number): Promise<Uint8Array | undefined>;
  /**
   * Puts entries back into their queue. The run of one without bytes is asked for again (phase `waiting`, watch
   * `refetch`) and that part queued anew for that destination alone; the entry stays until then. One without a whole key stays.
   */
  requeue(ids: readonly number[], now: Millis): Promise<{ readonly requeued: number; readonly refetch: number }>;
  /** The bytes go; a part of which nothing is left to decide or deliver, and nothing was delivered, becomes `dropped`. How many. */
  dropQuarantined(ids: readonly number[]): Promise<number>;
  /**
   * These runs, which were collected before, are collected again (phase `waiting`, watch `refetch`, due at `dueAt`): for
   * destinations that have nothing of them, and with `everything` also for those that have. What is still queued stays so.
   */
  refetch(source: string, keys: readonly RunKey[], everything: boolean, dueAt: Millis): Promise<void>;

  /**
   * Forgets identities that expired (ended, not watched, nothing queued), trims the quarantine to its caps, ends
   * removed destinations. May be several transactions, each complete in itself.
   */
  maintain(input: MaintenanceInput): Promise<void>;
  status(now: Millis): Promise<StoreStatus>;
  /** Outcome of each run for each destination, in the order of `keys`, for `verify`. */
  outcomes(source: string, keys: readonly RunKey[]): Promise<readonly (RunOutcomes | undefined)[]>;
  /** Leaves work for the holder of the worker's role; its id. */
  addJob(kind: JobKind, args: Readonly<Record<string, unknown>>, now: Millis): Promise<number>;
  /** Jobs that are not finished, and those that finished in the last day, oldest first. */
  jobs(now: Millis): Promise<readonly Job[]>;
  updateJob(id: number, change: Partial<Pick<Job, "startedAt" | "finishedAt" | "progress" | "exitCode">>): Promise<void>;
  /** Bytes in use now (payloads, identities, quarantine), and by what: for back-pressure. */
  size(): Promise<StoreSize>;
  close(): Promise<void>;
}

/** The storage itself failed: disk full, read-only, corrupt, busy, or (a reader's) not there. Nothing was changed. */
export class StoreError extends Error {
  readonly kind: "full" | "readonly" | "corrupt" | "busy" | "missing" | "other";
  constructor(kind: StoreError["kind"], message: string) {
    super(message);
    this.kind = kind;
  }
}

/** A run's life in the store: open → (waiting) → collected → done, or from anywhere to gone. */
export type RunPhase =
  /** The API shows it as not ended. */
  | "open"
  /** Ended; no payload yet, because its ancestor or a verdict has to come first. */
  | "waiting"
  /** Ended and collected; its failure function may still settle. */
  | "collected"
  /** Nothing more will come of it. One that is watched nevertheless (damage) is shown as `waiting`. */
  | "done"
  /** The API stopped showing it before it ended. */
  | "gone";

export interface RunRecord {
  readonly source: string;
  readonly key: RunKey;
  readonly phase: RunPhase;
  readonly endedAt?: Millis;
  /** JSON of a `Placement`; absent while undecided. */
  readonly placement?: string;
  /** Parts that were collected: 0 the run, 1 its failure function, from 2 on its repetitions. */
  readonly parts: readonly number[];
  /** What `CollectedPart.message` said of parts, in the order in which they came; absent where it never did. */
  readonly failures?: readonly string[];
  readonly watch?: Watch;
}

/** Why and how a run is asked for again. */
export interface Watch {
  readonly reason: "open" | "ended" | "failure" | "ancestor" | "verdict" | "room" | "refetch";
  readonly dueAt: Millis;
  /** How often it was asked for: sets the interval. */
  readonly polls: number;
  /** Answers in a row that did not show it, and when the first of them came. */
  readonly absent?: { readonly count: number; readonly since: Millis };
  /** The API refuses to be asked for it by id. */
  readonly refused?: string;
}

export interface WatchedRun {
  readonly key: RunKey;
  readonly phase: RunPhase;
  readonly watch: Watch;
}

export interface PageCommit {
  readonly source: string;
  /** Replaces the source's state where given. */
  readonly state?: SourceState;
  readonly runs: readonly RunChange[];
  /** Added to the counters that `status` shows, e.g. `excluded.dropped`. */
  readonly counts?: Readonly<Record<string, number>>;
  /**
   * Runs that could not be read, or may not be asked for: into the quarantine, without a destination; once per run and
   * reason (where `createdAt` is 0, not known: and message), until a part of that run is collected after all, also if the
   * entry was dropped. `count`: the source's counter that each new one is added to.
   */
  readonly unreadable?: readonly { readonly key: RunKey; readonly reason: string; readonly message: string; readonly count?: string }[];
  /**
   * Events of the message log, kept until their run is no longer open or waiting: they go in the transaction that
   * queues its payload. Only for runs that are open after this page; one that is stored already is ignored. Past
   * `maxBytes` (of the whole state, as stored-event.ts counts) all events of the runs created first go, those runs get
   * no more, and the source's counter `events.dropped` says how many they are.
   */
  readonly events?: { readonly runs: readonly RunEvents[]; readonly maxBytes: number };
}

export interface RunChange {
  readonly key: RunKey;
  readonly phase: RunPhase;
  readonly endedAt?: Millis;
  /** Kept if there is one already: a placement never changes while its identity lives. */
  readonly placement?: string;
  /** Absent: not asked for again. */
  readonly watch?: Watch;
  readonly parts?: readonly CollectedPart[];
  /** The trace it lies in with others: what this run adds to that trace's size. */
  readonly tree?: TraceSize & { readonly traceId: string };
  /** What it leaves behind for later runs; stored with its first part. */
  readonly marks?: readonly Mark[];
}

/** A span that a later run may want to link to, under a word by which it finds it (a hash). */
export interface Mark {
  readonly word: string;
  readonly key: RunKey;
  readonly traceId: string;
  readonly spanId: string;
}

/** Spans, their bytes as protobuf, and the destinations whose sampling keeps the whole tree because of one run. */
export interface TraceSize {
  readonly spans: number;
  readonly bytes: number;
  readonly keptBy: readonly string[];
}

/** A run's spans (part 0), its failure function (part 1) or the n-th repetition of that (part n), encoded once per encoding in use. */
export interface CollectedPart {
  /** At most `MAX_PART`. */
  readonly part: number;
  /** Of a failure function: a word, without spaces, for the message that called it; kept in `RunRecord.failures` if the part is new. */
  readonly message?: string;
  readonly payloads: readonly { readonly encoding: Encoding; readonly chunks: readonly StoredChunk[] }[];
  /** Earliest and latest end of its spans, for destinations that accept spans only up to an age. */
  readonly firstEnd: Millis;
  readonly lastEnd: Millis;
  readonly spans: number;
  /**
   * `encoding`: the one the destination takes; may be left out where there is one payload at most. A destination
   * that is unknown or left the configuration gets nothing; one that already had this part gets it no second time.
   */
  readonly deliveries: readonly { readonly destination: string; readonly encoding?: Encoding; readonly excluded?: string }[];
}

export interface StoredChunk {
  /** A whole ExportTraceServiceRequest of whole spans. */
  readonly bytes: Uint8Array;
  readonly spans: number;
}

export interface QueuedDelivery {
  /** Position in the queue; grows, and is never used again. */
  readonly id: number;
  /** What the chunks are in: not the one asked for only if the destination's encoding changed after it was collected. */
  readonly encoding: Encoding;
  readonly source: string;
  readonly key: RunKey;
  readonly part: number;
  readonly chunks: readonly StoredChunk[];
  readonly bytes: number;
  readonly spans: number;
  readonly firstEnd: Millis;
  readonly lastEnd: Millis;
  readonly queuedAt: Millis;
}

export interface Settlement {
  readonly id: number;
  readonly outcome: "delivered" | "partial" | "quarantined" | "excluded";
  /** For `excluded`: too_old, … */
  readonly reason?: string;
  /** Spans left out because the destination does not take spans that old: into `excluded.too_old.spans`. */
  readonly skippedSpans?: number;
  /** What was refused, for `partial` and `quarantined`. */
  readonly refused?: readonly RefusedPiece[];
  /** Of what was accepted (into the destination's counters `spans`, `bytes`), or excluded (`excluded.<reason>.spans`). */
  readonly spans: number;
  readonly bytes: number;
}

export interface RefusedPiece {
  /** refused, partial, server_error, too_large, … */
  readonly reason: string;
  readonly status?: number;
  /** The backend's own words, redacted and cut. */
  readonly message: string;
  readonly encoding: Encoding;
  readonly bytes: Uint8Array;
  readonly spans: number;
}

export interface DestinationState {
  readonly name: string;
  /** It gets runs that were collected since then. */
  readonly since: Millis;
  /** Since when the configuration no longer names it. */
  readonly removedAt?: Millis;
  readonly paused?: { readonly reason: string; readonly since: Millis };
}

export interface MaintenanceInput {
  readonly now: Millis;
  /** Per source: identities that ended before this are forgotten. */
  readonly forgetBefore: Readonly<Record<string, Millis>>;
}

/** Parts are kept as the bits of a whole number. */
export const MAX_PART = 30;
/** Quarantine keeps bytes up to this much and this long; identity and reason stay. */
export const QUARANTINE_MAX_BYTES = 100 * 1024 * 1024;
export const QUARANTINE_MAX_AGE_MS = 7 * 86_400_000;
/** Of one word so many marks are given: an event that everybody waits for must not make a span of links. */
export const MARKS_PER_WORD = 16;
/** How long a destination that left the configuration keeps its queue. */
export const REMOVED_DESTINATION_GRACE_MS = 86_400_000;
