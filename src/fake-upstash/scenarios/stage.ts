import type { LogStore } from "../log-store.ts";
import type { Millis } from "../wire.ts";
import { supportAgent } from "./agent.ts";
import { canceledCampaign, confirmationTimesOut, expenseApproval, nightlyReport, onboarding, reminder } from "./office.ts";
import { MINUTE, SECOND } from "./program.ts";
import { endOf, happenUntil, record, type Scenario } from "./scenario.ts";
import { catalogueImport, orderFulfilment, paymentFails, paymentLink, recoveredRetry } from "./shop.ts";

/** When each scenario ends, from the moment the curtain rises (ms): four are history, the others end before one's eyes. */
const PROGRAMME: readonly (readonly [Scenario, Millis])[] = [
  [canceledCampaign, -21 * MINUTE],
  [reminder, -13 * MINUTE],
  [catalogueImport, -6 * MINUTE],
  [onboarding, -2 * MINUTE],
  [orderFulfilment, 4 * SECOND],
  [recoveredRetry, 6 * SECOND],
  [expenseApproval, 8 * SECOND],
  [supportAgent, 9.5 * SECOND],
  [paymentFails, 11 * SECOND],
  [paymentLink, 13 * SECOND],
  [confirmationTimesOut, 14 * SECOND],
  [nightlyReport, 15 * SECOND],
];

export interface Staged {
  readonly scenarios: number;
  readonly runs: number;
  /** How many of the runs are over before the curtain rises. */
  readonly endedBefore: number;
  /** Failure functions that will settle. */
  readonly failureFunctions: number;
}

/** Puts the demo's runs into the store so that they happen around `now`. */
export function stage(store: LogStore, now: Millis): Staged {
  const runs = PROGRAMME.flatMap(([scenario, end], index) => happenUntil(scenario, now + end, index + 1));
  record(store, runs);
  return {
    scenarios: PROGRAMME.length,
    runs: runs.length,
    endedBefore: runs.filter((run) => endOf(run) < now).length,
    failureFunctions: runs.filter((run) => run.versions.at(-1)?.run.failureFunction !== undefined).length,
  };
}
