import type { Encoding } from "../destinations/destination.ts";
import type { Millis, RunKey } from "../model/run.ts";

/**
 * What the bridge remembers: how far each source was read, every run it has seen and what became of it
 * for every destination, and the encoded payloads that are still to be delivered.
 *
 * Rules an implementer must keep:
 * - Every method is one transaction: all of it is durable when the promise resolves, or none of it is.
 *   (Durable against a crash of the process; after a power cut the last transactions may be missing as
 *   a whole, which only repeats work: watermark and payloads always travel in the same one.)
 * - A method rejects with `StoreError` where the storage fails; nothing has then changed, and the caller
 *   may try again.
 * - Identity is (source, run id, createdAt). A second commit of the same part of the same run changes
 *   nothing: what was collected once is never collected again.
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
  /** How many runs are watched, and since when the oldest exists, by reason. */
  watched(source: string): Promise<readonly WatchSummary[]>;
  /** What the runs collected so far have put into this trace (only of runs that gave a `tree`). */
  traceSize(traceId: string): Promise<TraceSize>;
  /** One page of work of one source. */
  commit(page: PageCommit): Promise<void>;

  /**
   * Makes the destinations of the configuration known. One that is new starts at `now`. One that is
   * missing is marked, and a day later (`removedAt` + 24 h) its queue becomes excluded (`destination_removed`).
   */
  syncDestinations(names: readonly string[], now: Millis): Promise<void>;
  destinations(): Promise<readonly DestinationState[]>;
  setPaused(destination: string, paused: DestinationState["paused"]): Promise<void>;
  /** Queued deliveries after position `after`, oldest first, as many as fit `maxBytes` (at least one). */
  queued(destination: string, encoding: Encoding, after: number, maxBytes: number): Promise<readonly QueuedDelivery[]>;
  settle(destination: string, settlements: readonly Settlement[], now: Millis): Promise<void>;

  quarantined(filter: QuarantineFilter): Promise<readonly QuarantineEntry[]>;
  /** The quarantined bytes; undefined where only the identity was kept. */
  quarantinedBytes(id: number): Promise<Uint8Array | undefined>;
  /** Puts entries back into their queue. Those without bytes are forgotten, so that they are fetched again. */
  requeue(ids: readonly number[], now: Millis): Promise<{ readonly requeued: number; readonly refetch: number }>;
  dropQuarantined(ids: readonly number[]): Promise<number>;

  /** Forgets identities that expired, trims the quarantine to its caps, ends removed destinations. */
  maintain(input: MaintenanceInput): Promise<void>;
  status(now: Millis): Promise<StoreStatus>;
  /** Outcome of each run for each destination, for `verify`: runs of a source that ended in [from, to]. */
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

/** The storage itself failed: disk full, read-only, corrupt. Nothing was changed. */
export class StoreError extends Error {
  readonly kind: "full" | "readonly" | "corrupt" | "busy" | "other";
  constructor(kind: StoreError["kind"], message: string) {
    super(message);
    this.kind = kind;
  }
}

/** How far a source was read. Stored whole with each page that changes it. */
export interface SourceState {
  /** Runs that ended before this are none of ours. */
  readonly epoch: Millis;
  /** Every run created up to here has been listed at least once. Absent until the first listing is complete. */
  readonly watermark?: Millis;
  /** The first start's listing of all open runs is done. */
  readonly openListed?: boolean;
  /** When the lookback was last listed whole, on the API's clock. */
  readonly lookbackAt?: Millis;
  readonly feed?: FeedState;
  readonly sweep?: SweepState;
  /** Age of the oldest run that the API has shown: what it keeps, at least. */
  readonly learnedRetentionMs?: number;
}

export interface FeedState {
  readonly status: "unknown" | "trusted" | "absent" | "distrusted";
  /** Why it is not trusted. */
  readonly reason?: string;
  /** Every event up to here was read. */
  readonly watermark?: Millis;
  /** When it is to be tried again. */
  readonly retryAt?: Millis;
}

export interface SweepState {
  /** Start and end of the sweep under way, or of the last one. */
  readonly startedAt?: Millis;
  readonly finishedAt?: Millis;
  readonly cursor?: string;
  /** Runs that the API showed and we did not know, over all sweeps. Should stay 0. */
  readonly repaired: number;
}

