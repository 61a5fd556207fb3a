import { distinctRuns, endOf, isTerminal, keyOf, type Millis, type WorkflowRun } from "../model/run.ts";
import type { RunPage, UnreadableEntry } from "../sources/source.ts";
import type { DateReading } from "../state/source-state.ts";
import type { CollectedPart, RunChange, RunRecord } from "../state/store.ts";
import { nameRun } from "../trace/naming.ts";
import type { BackfillArgs } from "./backfill.ts";
import type { BackfillCounts, Counter, WindowCounts } from "./backfill-counts.ts";
import type { EventShelf } from "./backfill-events.ts";
import { collectPage } from "./collect.ts";
import type { SourceContext } from "./context.ts";
import type { PatientSource } from "./patience.ts";
import type { Reader } from "./reader.ts";
import type { Window } from "./windows.ts";

/** One window's pages of a backfill into the state, by the same way as any page: collect.ts. */

export interface BackfillWork {
  readonly reader: Reader;
  readonly source: PatientSource;
  readonly args: BackfillArgs;
  readonly dates: DateReading | undefined;
  readonly shelf: EventShelf | undefined;
  readonly counter: Counter;
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
  const counts = work.counter.of(window);
  const part: WorkflowRun[] = [];
  for (const { runs, unreadable } of pages) {
    await work.reader.context.clock.sleep(0, signal); // answers that have come meanwhile first: whoever waits for them asks on
    if (signal.aborted) return;
    const wanted = distinctRuns(runs).filter((run) => isWanted(work.args, run) && isOfWindow(work, window, run));
    const whole = wanted.filter((run) => isWhole(work, window, run));
    part.push(...wanted.filter((run) => !isWhole(work, window, run)));
    await storeRuns(
      work,
      counts,
      whole.toSorted((a, b) => a.createdAt - b.createdAt),
      unreadable,
      signal,
    );
  }
  await fetchParts(work, counts, distinctRuns(part), signal);
}

/** What the user asked for: the API's filters are not believed. */
export function isWanted({ from, to, workflowUrls, labels, states }: BackfillArgs, run: WorkflowRun): boolean {
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

/** Those that are to be collected. */
async function fetchParts(work: BackfillWork, counts: WindowCounts, parts: readonly WorkflowRun[], signal: AbortSignal): Promise<void> {
  const { todo, known } = await sift(work, parts);
  counts.add({ known: counts.fresh(known).length });
  for (let from = 0; from < todo.length && !signal.aborted; from += PER_REQUEST) {
    const batch = todo.slice(from, from + PER_REQUEST);
    const reply = await work.source.fetch(batch, "backfill", signal);
    if (reply.kind === "aborted") return;
    if (reply.kind !== "ok") {
      counts.add({ lost: batch.length });
      continue;
    }
    work.reader.context.server.observe(reply.serverTime);
    counts.add({ lost: batch.length - reply.value.runs.length - reply.value.unreadable.length });
    await storeRuns(work, counts, reply.value.runs, reply.value.unreadable, signal);
  }
}

const isCollected = (record: RunRecord | undefined): boolean => record?.phase === "collected" || record?.phase === "done";

/** Runs that have ended: those that are to be collected, again or for the first time, and those that stay as they are. */
async function sift(work: BackfillWork, ended: readonly WorkflowRun[]) {
  const { store, source } = work.reader.context;
  const records = await store.findRuns(source.name, ended);
  const before = ended.filter((_, index) => isCollected(records[index]));
  const again = new Set(await wantedAgain(work, before, records.filter(isCollected)));
  const known = new Set(before.filter((run) => !again.has(run)));
  return { todo: ended.filter((run) => !known.has(run)), again: [...again], known: [...known] };
}

async function storeRuns(
  work: BackfillWork,
  counts: WindowCounts,
  shown: readonly WorkflowRun[],
  unreadable: readonly UnreadableEntry[],
  signal: AbortSignal,
): Promise<void> {
  const { context } = work.reader;
  const runs = counts.fresh(shown);
  const { todo, again, known } = await sift(work, runs.filter(isTerminal));
  counts.add({ unreadable: unreadable.length, known: known.length });
  if (work.args.dryRun) return counts.add(countOnly(context, todo, again));
  if (again.length > 0) {
    await context.store.refetch(context.source.name, again, work.args.force, context.server.now() + FALLBACK_MS);
  }
  const left = runs.filter((run) => !known.includes(run));
  counts.add(await collectRuns(work, left, unreadable, undefined, signal));
}

/** A dry run puts nothing anywhere: what a rule would leave out is told apart, and no more. */
function countOnly({ matches, settings }: SourceContext, todo: readonly WorkflowRun[], again: readonly WorkflowRun[]) {
  const isExcluded = (run: WorkflowRun) => !again.includes(run) && (!matches(run) || nameRun(run, settings).dropped);
  const excluded = todo.filter(isExcluded).length;
  return { excluded, queued: todo.length - excluded };
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

/** @param readAt all trees of before are whole. @returns what became of those of them that have ended. @throws StoreError */
export async function collectRuns(
  { reader, shelf }: Pick<BackfillWork, "reader" | "shelf">,
  runs: readonly WorkflowRun[],
  unreadable: readonly UnreadableEntry[],
  readAt: Millis | undefined,
  signal: AbortSignal,
): Promise<Pick<BackfillCounts, "queued" | "excluded" | "waiting" | "known" | "spans">> {
  const counts = { queued: 0, excluded: 0, waiting: 0, known: 0, spans: 0 };
  if (runs.length === 0 && unreadable.length === 0) return counts;
  const { observer: _, ...context } = reader.context; // no metrics of ends that are long over
  const details = shelf && ((pending: readonly WorkflowRun[]) => shelf.details(pending, signal));
  const input = { runs, unreadable, epoch: 0, readAt, feed: reader.feedTrusted(), past: true, warned: reader.memory.warned, details };
  const { stored } = await collectPage(context, input, signal);
  for (const { parts = [] } of stored) counts.spans += parts.reduce((sum, part) => sum + (isQueued(part) ? part.spans : 0), 0);
  const changes = new Map(stored.map((change) => [keyOf(change.key), change]));
  for (const run of distinctRuns(runs).filter(isTerminal)) counts[becameOf(context, run, changes.get(keyOf(run)))] += 1;
  return counts;
}

/** Nothing is stored of what lies outside the source's filters, nor of what the running bridge collected meanwhile. */
function becameOf({ matches }: Pick<SourceContext, "matches">, run: WorkflowRun, change: RunChange | undefined) {
  if (change === undefined) return matches(run) ? "known" : "excluded";
  const { phase, parts = [] } = change;
  if (phase === "open" || phase === "waiting") return "waiting";
  return parts.some(isQueued) ? "queued" : "excluded";
}

const isQueued = ({ deliveries }: CollectedPart): boolean => deliveries.some(({ excluded }) => excluded === undefined);
