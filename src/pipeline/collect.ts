import { distinctRuns, isTerminal, keyOf, type Millis, type WorkflowRun } from "../model/run.ts";
import type { UnreadableEntry } from "../sources/source.ts";
import type { PageCommit, RunChange, RunRecord } from "../state/store.ts";
import type { SourceContext } from "./context.ts";
import { decide, isExported, isOurs, type Page } from "./decide.ts";
import { resolvePlacements } from "./place.ts";
import { treeFacts } from "./sampling.ts";

/**
 * Turns one page of runs into one transaction: what has not ended goes into the open set, what has ended
 * is placed, mapped, encoded and queued, and the source's state moves with it. A run that was collected
 * before is not collected again; only its failure function may still follow.
 */

export interface PageInput {
  readonly runs: readonly WorkflowRun[];
  readonly unreadable?: readonly UnreadableEntry[];
  readonly epoch: Millis;
  /** What the API keeps, in ms, as far as it was learnt. */
  readonly retention?: number | undefined;
  /** A trusted feed will name what ends. */
  readonly feed: boolean;
}

export interface PageResult {
  /** Runs of the page that were not known before and are ours to follow. */
  readonly fresh: readonly WorkflowRun[];
  /** Runs of the page that have ended and whose end nothing had named before. */
  readonly unnamed: readonly WorkflowRun[];
  readonly collected: number;
}

/** @throws StoreError where the state cannot be written; nothing of the page has then happened. */
export async function collectPage(context: SourceContext, input: PageInput, signal: AbortSignal): Promise<PageResult> {
  const { store, source } = context;
  const runs = distinctRuns(input.runs);
  const known = new Map<string, RunRecord>();
  for (const record of await store.findRuns(source.name, runs)) if (record !== undefined) known.set(keyOf(record.key), record);
  const fresh = runs.filter((run) => !known.has(keyOf(run)) && isOurs(context, run, input.epoch));
  const exported = (run: WorkflowRun) => isExported(context, run, input.epoch);
  const pending = runs.filter((run) => isTerminal(run) && needsPlacement(known.get(keyOf(run))));
  const { fetched, resolutions } = await resolvePlacements(context, pending, runs, known, exported, signal);
  const all = distinctRuns([...runs, ...fetched]);
  const page: Page = {
    context,
    known,
    rules: { interval: context.config.poll_interval, maxInterval: context.config.open_run_max_interval, feed: input.feed },
    now: context.server.now(),
    room: await context.hasRoom(),
    epoch: input.epoch,
    trees: await treeFacts(context, input.retention, all, resolutions),
  };
  const decisions = all.map((run) => decide(page, run, resolutions.get(keyOf(run))));
  const changes = decisions.flatMap((decision) => (decision.change ? [decision.change] : []));
  const commit = pageCommit(context, input, changes, sum(decisions.map((decision) => decision.counts ?? {})));
  if (commit !== undefined) await store.commit(commit);
  const collected = changes.filter((change) => (change.parts?.length ?? 0) > 0).length;
  if (collected > 0) context.onQueued();
  const unnamed = runs.filter((run) => isTerminal(run) && isUnnamed(known.get(keyOf(run))));
  return { fresh, unnamed, collected };
}

function pageCommit(
  context: SourceContext,
  input: PageInput,
  runs: readonly RunChange[],
  counts: Record<string, number>,
): PageCommit | undefined {
  const unreadable = (input.unreadable ?? []).flatMap((entry) =>
    entry.key === undefined
      ? []
      : [{ key: entry.key, reason: entry.reason.startsWith("too_large") ? "too_large" : "unreadable", message: entry.reason }],
  );
  for (const entry of input.unreadable ?? []) {
    context.log.warn(
      { source: context.source.name, position: entry.position, reason: entry.reason, run: entry.key?.id },
      "a run could not be read",
    );
  }
  if (runs.length === 0 && unreadable.length === 0) return undefined;
  const total = { ...counts, ...(unreadable.length > 0 && { unreadable: unreadable.length }) };
  return { source: context.source.name, runs, counts: total, unreadable };
}

function needsPlacement(record: RunRecord | undefined): boolean {
  return record === undefined || record.phase === "open" || record.phase === "waiting" || record.phase === "gone";
}

function isUnnamed(record: RunRecord | undefined): boolean {
  return record === undefined || (record.phase === "open" && record.watch?.reason !== "ended");
}

function sum(counts: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const total: Record<string, number> = {};
  for (const count of counts) for (const [name, value] of Object.entries(count)) total[name] = (total[name] ?? 0) + value;
  return total;
}
