import { distinctRuns, endOf, isTerminal, keyOf, type Millis, type RunKey, type WorkflowRun } from "../model/run.ts";
import type { RunPage, UnreadableEntry } from "../sources/source.ts";
import type { DateReading } from "../state/source-state.ts";
import type { RunRecord } from "../state/store.ts";
import { nameRun } from "../trace/naming.ts";
import type { BackfillArgs } from "./backfill.ts";
import type { EventShelf } from "./backfill-events.ts";
import { collectPage } from "./collect.ts";
import type { SourceContext } from "./context.ts";
import type { PatientSource } from "./patience.ts";
import type { Reader } from "./reader.ts";
import type { Window } from "./windows.ts";

/** One window's pages of a backfill into the state, by the same way as any page: collect.ts. */

/** What a backfill has seen and done; each run counts once, as far as the API shows it once. */
export interface BackfillCounts {
  /** In the range, and as the user asked for. */
  readonly runs: number;
  /** Of those: not ended yet · had been collected before · put into the queue now · excluded by a rule of the user's. */
  readonly running: number;
  readonly known: number;
  readonly queued: number;
  readonly excluded: number;
  /** Entries that are no run; runs that the API shows and does not give. */
  readonly unreadable: number;
  readonly lost: number;
  /** Spans that were queued, with those of runs that were fetched because they invoked others. */
  readonly spans: number;
}

export const NO_COUNTS: BackfillCounts = { runs: 0, running: 0, known: 0, queued: 0, excluded: 0, unreadable: 0, lost: 0, spans: 0 };

export interface BackfillWork {
  readonly reader: Reader;
  readonly source: PatientSource;
  readonly args: BackfillArgs;
  readonly dates: DateReading | undefined;
  readonly shelf: EventShelf | undefined;
  counts: Record<keyof BackfillCounts, number>;
}

const PER_REQUEST = 10;
/** How often room for payloads is looked for, in ms. */
const ROOM_EVERY_MS = 500;
/** What is collected again is collected at once; the daemon would do it after this, should we end before. */
const FALLBACK_MS = 3_600_000;

/** Payloads that have no room are not collected: the next page waits until some were delivered. */
export async function waitForRoom({ hasRoom, clock }: Pick<SourceContext, "hasRoom" | "clock">, signal: AbortSignal): Promise<void> {
  while (!signal.aborted && !(await hasRoom())) await clock.sleep(ROOM_EVERY_MS, signal);
}

/** @param pages oldest first. @throws StoreError */
export async function storeWindow(work: BackfillWork, window: Window, pages: readonly RunPage[], signal: AbortSignal): Promise<void> {
  const part: RunKey[] = [];
  for (const { runs, unreadable } of pages) {
    await work.reader.context.clock.sleep(0, signal); // answers that have come meanwhile first: whoever waits for them asks on
    if (signal.aborted) return;
    const wanted = distinctRuns(runs).filter((run) => isWanted(work.args, run) && isOfWindow(work, window, run));
    const whole = wanted.filter((run) => isWhole(work, window, run));
    part.push(...wanted.filter((run) => !isWhole(work, window, run)));
    await storeRuns(
      work,
      whole.toSorted((a, b) => a.createdAt - b.createdAt),
      unreadable,
      signal,
    );
  }
  await fetchParts(work, part, signal);
}

/** What the user asked for: the API's filters are not believed. */
function isWanted({ from, to, workflowUrls, labels, states }: BackfillArgs, run: WorkflowRun): boolean {
  if (run.createdAt < from || run.createdAt > to) return false;
  if (workflowUrls.length > 0 && !workflowUrls.includes(run.url)) return false;
  if (labels.length > 0 && !run.labels.some((label) => labels.includes(label))) return false;
  return states.length === 0 || states.includes(run.state);
}

/** Where every run is shown in the window of its creation, it is that window's. */
function isOfWindow({ dates }: BackfillWork, { from, to }: Window, { createdAt }: WorkflowRun): boolean {
  return (dates !== "creation" && dates !== "event") || (createdAt >= from && createdAt <= to);
}

/** A window of events might show only those events of a run that lie in it: what reaches beyond is asked for by its id. */
function isWhole({ dates }: BackfillWork, { from, to }: Window, run: WorkflowRun): boolean {
  if (dates === "creation" || !isTerminal(run)) return true;
  return run.createdAt >= from && endOf(run) <= to;
}

