import { endOf, keyOf, type Millis, type WorkflowRun } from "../model/run.ts";
import type { EventPage } from "../sources/source.ts";
import type { FeedState } from "../state/source-state.ts";
import { wantsDetail } from "./detail.ts";
import { storeEvents } from "./feed-page.ts";
import type { Reader } from "./reader.ts";
import { type Trouble, troubleOf } from "./trouble.ts";

/**
 * The completion feed: the message log read as one unfiltered stream by time. It names what has started
 * and what has ended; a run it names as ended is then asked for by its id (ask.ts). It
 * writes watches, and events that wait for their run's end, and nothing else: so a feed that lies can delay a run but never lose one.
 */

const PAGE = 1_000;
/** The first page of a read is no larger than twice what the last one found, but at least this: most of an idle log is old, and read in vain. */
const SMALLEST_PAGE = 100;
/** Each read goes back a little behind the last one: the API's clock shows whole seconds. */
export const OVERLAP_MS = 2_000;
/** Events may appear so late; with all messages in the log, to go back so far every time would be most of the budget. */
export const LATE_AFTER_MS = 60_000;
/** Late events are looked for from the newest on where the second reading (feed-again.ts) is so far behind: it cannot go on. */
const MOST_BEHIND_MS = 240_000;
/** A feed that is not there is looked for again after this; one that was caught lying, too. */
const RETRY_AFTER_MS = 600_000;

/** Where something is missed also for late events: to a minute before it was last read so. @throws StoreError */
export async function readFeed(reader: Reader, signal: AbortSignal): Promise<{ readonly trouble?: Trouble }> {
  const { config, server, source } = reader.context;
  const feed = reader.state().feed ?? { status: "unknown" };
  if (config.completion_feed === "off" || (feed.retryAt !== undefined && server.now() < feed.retryAt)) return {};
  const startedAt = server.now();
  delete reader.memory.feedReadAt; // until all of it is in, the end of a run may be here and its middle not
  const readsBack = missesNames(reader) || missesEvents(reader);
  const floor = floorOf(reader, readsBack);
  const cursors = new Set<string>();
  let cursor: string | undefined;
  let newest: Millis | undefined;
  let stored = true;
  let wanted = 0;
  let pages = 0;
  const settle = () => {
    reader.memory.feedPage = Math.min(PAGE, Math.max(SMALLEST_PAGE, 2 * wanted));
    return settleFeed(reader, { newest, startedAt, from: stored ? floor : startedAt, stored });
  };
  for (;;) {
    const count = cursor === undefined && !readsBack ? (reader.memory.feedPage ?? PAGE) : PAGE;
    const reply = await source.events({ count, ...(cursor !== undefined && { cursor }) }, "feed", signal);
    if (reply.kind === "refused" && reply.reason === "not_found") return standDown(reader, "absent", "the API has no message log");
    if (reply.kind !== "ok") return { trouble: troubleOf(reply) };
    server.observe(reply.serverTime);
    const page = reply.value;
    stored = (await storeNews(reader, page)) && stored;
    wanted += page.events.filter((event) => event.time >= floor).length;
    if (page.events.length > 0) newest = page.events.reduce((latest, event) => Math.max(latest, event.time), newest ?? 0);
    const isWhole = page.cursor === undefined || isPast(page, floor);
    pages += 1;
    if (isWhole) noteEnd(reader, page, { startedAt, readsBack, pages });
    if (page.cursor === undefined) return settle();
    // page after page of a log that begins with its oldest events would be read to find the newest
    if (!isDescending(page)) return standDown(reader, "distrusted", "it does not begin with the newest events");
    if (isWhole) return settle();
    if (cursors.has(page.cursor)) return standDown(reader, "distrusted", "its paging does not end");
    cursors.add(page.cursor);
    cursor = page.cursor;
  }
}

/** A page that said nothing new, and has not changed, is not looked at again. @returns false where there was no room for its events */
async function storeNews(reader: Reader, page: EventPage): Promise<boolean> {
  const { memory } = reader;
  if (page === memory.knownPage && memory.unnamed.size === 0) return true;
  const { stored, news } = await storeEvents(reader, page);
  if (!news) memory.knownPage = page;
  return stored;
}

/** Before a run whose end was not named yet counts as a hole, it is looked for among late events. */
function missesNames({ memory, context }: Reader): boolean {
  const due = context.server.now() - LATE_AFTER_MS / 2;
  return [...memory.unnamed.values()].some((run) => endOf(run) < due);
}

/** The time is up for a run that waits for some, or the second reading has not begun, or cannot go on. */
function missesEvents({ memory: { provenTo, gapsDue }, context: { server, config } }: Reader): boolean {
  const now = server.now();
  return provenTo === undefined || now - provenTo > MOST_BEHIND_MS || (gapsDue !== undefined && now >= gapsDue - config.poll_interval);
}

/** Events from here on are read. */
function floorOf({ state, memory }: Reader, back: boolean): Millis {
  const { epoch, feed } = state();
  const last = feed?.watermark ?? epoch;
  if (!back) return Math.max(epoch, last - OVERLAP_MS);
  return Math.max(epoch, Math.min(last - LATE_AFTER_MS, memory.provenTo ?? last - 2 * LATE_AFTER_MS));
}

