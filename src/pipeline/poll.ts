import type { Millis } from "../model/run.ts";
import type { RunPage } from "../sources/source.ts";
import { askDueRuns } from "./ask.ts";
import { listBackTo } from "./catch-up.ts";
import type { PageResult } from "./collect.ts";
import { distrustIfHoles, lacksMessages, readFeed, standDown } from "./feed.ts";
import { readFeedAgain } from "./feed-again.ts";
import { listLookback, lookbackDue } from "./lookback.ts";
import { type Listing, type ListingResult, listRuns, type Reader } from "./reader.ts";
import { sweepDue, sweepPages, sweepRunning, sweepSlice } from "./sweep.ts";
import { guarded, type Trouble } from "./trouble.ts";

/**
 * One cycle of reading a source (delivery.md, "Reading"): the feed where it is trusted, the newest page,
 * the lookback, the open set, a slice of the sweep. Each part that fails is read again in the next
 * cycle; the others go on.
 */

/** A page of known runs ends a listing only if all are older than this: younger ones may still be joined by others. */
const SETTLED_AFTER_MS = 30_000;
/** With the feed the newest pages are read this often, and no more of them: they only show whether it has holes. */
const NEWEST_EVERY_WITH_FEED_MS = 60_000;
const NEWEST_PAGES_WITH_FEED = 10;
/** How far everything was read is written down this often. */
const NOTED_EVERY_MS = 60_000;
/** The log API's page of grouped runs. */
const PAGE = 10;

export interface CycleReport {
  /** Runs that were new, or ended. */
  readonly collected: number;
  readonly fresh: number;
  readonly troubles: readonly Trouble[];
}

/** @param everything list and sweep whatever is due, to the end (`--once`). */
export async function pollCycle(reader: Reader, everything: boolean, signal: AbortSignal): Promise<CycleReport> {
  const { memory, context } = reader;
  const { server } = context;
  memory.healthy = false;
  memory.everything = everything;
  const startedAt = server.now();
  const troubles: Trouble[] = [];
  let collected = 0;
  let fresh = 0;
  let cut = false;
  /** Nothing else is tried where it cannot succeed. */
  const part = async (work: () => Promise<{ readonly trouble?: Trouble; readonly collected?: number; readonly cut?: boolean }>) => {
    if (signal.aborted || troubles.some(({ kind }) => kind === "unauthorized" || kind === "aborted")) return false;
    const result: Awaited<ReturnType<typeof work>> = await guarded(work);
    if (result.trouble !== undefined) troubles.push(result.trouble);
    collected += result.collected ?? 0;
    cut ||= result.cut === true;
    return result.trouble === undefined;
  };
  const onPage = async (_: RunPage, stored: PageResult) => {
    fresh += stored.fresh.length;
    await distrustIfHoles(reader, stored.unnamed);
  };
  const feed = await part(async () => {
    const read = await readFeed(reader, signal);
    if (read.trouble === undefined) await distrustIfHoles(reader, []);
    return read;
  });
  const whole = everything && sweepDue(reader) && !sweepRunning(reader);
  if (whole) await part(() => listEverything(reader, signal));
  else if (everything || !feed || newestDue(reader)) {
    const listed = await part(() => listNewest(reader, everything, onPage, signal));
    const [trouble] = troubles;
    if (listed && !feed && trouble !== undefined)
      await part(() => standDown(reader, "distrusted", `it does not answer: ${trouble.message}`));
  }
  if (reader.state().openListed !== true) await part(() => listOpen(reader, signal));
  if (lookbackDue(reader)) await part(() => listLookback(reader, everything, onPage, signal));
  await part(() => askDueRuns(reader, signal, everything));
  await part(() => readFeedAgain(reader, signal));
  if (!whole) await part(() => sweepSlice(reader, everything ? Number.POSITIVE_INFINITY : sweepPages(reader), signal));
  const news = startedAt - (reader.state().readAt ?? 0) >= NOTED_EVERY_MS;
  if (troubles.length === 0 && !cut && !signal.aborted && news) await part(() => noteRead(reader, startedAt));
  return { collected, fresh, troubles: [...troubles, ...lacksMessages(reader)] };
}

async function noteRead(reader: Reader, readAt: Millis): Promise<object> {
  await reader.save({ readAt });
  return {};
}

/** A sweep from start to end lists all that the other listings would. */
async function listEverything(reader: Reader, signal: AbortSignal): Promise<ListingResult> {
  const startedAt = reader.context.server.now();
  const result = await sweepSlice(reader, Number.POSITIVE_INFINITY, signal);
  if (!result.complete) return result;
  const { watermark, epoch } = reader.state();
  const newest = Math.min(result.newestCreatedAt ?? watermark ?? epoch, reader.context.server.now());
  await reader.save({ openListed: true, lookbackAt: startedAt, watermark: Math.max(newest, watermark ?? 0) });
  return result;
}

function newestDue(reader: Reader): boolean {
  if (!reader.feedTrusted() || reader.state().watermark === undefined) return true;
  const { newestListedAt } = reader.memory;
  return newestListedAt === undefined || reader.context.clock.monotonic() - newestListedAt >= NEWEST_EVERY_WITH_FEED_MS;
}

/**
 * From the newest run back to the watermark of the last complete listing, and on until a page holds only
 * known runs. The watermark moves when all of it is in, never before: a listing that was cut short must
 * not hide what lies behind its first pages. Of what lies behind the first pages a trusted feed has named
 * every run; should it lose that trust, the watermark goes back.
 */
async function listNewest(reader: Reader, everything: boolean, onPage: NonNullable<Listing["onPage"]>, signal: AbortSignal) {
  const { server, config } = reader.context;
  const { watermark, epoch } = reader.state();
  const isEnough = (page: RunPage, { fresh }: PageResult) => {
    const settled = Math.min(watermark ?? epoch, server.now() - SETTLED_AFTER_MS);
    return page.runs.length > 0 && fresh.length === 0 && page.runs.every((run) => run.createdAt <= settled);
  };
  // the first listing of a process goes all the way: the feed may not reach back to the last one
  const vouched = !everything && reader.feedTrusted() && reader.memory.newestListedAt !== undefined;
  const maxPages = vouched ? NEWEST_PAGES_WITH_FEED : undefined;
  const listing: Listing = { query: { count: PAGE }, purpose: "newest", isEnough, onPage, maxPages };
  const result = await (watermark === undefined || vouched
    ? listRuns(reader, listing, signal)
    : listBackTo(reader, watermark - config.lookback, listing, signal));
  if (result.trouble !== undefined || !(result.complete || reader.feedTrusted())) return result;
  const startedAt = server.now();
  reader.memory.newestListedAt = reader.context.clock.monotonic();
  // one run from the year 2286 must not move the watermark there
  const newest = Math.min(result.newestCreatedAt ?? watermark ?? epoch, server.now());
  const backTo = result.cursor === undefined ? Number.NEGATIVE_INFINITY : (result.oldestCreatedAt ?? startedAt);
  const coversLookback = backTo < startedAt - config.lookback;
  if (newest > (watermark ?? 0) || coversLookback) {
    await reader.save({ watermark: Math.max(newest, watermark ?? 0), ...(coversLookback && { lookbackAt: startedAt }) });
  }
  return result;
}

/** First start: everything that is running, however long ago it was created. */
async function listOpen(reader: Reader, signal: AbortSignal): Promise<ListingResult> {
  const result = await listRuns(reader, { query: { count: PAGE, state: "RUN_STARTED" }, purpose: "newest", isEnough: () => false }, signal);
  if (result.complete) await reader.save({ openListed: true });
  return result;
}
