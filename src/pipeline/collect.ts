import { distinctRuns, endOf, isSettled, isTerminal, keyOf, type Millis, type WorkflowRun } from "../model/run.ts";
import type { UnreadableEntry } from "../sources/source.ts";
import { type PageCommit, type RunChange, type RunRecord, StoreError } from "../state/store.ts";
import type { CollectedRun } from "../telemetry/observation.ts";
import { childEnds, invokedBy } from "../trace/child-ends.ts";
import { traceId } from "../trace/ids.ts";
import { guessedHost, nameRun } from "../trace/naming.ts";
import type { ChildEnd } from "../trace/timeline-statement.ts";
import type { SourceContext } from "./context.ts";
import { decide, isExported, isOurs, type Page } from "./decide.ts";
import { type DetailReading, type Details, findDetails } from "./detail.ts";
import { isLateFailure } from "./failure-function.ts";
import { addMarks, findMarks } from "./marks.ts";
import { type Resolution, resolvePlacements } from "./place.ts";
import { treeFacts } from "./sampling.ts";
import { isNews, unreadableRows } from "./unreadable.ts";

/**
 * Turns one page of runs into one transaction: what has not ended goes into the open set, what has ended
 * is placed, mapped, encoded and queued, and the source's state moves with it. A run that was collected
 * before is not collected again; only its failure function may still follow, and its repetitions (failure-function.ts).
 */

export interface PageInput {
  readonly runs: readonly WorkflowRun[];
  readonly unreadable?: readonly UnreadableEntry[];
  /** What ended before is none of ours. */
  readonly epoch: Millis;
  /** What the API keeps, in ms, as far as it was learnt. */
  readonly retention?: number | undefined;
  /** All that happened before was read. */
  readonly readAt?: Millis | undefined;
  /** A trusted feed will name what ends. */
  readonly feed: boolean;
  /** How far the message log was read, where it is to be used. */
  readonly detail?: DetailReading | undefined;
  /** The runs were met in a listing: that leaves alone what is to be asked for at a time of its own. */
  readonly listed?: boolean;
  /** Tells what the message log says of runs, instead of what the feed has stored. */
  readonly details?: ((runs: readonly WorkflowRun[]) => Promise<Details>) | undefined;
  /** They are history (`backfill`): their trees are read at last and not yet, and who invoked one is shown now or never. */
  readonly past?: boolean;
  /** Entries that were warned about; added to. */
  readonly warned?: Set<string>;
}

export interface PageResult {
  /** Runs of the page that were not known before and are ours to follow. */
  readonly fresh: readonly WorkflowRun[];
  /** Runs of the page that have ended and whose end nothing had named before. */
  readonly unnamed: readonly WorkflowRun[];
  readonly collected: number;
  /** What was decided and stored, also of ancestors. */
  readonly stored: readonly RunChange[];
  /** A run of it has to wait until there is room for its payload. */
  readonly lacksRoom: boolean;
}

/** @throws StoreError where the state cannot be written; nothing of the page has then happened. */
export async function collectPage(context: SourceContext, input: PageInput, signal: AbortSignal): Promise<PageResult> {
  const { store, source } = context;
  const shown = distinctRuns(input.runs);
  const known = new Map<string, RunRecord>();
  for (const record of await store.findRuns(source.name, shown)) if (record !== undefined) known.set(keyOf(record.key), record);
  const runs = shown.filter((run) => !input.listed || !hasItsTime(known.get(keyOf(run))));
  const epochOf = (run: WorkflowRun) => (isFollowed(run, known.get(keyOf(run))) ? Number.NEGATIVE_INFINITY : input.epoch);
  const exported = (run: WorkflowRun) => isExported(context, run, epochOf(run));
  const pending = runs.filter((run) => isTerminal(run) && needsPlacement(known.get(keyOf(run))));
  const { fetched, resolutions } = await resolvePlacements({ ...context, past: input.past }, pending, runs, known, exported, signal);
  const all = distinctRuns([...runs, ...fetched]);
  const page = {
    ...(await pageOf(context, input, known, all, resolutions)),
    details: await detailsOf(context, input, known, all, resolutions, signal),
  };
  const decided = decideAll(page, all, resolutions);
  const stored = await commitPage(context, pageCommit(context, input, decided.changes, decided.counts), () =>
    decideAll({ ...page, room: false }, all, resolutions),
  );
  tell(context, stored, decided.collected);
  warnOfGuesses(context, all.filter(exported), input.warned);
  const collected = stored.filter((change) =>
    change.parts?.some((part) => !known.get(keyOf(change.key))?.parts.includes(part.part)),
  ).length;
  if (collected > 0) context.onQueued();
  return {
    fresh: shown.filter((run) => !known.has(keyOf(run)) && isOurs(context, run, input.epoch)),
    unnamed: shown.filter((run) => isTerminal(run) && isUnnamed(known.get(keyOf(run)))),
    collected,
    stored,
    lacksRoom: stored.some((change) => change.watch?.reason === "room"),
  };
}