/** A read came to its end: it proves what happened a minute before, if it went back so far; else the second reading goes on there. */
function noteEnd(
  { memory }: Reader,
  page: EventPage,
  { startedAt, readsBack, pages }: { readonly startedAt: Millis; readonly readsBack: boolean; readonly pages: number },
): void {
  memory.feedPages = pages;
  if (readsBack) delete memory.gapsDue;
  if (readsBack || page.cursor === undefined || (memory.provenTo !== undefined && isPast(page, memory.provenTo))) {
    memory.provenTo = startedAt - LATE_AFTER_MS;
    memory.feedPlaces = [];
    delete memory.feedAgain;
    return;
  }
  const low = page.events.reduce((lowest, event) => Math.min(lowest, event.time), Number.POSITIVE_INFINITY);
  memory.feedPlaces = [...memory.feedPlaces, { cursor: page.cursor, low }];
}

/**
 * A page whose last tenth is older than what is wanted: neighbours may have changed places, so one event proves nothing,
 * and that all of a page be older would cost a page more at each read.
 */
export function isPast({ events }: EventPage, floor: Millis): boolean {
  return events.length > 0 && events.slice(-Math.ceil(events.length / 10)).every((event) => event.time < floor);
}

/** As a whole: neighbours may have changed places. */
function isDescending({ events }: EventPage): boolean {
  const middle = Math.floor(events.length / 2);
  const mean = (part: EventPage["events"]) => part.reduce((sum, event) => sum + event.time / part.length, 0);
  return middle === 0 || mean(events.slice(0, middle)) >= mean(events.slice(-middle));
}

interface FeedRead {
  /** Time of its latest event. */
  readonly newest: Millis | undefined;
  readonly startedAt: Millis;
  /** Every event since then was seen. */
  readonly from: Millis;
  /** And what is kept of them stored. */
  readonly stored: boolean;
}

/** All of it was read. */
async function settleFeed(reader: Reader, { newest, startedAt, from, stored }: FeedRead): Promise<{ trouble?: Trouble }> {
  const { server, log, source, config } = reader.context;
  const feed: FeedState = reader.state().feed ?? { status: "unknown" };
  const trusted = feed.status === "trusted";
  // an empty log proves nothing: it is trusted once it has named something
  if (!trusted && newest === undefined) return {};
  reader.memory.feedReadAt = startedAt;
  const watermark = Math.min(Math.max(newest ?? 0, feed.watermark ?? 0), server.now());
  const detailFrom = !wantsDetail(config) ? undefined : stored ? (feed.detailFrom ?? from) : from;
  if (trusted && watermark === feed.watermark && detailFrom === feed.detailFrom) return {};
  if (!trusted) log.info({ source: source.name }, "the message log answers: it names what ends");
  const since = (trusted ? feed.since : undefined) ?? startedAt;
  await reader.save({ feed: { status: "trusted", watermark, since, ...(detailFrom !== undefined && { detailFrom }) } });
  return {};
}

/** Reading goes on without the feed, visibly; every open run is asked for at its own pace again. @throws StoreError */
export async function standDown(reader: Reader, status: "absent" | "distrusted", reason: string): Promise<{ trouble?: Trouble }> {
  const { server, store, source, config, log } = reader.context;
  const before = reader.state().feed?.status;
  if (before !== status) log.warn({ source: source.name, reason }, "reading without the message log");
  const { feed: { watermark, detailFrom } = {}, watermark: listed = 0, lookbackAt = 0 } = reader.state();
  const feed = {
    status,
    reason,
    retryAt: server.now() + RETRY_AFTER_MS,
    ...(watermark !== undefined && { watermark }),
    ...(detailFrom !== undefined && { detailFrom }),
  };
  // what only the feed vouched for is listed again
  await reader.save({ feed, ...(before === "trusted" && { watermark: Math.min(listed, lookbackAt) }) });
  if (before === "trusted") await store.hasten(source.name, "open", server.now() + config.poll_interval);
  return {};
}

/** `detail: messages` asks for the log: where that gives none, runs are followed and inferred all the same, but it is an error. */
export function lacksMessages({ context: { config }, state }: Reader): Trouble[] {
  const { feed } = state();
  if (config.detail !== "messages" || (feed?.status !== "absent" && feed?.status !== "distrusted")) return [];
  const why = feed.reason === undefined ? "" : ` (${feed.reason})`;
  return [{ kind: "refused", message: `detail: messages, without the message log${why}: times are inferred; auto allows that` }];
}

/**
 * Runs that a grouped page showed as ended before the feed did: it should name them within a minute, or it is late
 * or has holes. Looked at with every page, and after every read of the feed; a read that went back for late events
 * is the proof. @throws StoreError
 */
export async function distrustIfHoles(reader: Reader, unnamed: readonly WorkflowRun[]): Promise<void> {
  const feed = reader.state().feed;
  const { unnamed: missing, provenTo = 0 } = reader.memory;
  if (feed?.status !== "trusted") return missing.clear();
  for (const run of unnamed) if (endOf(run) >= (feed.since ?? 0) && missing.size < MOST_MISSING) missing.set(keyOf(run), run);
  const hole = [...missing.values()].find((run) => endOf(run) < provenTo);
  if (hole !== undefined) await standDown(reader, "distrusted", `it did not name the end of run ${hole.id} within a minute`);
}

/** One is enough to find out; so many are remembered. */
const MOST_MISSING = 100;
