import { distinctRuns, endOf, isTerminal, keyOf, type Millis, type RunKey, type WorkflowRun } from "../model/run.ts";
import type { RunPage, UnreadableEntry } from "../sources/source.ts";
import type { SourceState } from "../state/source-state.ts";
import type { RunRecord, Store } from "../state/store.ts";
import { collectPage } from "./collect.ts";
import type { SourceContext } from "./context.ts";
import { type DetailReading, wantsDetail } from "./detail.ts";
import { type Paging, readPages } from "./paging.ts";
import { MISSING, type Standing, type StandingInput, standings } from "./standing.ts";

/**
 * Compares what the API shows with what was delivered: lists everything (no filter of the API's is relied on) and
 * looks up each run that ended in the window. With `repair`, what is missing is collected like any page; a
 * destination that had a run before gets it no second time, because the store sees to that.
 */
export interface VerifyWindow {
  readonly from: Millis;
  readonly to: Millis;
  readonly repair: boolean;
  /** See {@link StandingInput}. */
  readonly unreadSince: Millis;
}

export interface SourceVerification {
  readonly source: string;
  /** Runs that the API showed, and those of them that ended in the window. */
  readonly listed: number;
  readonly ended: number;
  /** Runs that have not ended. */
  readonly open: number;
  /** Entries that are no run. */
  readonly unreadable: number;
  /** By destination: how many runs by what became of them. */
  readonly destinations: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly missing: { readonly runs: number; readonly first: readonly MissingRun[] };
  /** Runs that were missing and were collected now. */
  readonly repaired: { readonly runs: number; readonly first: readonly RunKey[] };
  /** Why the listing is not complete. */
  readonly trouble?: string;
}

export interface MissingRun extends RunKey {
  readonly endedAt: Millis;
  readonly destinations: readonly string[];
}

/** Run ids that are named; all of them are counted. */
const NAMED = 10_000;
const PAGE = 10;
/** A listing whose cursor expires is begun again so often. */
const RESTARTS = 3;

export async function verifySource(
  context: SourceContext,
  window: VerifyWindow,
  report: (listed: number) => Promise<void>,
  signal: AbortSignal,
): Promise<SourceVerification> {
  const state = await context.store.readSource(context.source.name);
  if (state === undefined) return result(context.source.name, createTally(), "the bridge has not read it yet");
  const destinations = (await context.store.destinations()).filter((one) => one.removedAt === undefined);
  const input: StandingInput = { context, state, destinations, unreadSince: window.unreadSince };
  let tally = createTally();
  const paging: Paging = {
    query: { count: PAGE },
    purpose: "backfill",
    restarts: RESTARTS,
    onRestart() {
      tally = createTally(tally);
    },
    async visit(reply) {
      context.server.observe(reply.serverTime);
      await verifyPage(input, window, reply.value, tally, signal);
      await report(tally.listed);
      return false;
    },
  };
  const { trouble } = await readPages(context.source, paging, signal);
  return result(context.source.name, tally, trouble?.message);
}

async function verifyPage(input: StandingInput, window: VerifyWindow, page: RunPage, tally: Tally, signal: AbortSignal): Promise<void> {
  const runs = distinctRuns(page.runs);
  tally.listed += runs.length + page.unreadable.length;
  tally.unreadable += page.unreadable.length;
  tally.open += runs.filter((run) => !isTerminal(run)).length;
  const ended = runs.filter((run) => isTerminal(run) && endOf(run) >= window.from && endOf(run) <= window.to);
  const before = await standings(input, ended);
  const missing = before.filter(isMissing).map(({ run }) => run);
  if (!window.repair || (missing.length === 0 && page.unreadable.length === 0)) return count(tally, before);
  await repair(input, missing, page.unreadable, signal);
  const after = await standings(input, ended);
  count(tally, after);
  const lacking = new Set(after.filter(isMissing).map(({ run }) => keyOf(run)));
  for (const { id, createdAt } of missing) if (!lacking.has(keyOf({ id, createdAt }))) addNamed(tally.repaired, { id, createdAt });
}

const isMissing = ({ destinations }: Standing): boolean => Object.values(destinations).includes(MISSING);

async function repair(
  { context, state }: StandingInput,
  missing: readonly WorkflowRun[],
  unreadable: readonly UnreadableEntry[],
  signal: AbortSignal,
): Promise<void> {
  const wanted = new Set(missing.map(keyOf));
  const page = {
    runs: missing,
    unreadable,
    epoch: state.epoch,
    retention: state.learnedRetentionMs,
    feed: state.feed?.status === "trusted",
    detail: detailOf(context, state),
  };
  await collectPage({ ...context, store: notCollected(context.store, wanted) }, page, signal);
}

/** As the daemon reads, so that the same spans come of it; nothing is waited for, and the log asked for each run alone. */
function detailOf({ config }: SourceContext, { feed }: SourceState): DetailReading | undefined {
  if (feed?.status !== "trusted" || feed.detailFrom === undefined || !wantsDetail(config)) return undefined;
  return { from: feed.detailFrom, readAt: undefined, patient: false };
}

/** The store as it looks if these runs were never collected: then they are collected again for whoever lacks them. */
function notCollected(store: Store, wanted: ReadonlySet<string>): Store {
  const asWaiting = (record: RunRecord | undefined) =>
    record !== undefined && wanted.has(keyOf(record.key)) ? { ...record, phase: "waiting" as const } : record;
  return { ...store, findRuns: async (source, keys) => (await store.findRuns(source, keys)).map(asWaiting) };
}

interface Named<T> {
  runs: number;
  readonly first: T[];
}

interface Tally {
  listed: number;
  open: number;
  unreadable: number;
  readonly ended: Set<string>;
  readonly destinations: Record<string, Record<string, number>>;
  readonly missing: Named<MissingRun>;
  readonly repaired: Named<RunKey>;
}

/** What was repaired in an earlier attempt stays so. */
function createTally(before?: Tally): Tally {
  const repaired = before?.repaired ?? { runs: 0, first: [] };
  return { listed: 0, open: 0, unreadable: 0, ended: new Set(), destinations: {}, missing: { runs: 0, first: [] }, repaired };
}

function addNamed<T>(list: Named<T>, entry: T): void {
  list.runs += 1;
  if (list.first.length < NAMED) list.first.push(entry);
}

function count(tally: Tally, all: readonly Standing[]): void {
  for (const { run, destinations } of all) {
    if (tally.ended.has(keyOf(run))) continue;
    tally.ended.add(keyOf(run));
    const lacking = Object.entries(destinations).filter(([, word]) => word === MISSING);
    for (const [name, word] of Object.entries(destinations)) {
      tally.destinations[name] ??= {};
      const words = tally.destinations[name];
      words[word] = (words[word] ?? 0) + 1;
    }
    if (lacking.length === 0) continue;
    const { id, createdAt } = run;
    addNamed(tally.missing, { id, createdAt, endedAt: endOf(run), destinations: lacking.map(([name]) => name) });
  }
}

function result(source: string, tally: Tally, trouble?: string): SourceVerification {
  const { ended, ...rest } = tally;
  return { source, ...rest, ended: ended.size, ...(trouble !== undefined && { trouble }) };
}
