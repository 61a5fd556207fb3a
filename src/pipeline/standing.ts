import { endOf, keyOf, type Millis, type RunKey, type WorkflowRun } from "../model/run.ts";
import type { SourceState } from "../state/source-state.ts";
import type { DestinationState, RunRecord } from "../state/store.ts";
import { nameRun } from "../trace/naming.ts";
import type { SourceContext } from "./context.ts";
import { isOurs } from "./decide.ts";
import { forgetLimit } from "./maintain.ts";

/** How `verify` accounts for an ended run that the API shows: for each destination one word, or `missing`. */

export const MISSING = "missing";

/** A destination counts as one of the first start if it became known within this of it, in ms. */
const FIRST_START_MARGIN_MS = 300_000;

export interface Standing {
  readonly run: WorkflowRun;
  /** By destination: delivered, partial, quarantined, dropped (from the quarantine, by the user), queued, refetch, `excluded (reason)`, `waiting (reason)` or `missing`. */
  readonly destinations: Readonly<Record<string, string>>;
}

export interface StandingInput {
  readonly context: SourceContext;
  readonly state: SourceState;
  readonly destinations: readonly DestinationState[];
  /** What ended after this, and is not known yet, the running bridge is about to read. */
  readonly unreadSince: Millis;
}

/** Where each of these ended runs stands, in their order. */
export async function standings(input: StandingInput, runs: readonly WorkflowRun[]): Promise<Standing[]> {
  const { store, source } = input.context;
  const records = await store.findRuns(source.name, runs);
  const outcomes = await store.outcomes(source.name, runs);
  const result: Standing[] = [];
  for (const [i, run] of runs.entries()) {
    const whole = wholeRun(input, run, records[i]) ?? (records[i] === undefined ? await unreadable(input, run) : undefined);
    const words = input.destinations.map((destination) => {
      return [destination.name, outcomes[i]?.destinations[destination.name] ?? whole ?? notDelivered(input, run, records[i], destination)];
    });
    result.push({ run, destinations: Object.fromEntries(words) });
  }
  return result;
}

/** What is true of the run for every destination that has nothing of it. */
function wholeRun(input: StandingInput, run: WorkflowRun, record: RunRecord | undefined): string | undefined {
  const { context, state } = input;
  if (record?.placement === "none" || !isOurs(context, run, state.epoch)) {
    if (!context.matches(run)) return "excluded (filtered)";
    return endOf(run) < state.epoch ? "excluded (before_start)" : "excluded (dropped)";
  }
  if (nameRun(run, context.settings).dropped && record === undefined) return "excluded (dropped)";
  if (record?.watch !== undefined && (record.phase === "open" || record.phase === "waiting")) return `waiting (${record.watch.reason})`;
  if (record === undefined && endOf(run) < forgetLimit(context.config, state, context.server.now())) return "excluded (forgotten)";
  if (record === undefined && endOf(run) > input.unreadSince) return "waiting (unread)";
  return undefined;
}

/** It could not be read, or not asked for: in the quarantine, without a destination, or dropped from there. */
async function unreadable({ context: { store } }: StandingInput, run: RunKey): Promise<"quarantined" | "dropped" | undefined> {
  for (const word of ["quarantined", "dropped"] as const) {
    const entries = await store.quarantined({ runId: run.id, dropped: word === "dropped" });
    if (entries.some((entry) => entry.destination === undefined && keyOf(entry.key) === keyOf(run))) return word;
  }
  return undefined;
}

function notDelivered(input: StandingInput, run: WorkflowRun, record: RunRecord | undefined, destination: DestinationState): string {
  const { epoch } = input.state;
  const firstStart = epoch + input.context.config.start_from + FIRST_START_MARGIN_MS;
  const since = destination.since <= firstStart ? epoch : destination.since;
  const collected = record !== undefined && record.parts.length > 0;
  return collected && endOf(run) < since ? "excluded (before_destination)" : MISSING;
}
