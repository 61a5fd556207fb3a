import { type Listing, type ListingResult, listRuns, type Reader } from "./reader.ts";

/**
 * The lookback: runs can appear in the log late, so the last while is listed again, known or not. In slices,
 * since at many runs a second it is minutes of the budget, and what ends meanwhile must not wait for it.
 */

/** Without the feed the lookback is listed this often; with it, as the safety net. */
const EVERY_MS = 300_000;
const EVERY_WITH_FEED_MS = 3_600_000;
/** Its share of the request budget: without the feed it has to come round often. */
const BUDGET_SHARE = 0.3;
const BUDGET_SHARE_WITH_FEED = 0.1;
/** Of one cycle; the fewest, so that few runs are listed at once. */
const FEWEST_PAGES = 5;
const MOST_PAGES = 100;

export function lookbackDue(reader: Reader): boolean {
  const every = reader.feedTrusted() ? EVERY_WITH_FEED_MS : EVERY_MS;
  const { lookback } = reader.memory;
  return lookback.cursor !== undefined || reader.context.server.now() - (reader.state().lookbackAt ?? 0) >= every;
}

/** @param everything to its end. @throws StoreError */
export async function listLookback(
  reader: Reader,
  everything: boolean,
  onPage: NonNullable<Listing["onPage"]>,
  signal: AbortSignal,
): Promise<ListingResult> {
  const { context, memory } = reader;
  const { cursor, startedAt = context.server.now() } = memory.lookback;
  const floor = startedAt - context.config.lookback;
  const isEnough: Listing["isEnough"] = ({ runs }) => runs.length > 0 && runs.every((run) => run.createdAt < floor);
  const maxPages = everything ? Number.POSITIVE_INFINITY : pagesNow(reader);
  const result = await listRuns(reader, { query: { count: 10 }, purpose: "newest", isEnough, onPage, cursor, maxPages }, signal);
  const { countedAt } = memory.lookback;
  const goesOn = !result.complete && result.trouble === undefined && result.cursor !== undefined;
  memory.lookback = goesOn ? { countedAt, cursor: result.cursor, startedAt } : { countedAt };
  if (result.complete) await reader.save({ lookbackAt: startedAt });
  return result;
}

/** How many pages its share of the budget allows since the last cycle. */
function pagesNow({ context: { clock, source }, memory: { lookback }, feedTrusted }: Reader): number {
  const now = clock.monotonic();
  const share = feedTrusted() ? BUDGET_SHARE_WITH_FEED : BUDGET_SHARE;
  const earned = ((now - lookback.countedAt) / 1_000) * source.budget().allowed * share;
  lookback.countedAt = now;
  return Math.max(FEWEST_PAGES, Math.min(MOST_PAGES, Math.floor(earned)));
}
