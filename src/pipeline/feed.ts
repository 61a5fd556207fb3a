import { endOf, keyOf, type Millis, type RunKey, type WorkflowRun } from "../model/run.ts";
import type { EventPage, RunEvent } from "../sources/source.ts";
import { type FeedState, type RunChange, StoreError } from "../state/store.ts";
import { type Reader, type Trouble, troubleOf } from "./reader.ts";

/**
 * The completion feed: the message log read as one unfiltered stream by time. It names what has started
 * and what has ended; a run it names as ended is then asked for by its id (reader.ts, `askDueRuns`). It
 * writes watches and nothing else, so a feed that lies can delay a run but never lose one.
 */

const PAGE = 1_000;
/** Events appear with a lag: each read goes back this far behind the last one. */
const OVERLAP_MS = 60_000;
/** A feed that is not there is looked for again after this; one that was caught lying, too. */
const RETRY_AFTER_MS = 600_000;
/** More pages than this in one read is a log that does not end. */
const MAX_PAGES = 2_000;

const ENDS = new Set(["RUN_SUCCESS", "RUN_FAILED", "RUN_CANCELED"]);

export async function readFeed(reader: Reader, signal: AbortSignal): Promise<{ readonly trouble?: Trouble }> {
  const { config, server } = reader.context;
  if (config.completion_feed === "off") return {};
  const feed = reader.state().feed ?? { status: "unknown" };
  if (feed.retryAt !== undefined && server.now() < feed.retryAt) return {};
  const startedAt = server.now();
  const floor = Math.max(reader.state().epoch, (feed.watermark ?? reader.state().epoch) - OVERLAP_MS);
  let cursor: string | undefined;
  let newest = 0;
  let events = 0;
  for (let pages = 0; pages < MAX_PAGES; pages += 1) {
    const reply = await reader.context.source.events({ count: PAGE, ...(cursor !== undefined && { cursor }) }, "feed", signal);
    if (reply.kind === "refused" && reply.reason === "not_found") return standDown(reader, "absent", "the API has no message log");
    if (reply.kind === "refused" && reply.reason === "bad_request" && cursor !== undefined) return {}; // the cursor expired: from the watermark again
    if (reply.kind !== "ok") return { trouble: troubleOf(reply) };
    server.observe(reply.serverTime);
    const stored = await storeEvents(reader, reply.value);
    if (stored !== undefined) return { trouble: stored };
    events += reply.value.events.length;
    newest = reply.value.events.reduce((latest, event) => Math.max(latest, event.time), newest);
    if (reply.value.cursor === undefined || reply.value.cursor === cursor || isPast(reply.value, floor)) break;
    cursor = reply.value.cursor;
  }
  return settleFeed(reader, feed, { events, newest, startedAt });
}

/** A page in which everything is older than what is wanted, in a log that goes from new to old. */
function isPast(page: EventPage, floor: Millis): boolean {
  const first = page.events[0];
  const last = page.events.at(-1);
  if (first === undefined || last === undefined) return false;
  const descending = first.time >= last.time;
  return descending && page.events.every((event) => event.time < floor);
}

async function settleFeed(
  reader: Reader,
  feed: FeedState,
  read: { events: number; newest: Millis; startedAt: Millis },
): Promise<{ trouble?: Trouble }> {
  const { server, log, source } = reader.context;
  // an empty log proves nothing: it is trusted once it has named something
  if (feed.status !== "trusted" && read.events === 0) return {};
  const watermark = Math.min(Math.max(read.newest, feed.watermark ?? 0), server.now());
  if (feed.status !== "trusted") log.info({ source: source.name }, "the message log answers: it names what ends");
  const since = (feed.status === "trusted" ? feed.since : undefined) ?? read.startedAt;
  await reader.save({ feed: { status: "trusted", watermark, since } });
  return {};
}

/** Reading goes on without the feed, visibly; every open run is asked for at its own pace again. */
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

async function storeEvents(reader: Reader, page: EventPage): Promise<Trouble | undefined> {
  const { store, source, server } = reader.context;
  const latest = latestByRun(page.events, reader.state().epoch);
  if (latest.size === 0) return undefined;
  const keys: RunKey[] = [...latest.values()];
  const records = await store.findRuns(source.name, keys);
  const changes: RunChange[] = [];
  [...latest.values()].forEach((event, index) => {
    const record = records[index];
    if (ENDS.has(event.state)) {
      if (record !== undefined && (record.phase !== "open" || record.watch?.reason === "ended")) return;
      changes.push({ key: keyOnly(event), phase: "open", watch: { reason: "ended", polls: 0, dueAt: server.now() } });
    } else if (record === undefined) {
      changes.push({ key: keyOnly(event), phase: "open", watch: { reason: "open", polls: 0, dueAt: server.now() + FIRST_LOOK_MS } });
    }
  });
  if (changes.length === 0) return undefined;
  try {
    await store.commit({ source: source.name, runs: changes });
    return undefined;
  } catch (error) {
    if (error instanceof StoreError) return { kind: "storage", message: `the state cannot be written (${error.kind}): ${error.message}` };
    throw error;
  }
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

function keyOnly(event: RunEvent): RunKey {
  return { id: event.id, createdAt: event.createdAt };
}
