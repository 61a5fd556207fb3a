import type { WireHeaders } from "../../../src/fake-upstash/wire.ts";

/** A workflow as data: what its steps do and how long they take. `play` lets it happen. Durations are in ms. */
export interface Program {
  readonly url: string;
  /** The body it is triggered with. */
  readonly payload?: unknown;
  /** The trigger's own headers, as the Initial step keeps them (Go canonical case). */
  readonly headers?: WireHeaders;
  readonly labels?: readonly string[];
  readonly flowControlKey?: string;
  readonly callerIp?: string;
  /** `delay` of the trigger: the first delivery waits this long. */
  readonly startDelayMs?: number;
  readonly retries?: number;
  /** One after the other; those of an inner list run in parallel. */
  readonly steps: readonly (Work | readonly Work[])[];
  readonly response?: unknown;
  /** Somebody cancels it this long after its last step began. */
  readonly canceledAfterMs?: number;
  /** Runs when the run fails. */
  readonly failureFunction?: { readonly ms: number; readonly response: unknown };
}

export type Work = RunWork | SleepWork | CallWork | WaitWork | InvokeWork;

/** A delivery that was answered with an error, and how long until the next one. */
export interface FailedAttempt {
  readonly ms: number;
  readonly status: number;
  readonly message: string;
  /** 0 for the last. */
  readonly retryAfterMs: number;
}

interface Attempted {
  readonly name: string;
  /** Of the last attempt. */
  readonly ms: number;
  readonly failed?: readonly FailedAttempt[];
}

export interface RunWork extends Attempted {
  readonly kind: "run";
  readonly type?: "Run" | "Notify" | "CreateWebhook";
  readonly out?: unknown;
  /** All attempts failed: the run ends here. */
  readonly gaveUp?: boolean;
}

export interface CallWork extends Attempted {
  readonly kind: "call";
  readonly method: string;
  readonly url: string;
  readonly headers?: WireHeaders;
  readonly body?: unknown;
  readonly status: number;
  readonly response: unknown;
}

export interface SleepWork {
  readonly kind: "sleep";
  readonly name: string;
  readonly ms: number;
  /** `sleepUntil` instead of `sleepFor`. */
  readonly until?: boolean;
}

export interface WaitWork {
  readonly kind: "wait";
  readonly name: string;
  readonly type?: "Wait" | "WaitForWebhook";
  readonly eventId: string;
  readonly timeoutMs: number;
  /** When the event came; absent: it never did. */
  readonly notifiedAfterMs?: number;
  readonly eventData?: unknown;
}

export interface InvokeWork {
  readonly kind: "invoke";
  readonly name: string;
  readonly program: Program;
}

export const SECOND = 1_000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** The plainest step. */
export const run = (name: string, ms: number, out?: unknown): RunWork => ({ kind: "run", name, ms, out });
