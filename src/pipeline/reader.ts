import { keyOf, type Millis, type RunKey } from "../model/run.ts";
import type { Purpose, Reply, RunPage, RunQuery } from "../sources/source.ts";
import { type RunChange, type SourceState, StoreError, type WatchedRun } from "../state/store.ts";
import { collectPage, type PageResult } from "./collect.ts";
import type { SourceContext } from "./context.ts";
import { watchAbsent } from "./watch.ts";

/**
 * What reading one source has in common, whatever is being read: its state, pages into the state, and
 * asking for runs by their ids. The rules of what is read when are in poll.ts, feed.ts and sweep.ts.
 */
export interface Reader {
  readonly context: SourceContext;
  /** As stored; `save` replaces it together with a page, or alone. */
  readonly state: () => SourceState;
  readonly save: (change: Partial<SourceState>) => Promise<void>;
  /** True while a trusted feed names what ends. */
  readonly feedTrusted: () => boolean;
}

/** Why reading stopped short. `storage` and `unavailable` pass by themselves: nothing has moved, it is read again. */
export type Trouble = { readonly kind: "unavailable" | "refused" | "storage" | "aborted"; readonly message: string };

/** The state of a source that was never read before: what ended from now − start_from on is ours. */
export function firstState(now: Millis, startFrom: number): SourceState {
  return { epoch: now - startFrom };
}

export async function openReader(context: SourceContext): Promise<Reader> {
  const { store, source, config, server, log } = context;
  let state = await store.readSource(source.name);
  if (state === undefined) {
    state = firstState(server.now(), config.start_from);
    await store.commit({ source: source.name, state, runs: [] });
    log.info({ source: source.name, epoch: new Date(state.epoch).toISOString() }, "first start: runs that ended since then are followed");
  }
  let current = state;
  return {
    context,
    state: () => current,
    async save(change) {
      const next = { ...current, ...change };
      await store.commit({ source: source.name, state: next, runs: [] });
      current = next;
    },
    feedTrusted: () => current.feed?.status === "trusted",
  };
}

export interface Listing {
  readonly query: Omit<RunQuery, "cursor">;
  readonly purpose: Purpose;
  /** True once everything from here on (older) is of no interest. */
  readonly isEnough: (page: RunPage, stored: PageResult) => boolean;
  /** Called after each page was stored. */
  readonly onPage?: (page: RunPage, stored: PageResult) => Promise<void>;
  readonly cursor?: string | undefined;
  readonly maxPages?: number;
}

export interface ListingResult {
  /** The listing came to its end (or to what is enough); false: there is more behind `cursor`. */
  readonly complete: boolean;
  readonly cursor?: string;
  readonly trouble?: Trouble;
  readonly expired?: boolean;
  readonly newestCreatedAt?: Millis;
  readonly oldestCreatedAt?: Millis;
  readonly runs: number;
  readonly collected: number;
}

/** Pages through the grouped log, newest first, and stores every page as it comes. */
export async function listRuns(reader: Reader, listing: Listing, signal: AbortSignal): Promise<ListingResult> {
  const seen = new Set<string>();
  let result: ListingResult = { complete: false, runs: 0, collected: 0, ...(listing.cursor !== undefined && { cursor: listing.cursor }) };
  for (let pages = 0; pages < (listing.maxPages ?? Number.POSITIVE_INFINITY); pages += 1) {
    const { cursor } = result;
    const reply = await reader.context.source.list({ ...listing.query, ...(cursor !== undefined && { cursor }) }, listing.purpose, signal);
    if (reply.kind !== "ok") {
      const expired = cursor !== undefined && reply.kind === "refused" && reply.reason === "bad_request";
      return { ...result, trouble: troubleOf(reply), ...(expired && { expired }) };
    }
    const stored = await storePage(reader, reply, signal);
    if ("kind" in stored) return { ...result, trouble: stored };
    const page = reply.value;
    result = progress(result, page, stored.collected);
    await listing.onPage?.(page, stored);
    if (page.cursor === undefined || listing.isEnough(page, stored)) return { ...result, complete: true };
    if (seen.has(page.cursor))
      return { ...result, trouble: { kind: "refused", message: "the API repeats a cursor: its paging does not end" } };
    seen.add(page.cursor);
  }
  return result;
}

function progress(before: ListingResult, page: RunPage, collected: number): ListingResult {
  const created = page.runs.map((run) => run.createdAt);
  const { cursor: _, ...rest } = before;
  return {
    ...rest,
    ...(page.cursor !== undefined && { cursor: page.cursor }),
    ...(created.length > 0 && {
      newestCreatedAt: Math.max(before.newestCreatedAt ?? Number.NEGATIVE_INFINITY, ...created),
      oldestCreatedAt: Math.min(before.oldestCreatedAt ?? Number.POSITIVE_INFINITY, ...created),
    }),
    runs: before.runs + page.runs.length,
    collected: before.collected + collected,
  };
}

