import type { Millis, WorkflowRun } from "../model/run.ts";
import type { EventPage, Purpose, Reply, RunPage, RunQuery } from "../sources/source.ts";
import type { SourceState } from "../state/source-state.ts";
import type { Store } from "../state/store.ts";
import { collectPage, type PageResult } from "./collect.ts";
import type { SourceContext } from "./context.ts";
import { type DetailReading, wantsDetail } from "./detail.ts";
import { forgetLimit } from "./maintain.ts";
import { type Paging, readPages } from "./paging.ts";
import { type Trouble, troubleOf } from "./trouble.ts";

/**
 * What reading one source has in common, whatever is being read: its state, and pages into the state. The
 * rules of what is read when are in poll.ts, feed.ts, ask.ts and sweep.ts. Where the store fails, all of
 * these throw its StoreError: nothing has then moved.
 */
export interface Reader {
  readonly context: SourceContext;
  /** As stored. */
  readonly state: () => SourceState;
  /** Stores the change and then shows it. @throws StoreError */
  readonly save: (change: Partial<SourceState>) => Promise<void>;
  /** True while a trusted feed names what ends. */
  readonly feedTrusted: () => boolean;
  readonly memory: ReaderMemory;
}

export interface FeedPlace {
  readonly cursor: string;
  readonly low: Millis;
}

/** What only this process needs to remember; everything that must survive is in the store. Monotonic times in ms. */
export interface ReaderMemory {
  newestListedAt?: number;
  /** The API has answered in this cycle: what it fails at then is that request's own fault. */
  healthy: boolean;
  /** When runs that wait for room on the disk are called back, if there is some then; infinite while nobody waits. */
  callBackAt: number;
  /** When the last read of the feed began, on the API's clock; absent while it is not complete. */
  feedReadAt?: Millis;
  /** Everything is read once, and nothing waited for (`--once`). */
  everything: boolean;
  /** How many events the first page of its next read is asked to hold. */
  feedPage?: number;
  /** How many pages its last read had. */
  feedPages: number;
  /** All that happened before was read a minute after it, or later: nothing more of it is expected. On the API's clock. */
  provenTo?: Millis;
  /** Where reads of the feed ended since: the time of the oldest event and the cursor to what is older. Oldest first. */
  feedPlaces: readonly FeedPlace[];
  /** The second reading under way (feed-again.ts), from `to` back to `floor`. */
  feedAgain?: { cursor: string; readonly to: Millis; readonly floor: Millis } | undefined;
  /** When the first of the runs is mapped that wait for events which they lack, unless the feed was read back since. */
  gapsDue?: Millis;
  /** A page of the message log that said nothing new, as long as nothing of this source is written: it says nothing new again. */
  knownPage?: EventPage;
  /** The lookback under way, if one is, and when its pages were last counted. */
  lookback: { countedAt: number; cursor?: string | undefined; startedAt?: Millis };
  /** Runs that a listing showed as ended and that the feed has not named yet. */
  readonly unnamed: Map<string, WorkflowRun>;
  /** Pages that the sweep may list, and when that was last counted up. */
  sweep: { pages: number; countedAt: number };
  /** What was warned about; once is enough. */
  readonly warned: Set<string>;
}

/**
 * The first start fixes the epoch: what ended from `start_from` ago on is ours. By the API's clock, so it is
 * asked for something first; until it has answered there is no reader, only the trouble.
 */
export async function openReader(context: SourceContext, signal: AbortSignal): Promise<Reader | { readonly trouble: Trouble }> {
  const { store, source, config, server, log, clock } = context;
  const stored = await store.readSource(source.name);
  let current = stored ?? { epoch: 0 };
  if (stored === undefined) {
    const reply = await source.list({ count: 1 }, "probe", signal);
    if (reply.kind !== "ok") return { trouble: troubleOf(reply) };
    server.observe(reply.serverTime);
    current = { epoch: server.now() - config.start_from };
    await store.commit({ source: source.name, state: current, runs: [] });
    log.info({ source: source.name, epoch: new Date(current.epoch).toISOString() }, "first start: runs that ended since then are followed");
  }
  const memory = newMemory(clock);
  const commit = committing(store, memory);
  let saving: Promise<void> = Promise.resolve(); // a job may save while the loop does
  return {
    context: { ...context, store: { ...store, commit } },
    state: () => current,
    save(change) {
      const saved = saving.then(async () => {
        const next = { ...current, ...change };
        await commit({ source: source.name, state: next, runs: [] });
        current = next;
      });
      saving = saved.catch(() => undefined);
      return saved;
    },
    feedTrusted: () => current.feed?.status === "trusted",
    memory,
  };
}

