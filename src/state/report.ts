import type { Encoding } from "../destinations/destination.ts";
import type { Millis, RunKey } from "../model/run.ts";
import type { SourceState } from "./source-state.ts";
import type { DestinationState, RunPhase, Watch } from "./store.ts";

/** What the store tells commands and metrics (`status`, `quarantine`, `verify`); the contract is store.ts. */

export interface WatchSummary {
  readonly reason: Watch["reason"];
  readonly count: number;
  readonly oldestCreatedAt: Millis;
  /** When the first of them ended; of those that have not, or of which that is not known, when they were created. */
  readonly oldestEndedAt: Millis;
}

export interface QuarantineFilter {
  readonly destination?: string;
  readonly runId?: string;
  readonly ids?: readonly number[];
  /** Those that were dropped, of which identity and reason stay as long as the run's; absent: the others. */
  readonly dropped?: boolean;
}

export interface QuarantineEntry {
  readonly id: number;
  readonly source: string;
  /** `createdAt` is 0 where the source could not read it; the id then says no more than what was read of it. */
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

export interface StoreSize {
  /** Pages in use times their size, without what events and the quarantine take: what back-pressure looks at. */
  readonly liveBytes: number;
  readonly payloadBytes: number;
  /** Has a cap of its own. */
  readonly quarantineBytes: number;
  /** Events of open runs, which have a share of their own. */
  readonly eventBytes: number;
}

export interface RunOutcomes {
  readonly phase: RunPhase;
  /** By name: queued, delivered, partial, quarantined, dropped, refetch, or `excluded (reason)`; of several parts the least settled. */
  readonly destinations: Readonly<Record<string, string>>;
}

export interface StoreStatus {
  readonly sources: readonly {
    readonly name: string;
    readonly state: SourceState;
    readonly watched: readonly WatchSummary[];
    /** How many runs are open (not ended, as far as is known), by age: one entry for each of `OPEN_AGES_MS`. */
    readonly openByAge: readonly number[];
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

/** Lower limits of the ages that open runs are counted by, in ms: under a minute, from a minute on, …, from a week on. */
export const OPEN_AGES_MS = [0, 60_000, 600_000, 3_600_000, 86_400_000, 604_800_000] as const;
