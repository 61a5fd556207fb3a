import type { Millis } from "../model/run.ts";

/** What a command asks the running bridge to do: a row of the state. */
export type JobKind = "requeue" | "drop" | "verify" | "backfill";

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