/** A run's life in the store: open → (waiting) → collected → done, or from anywhere to gone. */
export type RunPhase =
  /** The API shows it as not ended. */
  | "open"
  /** Ended; no payload yet, because its ancestor or a verdict has to come first. */
  | "waiting"
  /** Ended and collected; its failure function may still settle. */
  | "collected"
  /** Nothing more will come of it. */
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
  /** Parts that were collected: 0 the run, 1 its failure function. */
  readonly parts: readonly number[];
}

/** Why and how a run is asked for again. */
export interface Watch {
  readonly reason: "open" | "failure" | "ancestor" | "verdict" | "refetch";
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

export interface WatchSummary {
  readonly reason: Watch["reason"];
  readonly count: number;
  readonly oldestCreatedAt: Millis;
}

export interface PageCommit {
  readonly source: string;
  /** Replaces the source's state where given. */
  readonly state?: SourceState;
  readonly runs: readonly RunChange[];
  /** Added to the counters that `status` shows, e.g. `excluded.dropped`. */
  readonly counts?: Readonly<Record<string, number>>;
  /** Runs that could not be read, or may not be asked for: into the quarantine, without a destination. */
  readonly unreadable?: readonly { readonly key: RunKey; readonly reason: string; readonly message: string }[];
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
}

/** Spans, and their bytes as protobuf. */
export interface TraceSize {
  readonly spans: number;
  readonly bytes: number;
}

/** A run's spans (part 0) or its late failure function (part 1), encoded once per encoding in use. */
export interface CollectedPart {
  readonly part: number;
  readonly payloads: readonly { readonly encoding: Encoding; readonly chunks: readonly StoredChunk[] }[];
  /** Earliest and latest end of its spans, for destinations that accept spans only up to an age. */
  readonly firstEnd: Millis;
  readonly lastEnd: Millis;
  readonly spans: number;
  readonly deliveries: readonly { readonly destination: string; readonly excluded?: string }[];
}

export interface StoredChunk {
  /** A whole ExportTraceServiceRequest of whole spans. */
  readonly bytes: Uint8Array;
  readonly spans: number;
}

export interface QueuedDelivery {
  /** Position in the queue; grows. */
  readonly id: number;
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
  /** What was refused, for `partial` and `quarantined`. */
  readonly refused?: readonly RefusedPiece[];
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

export interface QuarantineFilter {
  readonly destination?: string;
  readonly runId?: string;
  readonly ids?: readonly number[];
}

export interface QuarantineEntry {
  readonly id: number;
  readonly source: string;
  readonly key: RunKey;
  readonly part: number;
  /** Absent: the source could not read it. */
  readonly destination?: string;
  readonly reason: string;
  readonly status?: number;
  readonly message: string;
  readonly spans: number;
  readonly bytes: number;
  readonly hasBytes: boolean;
  readonly encoding?: Encoding;
  readonly at: Millis;
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

export type JobKind = "requeue" | "verify" | "backfill";

export interface Job {
  readonly id: number;
  readonly kind: JobKind;
  readonly args: Readonly<Record<string, unknown>>;
  readonly createdAt: Millis;
  readonly startedAt?: Millis;
  readonly finishedAt?: Millis;
  /** Whatever its command shows; replaced whole. */
  readonly progress?: Readonly<Record<string, unknown>>;
  readonly exitCode?: number;
}

export interface StoreSize {
  /** Pages in use times their size. */
  readonly liveBytes: number;
  readonly payloadBytes: number;
  readonly quarantineBytes: number;
}

export interface RunOutcomes {
  readonly phase: RunPhase;
  readonly destinations: Readonly<Record<string, string>>;
}

export interface StoreStatus {
  readonly sources: readonly {
    readonly name: string;
    readonly state: SourceState;
    readonly watched: readonly WatchSummary[];
    readonly counts: Readonly<Record<string, number>>;
  }[];
  readonly destinations: readonly (DestinationState & {
    readonly queued: number;
    readonly queuedBytes: number;
    readonly oldestQueuedAt?: Millis;
    readonly quarantined: number;
    readonly counts: Readonly<Record<string, number>>;
  })[];
  readonly size: StoreSize;
}

/** Quarantine keeps bytes up to this much and this long; identity and reason stay. */
export const QUARANTINE_MAX_BYTES = 100 * 1024 * 1024;
export const QUARANTINE_MAX_AGE_MS = 7 * 86_400_000;
/** How long a destination that left the configuration keeps its queue. */
export const REMOVED_DESTINATION_GRACE_MS = 86_400_000;