function newMemory(clock: SourceContext["clock"]): ReaderMemory {
  return {
    healthy: false,
    everything: false,
    callBackAt: 0,
    feedPages: 0,
    feedPlaces: [],
    lookback: { countedAt: clock.monotonic() },
    unnamed: new Map(),
    sweep: { pages: 0, countedAt: clock.monotonic() },
    warned: new Set(),
  };
}

/** Whatever is written may be about a run on the page; what others write (jobs, maintenance) counts with the next save, in a minute. */
function committing(store: Store, memory: ReaderMemory): Store["commit"] {
  return (page) => {
    delete memory.knownPage;
    return store.commit(page);
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
  readonly maxPages?: number | undefined;
}

export interface ListingResult {
  /** The listing came to its end (or to what is enough); false: there is more behind `cursor`. */
  readonly complete: boolean;
  readonly cursor?: string;
  readonly trouble?: Trouble;
  readonly newestCreatedAt?: Millis;
  readonly oldestCreatedAt?: Millis;
  readonly collected: number;
}

/** What found no room tries again after this at the earliest: a disk that is full may say nothing before. */
const CALL_BACK_AFTER_MS = 60_000;

/**
 * Pages through the grouped log, newest first, and stores every page as it comes. A cursor that has expired
 * means from the start again, once: what was read is known by now, so that goes on quickly.
 * @throws StoreError
 */
export async function listRuns(reader: Reader, listing: Listing, signal: AbortSignal): Promise<ListingResult> {
  let seen: Seen = { collected: 0 };
  const paging: Paging = {
    ...listing,
    restarts: 1,
    onRestart() {
      seen = { collected: seen.collected };
    },
    async visit(reply) {
      const stored = await storePage(reader, reply, true, signal);
      seen = progress(seen, reply.value, stored.collected);
      await listing.onPage?.(reply.value, stored);
      return listing.isEnough(reply.value, stored);
    },
  };
  const { cursor, ...paged } = await readPages(reader.context.source, paging, signal);
  return { ...paged, ...seen, ...(cursor !== undefined && { cursor }) };
}

type Seen = Pick<ListingResult, "newestCreatedAt" | "oldestCreatedAt" | "collected">;

function progress(before: Seen, page: RunPage, collected: number): Seen {
  const created = page.runs.map((run) => run.createdAt);
  return {
    ...before,
    ...(created.length > 0 && {
      newestCreatedAt: Math.max(before.newestCreatedAt ?? Number.NEGATIVE_INFINITY, ...created),
      oldestCreatedAt: Math.min(before.oldestCreatedAt ?? Number.POSITIVE_INFINITY, ...created),
    }),
    collected: before.collected + collected,
  };
}

/** @param listed the runs were met in a listing, not asked for by their ids. @throws StoreError */
export async function storePage(
  reader: Reader,
  reply: Reply<RunPage> & { kind: "ok" },
  listed: boolean,
  signal: AbortSignal,
): Promise<PageResult> {
  const { context, memory } = reader;
  context.server.observe(reply.serverTime);
  memory.healthy = true;
  const { epoch, learnedRetentionMs: retention, readAt } = reader.state();
  // what ended before the identities that are kept was sent and forgotten
  const oldest = Math.max(epoch, forgetLimit(context.config, reader.state(), context.server.now()));
  const page = {
    ...reply.value,
    epoch: oldest,
    retention,
    readAt,
    feed: reader.feedTrusted(),
    listed,
    warned: memory.warned,
    detail: detailOf(reader),
  };
  const stored = await collectPage(context, page, signal);
  if (stored.lacksRoom) memory.callBackAt = context.clock.monotonic() + CALL_BACK_AFTER_MS;
  return stored;
}

/** What the message log can tell of runs; undefined while it is not wanted or not trusted. */
function detailOf({ context, state, feedTrusted, memory }: Reader): DetailReading | undefined {
  const from = state().feed?.detailFrom;
  if (from === undefined || !feedTrusted() || !wantsDetail(context.config)) return undefined;
  const onGap = (until: Millis) => {
    memory.gapsDue = Math.min(memory.gapsDue ?? until, until);
  };
  return { from, readAt: memory.feedReadAt, patient: !memory.everything, onGap };
}
