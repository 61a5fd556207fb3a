import { endOf, keyOf, type Millis, type WorkflowRun } from "../model/run.ts";
import type { EventPage, RunEvent } from "../sources/source.ts";
import type { RunChange } from "../state/store.ts";
import type { Reader } from "./reader.ts";
import { type Trouble, troubleOf } from "./trouble.ts";

/**
 * The completion feed: the message log read as one unfiltered stream by time. It names what has started
 * and what has ended; a run it names as ended is then asked for by its id (ask.ts). It
 * writes watches and nothing else, so a feed that lies can delay a run but never lose one.
 */

const PAGE = 1_000;
/** Events appear with a lag: each read goes back this far behind the last one. */
const OVERLAP_MS = 60_000;
/** A feed that is not there is looked for again after this; one that was caught lying, too. */
const RETRY_AFTER_MS = 600_000;

const ENDS = new Set(["RUN_SUCCESS", "RUN_FAILED", "RUN_CANCELED"]);

/** @throws StoreError */
export async function readFeed(reader: Reader, signal: AbortSignal): Promise<{ readonly trouble?: Trouble }> {
  const { config, server, source } = reader.context;
  const feed = reader.state().feed ?? { status: "unknown" };
  if (config.completion_feed === "off" || (feed.retryAt !== undefined && server.now() < feed.retryAt)) return {};
  const startedAt = server.now();
  const floor = Math.max(reader.state().epoch, (feed.watermark ?? reader.state().epoch) - OVERLAP_MS);
  const cursors = new Set<string>();
  let cursor: string | undefined;
  let newest: Millis | undefined;
  for (;;) {
    const reply = await source.events({ count: PAGE, ...(cursor !== undefined && { cursor }) }, "feed", signal);
    if (reply.kind === "refused" && reply.reason === "not_found") return standDown(reader, "absent", "the API has no message log");
    if (reply.kind !== "ok") return { trouble: troubleOf(reply) };
    server.observe(reply.serverTime);
    const page = reply.value;
    await storeEvents(reader, page);
    if (page.events.length > 0) newest = page.events.reduce((latest, event) => Math.max(latest, event.time), newest ?? 0);
    if (page.cursor === undefined) return settleFeed(reader, newest, startedAt);
    // page after page of a log that begins with its oldest events would be read to find the newest
    if (!isDescending(page)) return standDown(reader, "distrusted", "it does not begin with the newest events");
    if (isPast(page, floor)) return settleFeed(reader, newest, startedAt);
    if (cursors.has(page.cursor)) return standDown(reader, "distrusted", "its paging does not end");
    cursors.add(page.cursor);
    cursor = page.cursor;
  }
}

/** A page in which everything is older than what is wanted. */
function isPast(page: EventPage, floor: Millis): boolean {
  return page.events.length > 0 && page.events.every((event) => event.time < floor);
}

/** As a whole: neighbours may have changed places. */
function isDescending({ events }: EventPage): boolean {
  const middle = Math.floor(events.length / 2);
  const mean = (part: EventPage["events"]) => part.reduce((sum, event) => sum + event.time / part.length, 0);
  return middle === 0 || mean(events.slice(0, middle)) >= mean(events.slice(-middle));
}

/** All of it was read. @param newest time of its latest event */
async function settleFeed(reader: Reader, newest: Millis | undefined, startedAt: Millis): Promise<{ trouble?: Trouble }> {
  const { server, log, source } = reader.context;
  const feed = reader.state().feed ?? { status: "unknown" };
  const trusted = feed.status === "trusted";
  // an empty log proves nothing: it is trusted once it has named something
  if (!trusted && newest === undefined) return {};
  const watermark = Math.min(Math.max(newest ?? 0, feed.watermark ?? 0), server.now());
  if (trusted && watermark === feed.watermark) return {};
  if (!trusted) log.info({ source: source.name }, "the message log answers: it names what ends");
  const since = (trusted ? feed.since : undefined) ?? startedAt;
  await reader.save({ feed: { status: "trusted", watermark, since } });
  return {};
}

/** Reading goes on without the feed, visibly; every open run is asked for at its own pace again. @throws StoreError */
export async function standDown(reader: Reader, status: "absent" | "distrusted", reason: string): Promise<{ trouble?: Trouble }> {
  const { server, store, source, config, log } = reader.context;
  const before = reader.state().feed?.status;
  if (before !== status) log.warn({ source: source.name, reason }, "reading without the message log");
  const watermark = reader.state().feed?.watermark;
  await reader.save({ feed: { status, reason, retryAt: server.now() + RETRY_AFTER_MS, ...(watermark !== undefined && { watermark }) } });
  if (before === "trusted") await store.hasten(source.name, "open", server.now() + config.poll_interval);
  return {};
}

/** How long after a run's end the feed may take to name it. */
const LATE_AFTER_MS = 60_000;

/** Runs that a grouped page shows as ended and that the feed should have named by now: it is late or has holes. */
export async function distrustIfHoles(reader: Reader, unnamed: readonly WorkflowRun[]): Promise<void> {
  const feed = reader.state().feed;
  if (feed?.status !== "trusted") return;
  const due = reader.context.server.now() - LATE_AFTER_MS;
  const hole = unnamed.find((run) => endOf(run) >= (feed.since ?? 0) && endOf(run) < due);
  if (hole !== undefined) await standDown(reader, "distrusted", `it did not name the end of run ${hole.id} within a minute`);
}

async function storeEvents(reader: Reader, page: EventPage): Promise<void> {
  const { store, source, server } = reader.context;
  const latest = [...latestByRun(page.events, reader.state().epoch).values()];
  const records = await store.findRuns(source.name, latest);
  const now = server.now();
  const changes = latest.flatMap((event, index): RunChange[] => {
    const record = records[index];
    const key = { id: event.id, createdAt: event.createdAt };
    if (!ENDS.has(event.state)) {
      return record === undefined ? [{ key, phase: "open", watch: { reason: "open", polls: 0, dueAt: now + FIRST_LOOK_MS } }] : [];
    }
    const isNews = record === undefined || record.phase === "gone" || (record.phase === "open" && record.watch?.reason !== "ended");
    return isNews ? [{ key, phase: "open", watch: { reason: "ended", polls: 0, dueAt: now } }] : [];
  });
  const discovered = records.filter((record) => record === undefined).length;
  if (changes.length > 0) await store.commit({ source: source.name, runs: changes, counts: discovered > 0 ? { discovered } : {} });
}

/** A run that the feed saw start is looked at once in a long while, in case the feed misses its end. */
const FIRST_LOOK_MS = 3_600_000;

/** Of each run the end if it is there, else its start; other events say nothing about a run's life. */
function latestByRun(events: readonly RunEvent[], epoch: Millis): Map<string, RunEvent> {
  const latest = new Map<string, RunEvent>();
  for (const event of events) {
    const ended = ENDS.has(event.state);
    if (ended ? event.time < epoch : event.state !== "RUN_STARTED") continue;
    const before = latest.get(keyOf(event));
    if (before === undefined || ended) latest.set(keyOf(event), event);
  }
  return latest;
}
