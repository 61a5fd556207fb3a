import type { Millis, RunKey } from "../model/run.ts";

/**
 * What the pipeline tells of its work, for metrics and logs: plain data, after it is stored. Whoever listens neither
 * throws nor waits. Names are those of spans, secrets removed; nothing of a payload is in here.
 */
export interface Observer {
  /** A run was collected for the first time. */
  collected(run: CollectedRun): void;
  /** Deliveries came to their end; a failure function's is not another run's. */
  settled(destination: string, deliveries: Settled): void;
}

export type RunOutcome = "success" | "failed" | "canceled" | "other";

export interface CollectedRun {
  readonly source: string;
  readonly key: RunKey;
  readonly traceId: string;
  readonly workflow: string;
  readonly outcome: RunOutcome;
  /** Of its span. */
  readonly start: Millis;
  readonly end: Millis;
  /** On the API's clock: when it was collected. */
  readonly collectedAt: Millis;
  readonly steps: readonly CollectedStep[];
  /** Values in which a secret was removed, and spans of which a time had to move. */
  readonly redacted: number;
  readonly adjusted: number;
  /** What the decoder had to mend, as field names. */
  readonly oddities: readonly string[];
}

export interface CollectedStep {
  /** Ids in it replaced, so that there are as many names as there are steps in the program. */
  readonly name: string;
  readonly type: string;
  readonly outcome: RunOutcome;
  /** ms */
  readonly duration: number;
}

export interface Settled {
  readonly outcome: "delivered" | "partial" | "quarantined";
  /** Of each run: ms from the end of its last span until now. */
  readonly delays: readonly number[];
}