/** Unless they are known to have been collected: in an unproved reading a run may be shown in many windows. */
async function fetchParts(work: BackfillWork, keys: readonly RunKey[], signal: AbortSignal): Promise<void> {
  const { store, source } = work.reader.context;
  const records = await store.findRuns(source.name, keys);
  const asked = keys.filter((_, index) => work.args.force || !isCollected(records[index]));
  work.counts.runs += work.dates === undefined ? 0 : keys.length - asked.length;
  work.counts.known += work.dates === undefined ? 0 : keys.length - asked.length;
  for (let from = 0; from < asked.length && !signal.aborted; from += PER_REQUEST) {
    const batch = asked.slice(from, from + PER_REQUEST);
    const reply = await work.source.fetch(batch, "backfill", signal);
    if (reply.kind === "aborted") return;
    if (reply.kind !== "ok") {
      work.counts.lost += batch.length;
      continue;
    }
    work.reader.context.server.observe(reply.serverTime);
    work.counts.lost += batch.length - reply.value.runs.length - reply.value.unreadable.length;
    await storeRuns(work, reply.value.runs, reply.value.unreadable, signal);
  }
}

const isCollected = (record: RunRecord | undefined): boolean => record?.phase === "collected" || record?.phase === "done";

async function storeRuns(
  work: BackfillWork,
  runs: readonly WorkflowRun[],
  unreadable: readonly UnreadableEntry[],
  signal: AbortSignal,
): Promise<void> {
  const { counts, reader, args } = work;
  const { context } = reader;
  counts.runs += runs.length;
  counts.unreadable += unreadable.length;
  counts.running += runs.filter((run) => !isTerminal(run)).length;
  const ended = runs.filter(isTerminal);
  const records = await context.store.findRuns(context.source.name, ended);
  const before = ended.filter((_, index) => isCollected(records[index]));
  const again = await wantedAgain(work, before, records.filter(isCollected));
  counts.known += before.length - again.length;
  if (args.dryRun)
    return countOnly(
      work,
      ended.length - before.length + again.length,
      ended.filter((run) => !before.includes(run)),
    );
  if (again.length > 0) {
    await context.store.refetch(context.source.name, again, args.force, context.server.now() + FALLBACK_MS);
  }
  const todo = new Set([...ended.filter((run) => !before.includes(run)), ...again].map(keyOf));
  await collectRuns(
    work,
    runs.filter((run) => !isTerminal(run) || todo.has(keyOf(run))),
    unreadable,
    undefined,
    signal,
  );
}

/** A dry run puts nothing anywhere: what a rule would leave out is told apart, and no more. */
function countOnly({ counts, reader: { context } }: BackfillWork, todo: number, fresh: readonly WorkflowRun[]): void {
  const excluded = fresh.filter((run) => !context.matches(run) || nameRun(run, context.settings).dropped).length;
  counts.excluded += excluded;
  counts.queued += todo - excluded;
}

/** Of runs that were collected before: with `--force` all that were exported, else those of which a destination has nothing. */
async function wantedAgain(
  { args, reader: { context } }: BackfillWork,
  runs: readonly WorkflowRun[],
  records: readonly (RunRecord | undefined)[],
): Promise<readonly WorkflowRun[]> {
  if (runs.length === 0) return [];
  const outcomes = await context.store.outcomes(context.source.name, runs);
  const names = context.destinations.map(({ name }) => name);
  return runs.filter((_, index) => {
    if (records[index]?.placement === "none") return false;
    return args.force || names.some((name) => outcomes[index]?.destinations[name] === undefined);
  });
}

/** @param readAt all trees of before are whole. @throws StoreError */
export async function collectRuns(
  { counts, reader, shelf }: Pick<BackfillWork, "counts" | "reader" | "shelf">,
  runs: readonly WorkflowRun[],
  unreadable: readonly UnreadableEntry[],
  readAt: Millis | undefined,
  signal: AbortSignal,
): Promise<void> {
  if (runs.length === 0 && unreadable.length === 0) return;
  const { observer: _, ...context } = reader.context; // no metrics of ends that are long over
  const details = shelf && ((pending: readonly WorkflowRun[]) => shelf.details(pending, signal));
  const input = { runs, unreadable, epoch: 0, readAt, feed: reader.feedTrusted(), past: true, warned: reader.memory.warned, details };
  const { stored } = await collectPage(context, input, signal);
  const asked = new Set(runs.filter(isTerminal).map(keyOf));
  for (const { key, parts = [], placement } of stored) {
    counts.spans += parts.reduce((sum, part) => sum + part.spans, 0);
    if (!asked.delete(keyOf(key))) continue;
    if (parts.some(({ deliveries }) => deliveries.some(({ excluded }) => excluded === undefined))) counts.queued += 1;
    else if (parts.length > 0 || placement === "none") counts.excluded += 1;
  }
  counts.excluded += asked.size; // outside the source's filters: nothing is stored of those
}
