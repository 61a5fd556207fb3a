import { type Invoker, keyOf, type Millis, type RunKey, type Step } from "./run.ts";

/**
 * One line of the flat message log, of a message (CREATED, ACTIVE, DELIVERED, ERROR, RETRY, FAILED, CANCELED)
 * or of a run (RUN_STARTED, RUN_SUCCESS, RUN_FAILED, RUN_CANCELED, WAITER_ADDED, INVOKED); other states may
 * come and say nothing. Everything but identity, time and state may be missing. Strings are raw.
 */
export interface MessageEvent extends RunKey {
  readonly time: Millis;
  readonly state: string;
  readonly url: string;
  readonly messageId?: string;
  /** What the message carries or what was begun. Of a plan (parallel steps) it has no id. */
  readonly step?: Step;
  /** Of CREATED: when it is due at the earliest; of RETRY: when the next attempt is. */
  readonly nextDeliveryTime?: Millis;
  readonly error?: string;
  readonly responseStatus?: number;
  /** The step that threw, where an error's headers name it. */
  readonly failedStepName?: string;
  readonly invoker?: Invoker;
  /** Of RUN_SUCCESS: what the workflow returned, as text. */
  readonly runResponse?: string;
}

const ENDS = new Set(["RUN_SUCCESS", "RUN_FAILED", "RUN_CANCELED"]);

/** Whether it says that its run has ended. */
export function isEnd(event: Pick<MessageEvent, "state">): boolean {
  return ENDS.has(event.state);
}

/** Each run's events, by `keyOf`, runs in the order of first sight. */
export function eventsByRun(events: readonly MessageEvent[]): Map<string, MessageEvent[]> {
  return Map.groupBy(events, keyOf);
}