async function pageOf(
  context: SourceContext,
  input: PageInput,
  known: ReadonlyMap<string, RunRecord>,
  all: readonly WorkflowRun[],
  resolutions: ReadonlyMap<string, Resolution>,
): Promise<Omit<Page, "details">> {
  const { config, server, store, source, hasRoom } = context;
  const failed = all.filter((run) => isLateFailure(run, known.get(keyOf(run))));
  const outcomes = await store.outcomes(source.name, failed);
  return {
    context,
    known,
    rules: {
      interval: config.poll_interval,
      maxInterval: config.open_run_max_interval,
      feed: input.feed,
      verdictAfter: input.past ? VERDICT_AFTER_MS : 0,
    },
    now: server.now(),
    room: await hasRoom(),
    epoch: input.epoch,
    marks: await findMarks(context, all),
    childEnd: await childEndsOf(context, all),
    trees: await treeFacts(context, input, all, resolutions),
    outcomes: new Map(failed.map((run, index) => [keyOf(run), outcomes[index]?.destinations ?? {}])),
  };
}

/** On the same page, or collected before: an invoked run ends before its invoker goes on. */
async function childEndsOf({ store, source }: SourceContext, all: readonly WorkflowRun[]): Promise<ChildEnd> {
  const ended = all.filter(isTerminal);
  const before = await store.findRuns(source.name, invokedBy(ended));
  return childEnds([...before.filter((record) => record !== undefined), ...ended.map((run) => ({ key: run, endedAt: endOf(run) }))]);
}

async function detailsOf(
  context: SourceContext,
  input: PageInput,
  known: ReadonlyMap<string, RunRecord>,
  all: readonly WorkflowRun[],
  resolutions: ReadonlyMap<string, Resolution>,
  signal: AbortSignal,
): Promise<Details> {
  if (!(await context.hasRoom())) return new Map();
  const placed = all.filter((run) => isTerminal(run) && resolutions.get(keyOf(run))?.kind === "placed");
  const pending = placed.filter((run) => needsPlacement(known.get(keyOf(run))));
  // its events went with the run: that its failure function begins where the run ended, the log is asked once more
  const late = all.filter((run) => run.failureFunction && isSettled(run.failureFunction) && isLateFailure(run, known.get(keyOf(run))));
  const now = input.detail && { ...input.detail, patient: false };
  return new Map([
    ...(await (input.details?.(pending) ?? findDetails(context, input.detail, pending, known, signal))),
    ...(await findDetails(context, now, late, known, signal)),
  ]);
}

