import type { MessageEvent } from "../model/event.ts";
import type { Millis, RunKey, WorkflowRun } from "../model/run.ts";

/**
 * Where runs come from. An implementation owns everything about talking to its API: authentication,
 * the request budget, deadlines, retries of what passes by itself, paging markers, size caps and the
 * wire shape. It owns no policy: what to ask for, and when, is the pipeline's.
 *
 * Rules an implementer must keep:
 * - A method never throws for what the other side did; every outcome is a `Reply`. It throws only for bugs.
 * - Every request obeys `signal` (reply `aborted`) and has a total deadline of its own.
 * - A page is given whole or not at all, but one entry that cannot be read never takes the page with it:
 *   it is listed in `unreadable` by its position and the others go on.
 * - No reply's text holds a secret, a payload or an Authorization header.
 */
export interface RunSource {
  /** The user's name for it, as in state, metrics and logs. */
  readonly name: string;
  /** One page of grouped runs, newest created first. */
  list(query: RunQuery, purpose: Purpose, signal: AbortSignal): Promise<Reply<RunPage>>;
  /** These runs, in as few requests as the API's limits allow. A key the API refuses by itself is in `refused`. */
  fetch(keys: readonly RunKey[], purpose: Purpose, signal: AbortSignal): Promise<Reply<FetchedRuns>>;
  /**
   * One page of the flat message log, as one unfiltered stream or (for a straggler) of one run. `not_found` where the API
   * has none. A page that has not changed since it was last asked for may be the same object.
   */
  events(query: EventQuery, purpose: Purpose, signal: AbortSignal): Promise<Reply<EventPage>>;
  /** What is known of the request budget now. */
  budget(): BudgetSnapshot;
  /** Reads `${file:}` secrets again. True if one changed. */
  refreshSecrets(): boolean;
  close(): Promise<void>;
}

/** What a request is for: its place in the queue for the budget (first wins), and a label of metrics. */
export const PURPOSES = ["probe", "feed", "newest", "open", "ancestors", "backfill", "sweep"] as const;
export type Purpose = (typeof PURPOSES)[number];

export interface RunQuery {
  readonly cursor?: string;
  readonly count?: number;
  readonly workflowRunId?: string;
  readonly workflowCreatedAt?: Millis;
  readonly workflowUrl?: string;
  readonly state?: string;
  /** Inclusive; sources contradict each other on what they compare: never rely on them to find a late completion. */
  readonly fromDate?: Millis;
  readonly toDate?: Millis;
  readonly labels?: readonly string[];
  readonly flowControlKey?: string;
  readonly callerIp?: string;
}

export interface EventQuery {
  readonly cursor?: string;
  readonly count?: number;
  /** Of one run, for one of whose events some were never read in the stream. */
  readonly workflowRunId?: string;
  readonly workflowCreatedAt?: Millis;
  readonly fromDate?: Millis;
  readonly toDate?: Millis;
}

export interface RunPage {
  readonly runs: readonly WorkflowRun[];
  readonly unreadable: readonly UnreadableEntry[];
  /** Absent on the last page. */
  readonly cursor?: string;
}

export interface FetchedRuns {
  readonly runs: readonly WorkflowRun[];
  readonly unreadable: readonly UnreadableEntry[];
  /** Keys that the API answers with 400 when asked for alone, or whose one run is over the size cap. */
  readonly refused: readonly { readonly key: RunKey; readonly reason: "bad_request" | "too_large"; readonly message: string }[];
}

/** An entry of a page that is no run: where it stood, why, and who it was if that could be read. */
export interface UnreadableEntry {
  /** Zero-based, in its page. */
  readonly position: number;
  /** Listed right before it or, where nothing is, right behind it: what shows its place whatever page it comes on. */
  readonly beside?: RunKey;
  /** `path: what was expected`; never a value. */
  readonly reason: string;
  readonly key?: RunKey;
  /** Its run's id where that is all of its key that could be read. */
  readonly id?: string;
  /** What tells it from other entries without a key: id and time as they stand, else the whole entry. Raw: only to be hashed, redacted. */
  readonly content?: unknown;
}

/** One line of the message log. */
export type RunEvent = MessageEvent;

export interface EventPage {
  readonly events: readonly RunEvent[];
  readonly unreadable: readonly UnreadableEntry[];
  readonly cursor?: string;
}

export type Reply<T> =
  /** `serverTime` is the API's `Date` header in ms (1 s resolution). */
  | { readonly kind: "ok"; readonly value: T; readonly serverTime?: Millis }
  /** Asking again as it is will not help. `bad_request` on a query with a cursor: the cursor may have expired. */
  | {
      readonly kind: "refused";
      readonly reason: "bad_request" | "unauthorized" | "not_found" | "too_large" | "unexpected";
      readonly status?: number;
      readonly message: string;
    }
  /** It passes by itself; the source has already tried several times. */
  | {
      readonly kind: "unavailable";
      readonly reason: "rate_limited" | "server_error" | "connection" | "timeout" | "unreadable";
      readonly message: string;
      readonly retryAfterMs?: number;
    }
  | { readonly kind: "aborted" };

export interface BudgetSnapshot {
  /** Requests per second this process allows itself now, and the most it may (configured or learnt). */
  readonly allowed: number;
  readonly ceiling: number;
  /** Requests sent in the last minute, by purpose. */
  readonly used: Readonly<Partial<Record<Purpose, number>>>;
  /** Requests per second that somebody else takes from the same budget, as the API's headers suggest. */
  readonly foreign: number;
  /** Set while nothing may be sent. */
  readonly pausedUntil?: Millis;
}
