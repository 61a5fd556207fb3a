import type { Millis } from "../model/run.ts";

/** What `fromDate` and `toDate` of the grouped log compare: Upstash's own sources contradict each other. */
export type DateReading = "creation" | "event" | "last-event";

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
  /** Found out with a known run; absent where that was not possible yet. */
  readonly dates?: DateReading;
  readonly feed?: FeedState;
  readonly sweep?: SweepState;
  /** Start of the last cycle that read everything there was to be read: what was shown before is known. */
  readonly readAt?: Millis;
  /** How long after its end the last complete sweep still saw a run, in ms: what the API keeps, at least. Absent where that is too little to tell. */
  readonly learnedRetentionMs?: number | undefined;
  /** The same of the complete sweep before. */
  readonly previousRetentionMs?: number | undefined;
}

export interface FeedState {
  readonly status: "unknown" | "trusted" | "absent" | "distrusted";
  /** Why it is not trusted. */
  readonly reason?: string;
  /** Since when it is trusted: what ended before, it need not have named. */
  readonly since?: Millis;
  /** Time of the newest event that was read; everything before was read too. */
  readonly watermark?: Millis;
  /** The events of open runs were stored since then, without a gap; absent where none are. */
  readonly detailFrom?: Millis;
  /** When it is to be tried again. */
  readonly retryAt?: Millis;
}

export interface SweepState {
  /** Start and end of the sweep under way, or of the last one. */
  readonly startedAt?: Millis;
  readonly finishedAt?: Millis;
  readonly cursor?: string;
  /** Of the pages of the sweep under way: the longest that a run was still shown after its end. */
  readonly longestShownMs?: number | undefined;
  /** Runs that the API showed and we did not know, over all sweeps. Should stay 0. */
  readonly repaired: number;
  /** Of the message log, while a whole sweep takes longer than its interval: the one under way, or the last. */
  readonly feed?: FeedSweepState;
}

export interface FeedSweepState {
  readonly startedAt: Millis;
  /** Absent while it is under way. */
  readonly finishedAt?: Millis;
  readonly cursor?: string;
}