/** In the order of their ends: one that links to another finds it even where both came on this page. */
function decideAll(page: Page, runs: readonly WorkflowRun[], resolutions: ReadonlyMap<string, Resolution>) {
  const marks = new Map(page.marks);
  const decisions = runs
    .toSorted((a, b) => endOf(a) - endOf(b))
    .map((run) => {
      const decision = decide({ ...page, marks }, run, resolutions.get(keyOf(run)));
      addMarks(marks, decision.change?.marks ?? []);
      return decision;
    });
  const changes = decisions.flatMap(({ change }) => change ?? []);
  const discovered = changes.filter(({ key }) => !page.known.has(keyOf(key))).length;
  const counts: Record<string, number> = discovered > 0 ? { discovered } : {};
  for (const [name, value] of decisions.flatMap((decision) => Object.entries(decision.counts ?? {})))
    counts[name] = (counts[name] ?? 0) + value;
  return { changes, counts, collected: decisions.flatMap(({ collected }) => collected ?? []) };
}

/** One line for each run whose spans were stored, and word to the observer of those that were so for the first time. */
function tell({ log, source, observer }: SourceContext, stored: readonly RunChange[], collected: readonly CollectedRun[]): void {
  const queued = new Set<string>();
  for (const { key, parts, tree } of stored) {
    if (parts === undefined || parts.length === 0) continue;
    queued.add(keyOf(key));
    if (!log.isLevelEnabled("debug")) continue;
    log.debug(
      { source: source.name, run: key.id, createdAt: key.createdAt, traceId: tree?.traceId ?? traceId(key.id, key.createdAt) },
      "run collected",
    );
  }
  for (const run of collected) if (queued.has(keyOf(run.key))) observer?.collected(run);
}

/** A disk that is full takes no payload, but perhaps what is needed to go on following runs. @returns what was stored */
async function commitPage(
  { store }: SourceContext,
  commit: PageCommit | undefined,
  withoutPayloads: () => Pick<ReturnType<typeof decideAll>, "changes" | "counts">,
): Promise<readonly RunChange[]> {
  if (commit === undefined) return [];
  try {
    await store.commit(commit);
    return commit.runs;
  } catch (error) {
    if (!(error instanceof StoreError) || error.kind !== "full") throw error;
    const { changes, counts } = withoutPayloads();
    await store.commit({ ...commit, runs: changes, counts });
    return changes;
  }
}

function pageCommit(
  context: SourceContext,
  { unreadable = [], warned = new Set() }: PageInput,
  runs: readonly RunChange[],
  counts: Readonly<Record<string, number>>,
): PageCommit | undefined {
  if (runs.length === 0 && unreadable.length === 0) return undefined;
  return { source: context.source.name, runs, counts, unreadable: unreadableRows(context, unreadable, warned) };
}

/** Once per host whose service name is only a guess: it changes with every deployment, or says nothing. */
function warnOfGuesses({ source, log, settings }: SourceContext, runs: readonly WorkflowRun[], warned = new Set<string>()): void {
  for (const run of runs) {
    const host = guessedHost(run, settings);
    if (host === undefined || !isNews(warned, `host ${host}`)) continue;
    const service = nameRun(run, settings).serviceName;
    log.warn(
      { source: source.name, host, service },
      "runs of this host have no name of their own: a rule under workflows may set a service_name",
    );
  }
}

/** A tree that is being backfilled is whole by then; the backfill itself asks for it before, when it has come to its end. */
const VERDICT_AFTER_MS = 3_600_000;

/**
 * One that waits was ours when it began to, perhaps for a backfill; and one that was open, and does not say when it
 * ended, ended after it was followed, however old the last thing is that it shows.
 */
function isFollowed(run: WorkflowRun, record: RunRecord | undefined): boolean {
  return record?.phase === "waiting" || (record?.phase === "open" && run.completedAt === undefined);
}

/** It waits for something, or for its failure function: a listing says nothing new about it. */
function hasItsTime(record: RunRecord | undefined): boolean {
  return record?.watch !== undefined && (record.phase === "waiting" || record.phase === "collected");
}

function needsPlacement(record: RunRecord | undefined): boolean {
  return record === undefined || record.phase === "open" || record.phase === "waiting" || record.phase === "gone";
}

function isUnnamed(record: RunRecord | undefined): boolean {
  return record === undefined || (record.phase === "open" && record.watch?.reason !== "ended");
}
