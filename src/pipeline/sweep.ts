import type { WorkflowRun } from "../model/run.ts";
import type { RunPage } from "../sources/source.ts";
import type { SweepState } from "../state/source-state.ts";
import { type Listing, type ListingResult, listRuns, type Reader } from "./reader.ts";
import { learnedRetention, longestShown } from "./retention.ts";
import { feedSweepDue, sweepFeedSlice } from "./sweep-feed.ts";

/**
 * The sweep: once in a while everything that the API lists is compared with what is known, and what is
 * missing is collected. It is the safety net under everything else, so what it finds is a fault: counted
 * and reported. The first one is the exception: runs that were created before the first start and ended
 * after its epoch are found by it and by nothing else.
 */

/** Its share of the request budget: what spreads it, the first one as well as each later one. A small log is through in minutes. */
const BUDGET_SHARE = 0.1;
const MOST_PAGES = 20;

const NOTHING: ListingResult = { complete: true, collected: 0 };

/** One is under way, or it is time for the next. */
export function sweepDue(reader: Reader): boolean {
  const { config, server } = reader.context;
  const { sweep } = reader.state();
  if (config.sweep_interval === 0) return false;
  return sweepRunning(reader) || sweep?.finishedAt === undefined || server.now() - sweep.finishedAt >= config.sweep_interval;
}

export function sweepRunning(reader: Reader): boolean {
  const { sweep } = reader.state();
  return sweep?.startedAt !== undefined && (sweep.finishedAt === undefined || sweep.finishedAt < sweep.startedAt);
}

/** Some pages of the sweep under way; starts one if it is due. */
export async function sweepSlice(reader: Reader, maxPages: number, signal: AbortSignal): Promise<ListingResult> {
  const { server, clock } = reader.context;
  const { sweep } = reader.state();
  if (!sweepDue(reader) || maxPages === 0) return NOTHING;
  if (maxPages !== Number.POSITIVE_INFINITY && sweepRunning(reader) && feedSweepDue(reader)) {
    return { ...NOTHING, complete: false, ...(await sweepFeedSlice(reader, maxPages, signal)) };
  }
  if (!sweepRunning(reader)) {
    await reader.save({ sweep: { ...lasting(sweep), startedAt: server.now() } });
  }
  const { cursor, longestShownMs } = reader.state().sweep ?? {};
  const progress: Progress = { cursor, longestShownMs, savedAt: clock.monotonic() };
  const listing: Listing = {
    query: { count: 10 },
    purpose: "sweep",
    isEnough: () => false,
    onPage: (page, { fresh }) => noteProgress(reader, progress, page, fresh),
    cursor: progress.cursor,
    maxPages,
  };
  const result = await listRuns(reader, listing, signal);
  if (result.complete) await finish(reader, progress);
  else await saveProgress(reader, progress, 0);
  return result;
}

/** How many pages a tenth of the budget allows now; what is not used is not saved up for long. */
export function sweepPages({ context: { clock, source }, memory: { sweep } }: Reader): number {
  const now = clock.monotonic();
  const earned = ((now - sweep.countedAt) / 1_000) * source.budget().allowed * BUDGET_SHARE;
  sweep.pages = Math.min(sweep.pages + earned, MOST_PAGES);
  sweep.countedAt = now;
  const pages = Math.floor(sweep.pages);
  sweep.pages -= pages;
  return pages;
}

/** How far the sweep has come; `savedAt` on the monotonic clock. */
interface Progress {
  cursor: string | undefined;
  longestShownMs: number | undefined;
  savedAt: number;
}

/** The runs of a page are stored with it; where the sweep stands only so often: from there a kill lists again what is known by then. */
const SAVED_EVERY_MS = 1_000;

async function noteProgress(reader: Reader, progress: Progress, page: RunPage, fresh: readonly WorkflowRun[]): Promise<void> {
  const { config, source, log, clock, server } = reader.context;
  const { sweep, watermark } = reader.state();
  const first = sweep?.finishedAt === undefined;
  const missed = first ? [] : fresh.filter((run) => run.createdAt < (watermark ?? 0) - config.lookback);
  for (const run of missed)
    log.warn({ source: source.name, run: run.id, createdAt: run.createdAt }, "the sweep found a run that reading had missed");
  progress.cursor = page.cursor;
  progress.longestShownMs = longestShown(page.runs, server.now(), progress.longestShownMs);
  if (missed.length > 0 || clock.monotonic() - progress.savedAt >= SAVED_EVERY_MS) await saveProgress(reader, progress, missed.length);
}

async function saveProgress(reader: Reader, progress: Progress, repaired: number): Promise<void> {
  const { sweep } = reader.state();
  const { cursor, longestShownMs } = progress;
  progress.savedAt = reader.context.clock.monotonic();
  if (repaired === 0 && cursor === sweep?.cursor) return;
  const before = lasting(sweep);
  await reader.save({
    sweep: { ...before, repaired: before.repaired + repaired, longestShownMs, ...(cursor !== undefined && { cursor }) },
  });
}

async function finish(reader: Reader, { longestShownMs = 0 }: Progress): Promise<void> {
  const { learnedRetentionMs: previousRetentionMs, ...state } = reader.state();
  const sweep = lasting(state.sweep);
  // `Date` has whole seconds: the API's clock may step back by one, and a sweep that ends before it began would never be over
  const finishedAt = Math.max(reader.context.server.now(), sweep.startedAt ?? 0);
  await reader.save({ sweep: { ...sweep, finishedAt }, learnedRetentionMs: learnedRetention(longestShownMs), previousRetentionMs });
}

/** Without what only the sweep under way is about. */
function lasting(sweep: SweepState | undefined): SweepState {
  const { cursor: _, longestShownMs: __, ...rest } = sweep ?? { repaired: 0 };
  return rest;
}