async function storePage(reader: Reader, reply: Reply<RunPage> & { kind: "ok" }, signal: AbortSignal) {
  reader.context.server.observe(reply.serverTime);
  return guarded(() =>
    collectPage(
      reader.context,
      { ...reply.value, epoch: reader.state().epoch, retention: reader.state().learnedRetentionMs, feed: reader.feedTrusted() },
      signal,
    ),
  );
}

/** A store that cannot write now is an outcome, not an exception: nothing has moved, and it is tried again. */
async function guarded<T extends object>(work: () => Promise<T>): Promise<T | Trouble> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof StoreError) return { kind: "storage", message: `the state cannot be written (${error.kind}): ${error.message}` };
    throw error;
  }
}

export function troubleOf(reply: Exclude<Reply<unknown>, { kind: "ok" }>): Trouble {
  return reply.kind === "aborted" ? { kind: "aborted", message: "stopped" } : { kind: reply.kind, message: reply.message };
}

/** At most this many runs are asked for in one request. */
const ASK_AT_ONCE = 10;

/** Asks once for every watched run that is due, the longest due first. */
export async function askDueRuns(
  reader: Reader,
  signal: AbortSignal,
  until?: Millis,
): Promise<{ asked: number; collected: number; trouble?: Trouble }> {
  const { store, source, server } = reader.context;
  const deadline = until ?? server.now();
  const done = new Set<string>();
  let collected = 0;
  let stillDue = 0; // asked for already and still due: must not hide those behind them
  while (!signal.aborted) {
    const rows = await store.dueRuns(source.name, deadline, ASK_AT_ONCE + stillDue);
    const due = rows.filter((run) => !done.has(keyOf(run.key))).slice(0, ASK_AT_ONCE);
    const full = rows.length === ASK_AT_ONCE + stillDue;
    stillDue = rows.filter((run) => done.has(keyOf(run.key))).length;
    if (due.length === 0 && !full) break;
    if (due.length === 0) continue;
    for (const run of due) done.add(keyOf(run.key));
    const asked = await askRuns(reader, due, signal);
    if ("kind" in asked) return { asked: done.size, collected, trouble: asked };
    collected += asked.collected;
  }
  return { asked: done.size, collected };
}

async function askRuns(reader: Reader, due: readonly WatchedRun[], signal: AbortSignal): Promise<{ collected: number } | Trouble> {
  const { source, store, log } = reader.context;
  const reply = await source.fetch(
    due.map((run) => run.key),
    "open",
    signal,
  );
  if (reply.kind !== "ok") return troubleOf(reply);
  const { runs, unreadable, refused } = reply.value;
  const page = { ...reply, value: { runs, unreadable } };
  const stored = await storePage(reader, page, signal);
  if ("kind" in stored) return stored;
  const shown = new Set([...runs, ...unreadable.flatMap((entry) => entry.key ?? []), ...refused.map((entry) => entry.key)].map(keyOf));
  const changes: RunChange[] = due.filter((run) => !shown.has(keyOf(run.key))).map((run) => absentChange(reader, run));
  for (const entry of refused) {
    log.warn({ source: source.name, run: entry.key.id, reason: entry.message }, "a run may not be asked for by its id");
    changes.push(unasked(due, entry.key, entry.reason === "too_large"));
  }
  for (const entry of unreadable) if (entry.key !== undefined) changes.push(unasked(due, entry.key, true));
  if (changes.length === 0) return stored;
  const quarantine = refused.map((entry) => ({
    key: entry.key,
    reason: entry.reason === "too_large" ? "too_large" : "poll_refused",
    message: entry.message,
  }));
  const gone = changes.filter((change) => change.phase === "gone").length;
  return guarded(async () => {
    await store.commit({ source: source.name, runs: changes, unreadable: quarantine, ...(gone > 0 && { counts: { gone } }) });
    return stored;
  });
}

function absentChange(reader: Reader, { key, phase, watch }: WatchedRun): RunChange {
  const { config, server, log, source } = reader.context;
  const rules = { interval: config.poll_interval, maxInterval: config.open_run_max_interval, feed: false };
  const next = watchAbsent(watch, server.now(), rules);
  if (next !== "gone") return { key, phase, watch: next };
  log.warn({ source: source.name, run: key.id, createdAt: key.createdAt }, "the API stopped showing a run before its end");
  return { key, phase: phase === "collected" ? "done" : "gone" };
}

/** Not asked for by id any more; a listing may still bring it, unless it can never be read. */
function unasked(due: readonly WatchedRun[], key: RunKey, unreadable: boolean): RunChange {
  const phase = due.find((run) => keyOf(run.key) === keyOf(key))?.phase ?? "open";
  return { key, phase: unreadable ? "done" : phase };
}
