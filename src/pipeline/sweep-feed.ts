import type { RunEvent } from "../sources/source.ts";
import type { FeedSweepState } from "../state/source-state.ts";
import { isPast, LATE_AFTER_MS } from "./feed.ts";
import { storeEvents } from "./feed-page.ts";
import { forgetLimit } from "./maintain.ts";
import type { Reader } from "./reader.ts";
import { type Trouble, troubleOf } from "./trouble.ts";

/**
 * Where the whole log has so many runs that the sweep takes longer than its interval, ten of them a page, the message
 * log is compared with what is known as well, once in each interval: a page of it names the ends of a hundred runs.
 */

const PAGE = 1_000;

/** Only while the sweep itself is under way: one that is over in time needs no help. */
export function feedSweepDue(reader: Reader): boolean {
  const { config, server } = reader.context;
  const { sweep } = reader.state();
  if (!reader.feedTrusted() || sweep?.startedAt === undefined) return false;
  const { feed } = sweep;
  return isRunning(feed) || server.now() - Math.max(feed?.finishedAt ?? 0, sweep.startedAt) >= config.sweep_interval;
}

const isRunning = (feed: FeedSweepState | undefined): boolean => feed !== undefined && feed.finishedAt === undefined;

/**
 * Some pages of it, from the newest event back to the oldest run that is remembered; what nobody knows is asked for
 * by its id. @throws StoreError
 */
export async function sweepFeedSlice(reader: Reader, maxPages: number, signal: AbortSignal): Promise<{ readonly trouble?: Trouble }> {
  const { config, server, source } = reader.context;
  const state = reader.state();
  const before = state.sweep?.feed;
  let feed = isRunning(before) && before !== undefined ? before : { startedAt: server.now() };
  const floor = Math.max(state.epoch, forgetLimit(config, state, server.now()));
  for (let pages = 0; pages < maxPages && isRunning(feed); pages += 1) {
    const { cursor } = feed;
    const reply = await source.events({ count: PAGE, ...(cursor !== undefined && { cursor }) }, "sweep", signal);
    if (reply.kind === "refused" && reply.reason === "bad_request" && cursor !== undefined) {
      feed = { startedAt: feed.startedAt }; // it has expired: from the newest on again
      await note(reader, feed, 0);
      continue;
    }
    if (reply.kind !== "ok") return { trouble: troubleOf(reply) };
    server.observe(reply.serverTime);
    const { unknown } = await storeEvents(reader, reply.value);
    const next = reply.value.cursor;
    const isWhole = next === undefined || next === cursor || isPast(reply.value, floor);
    feed = { startedAt: feed.startedAt, ...(isWhole ? { finishedAt: server.now() } : { cursor: next }) };
    await note(reader, feed, missed(reader, unknown));
  }
  return {};
}

/** Ends that reading had passed by; the latest are still on their way to it. */
function missed({ context: { log, source }, state }: Reader, unknown: readonly RunEvent[]): number {
  const readTo = (state().feed?.watermark ?? 0) - LATE_AFTER_MS;
  const runs = unknown.filter(({ time }) => time < readTo);
  for (const { id, createdAt } of runs)
    log.warn({ source: source.name, run: id, createdAt }, "the sweep found a run that reading had missed");
  return runs.length;
}

function note(reader: Reader, feed: FeedSweepState, repaired: number): Promise<void> {
  const { sweep } = reader.state();
  return reader.save({ sweep: { ...sweep, repaired: (sweep?.repaired ?? 0) + repaired, feed } });
}
