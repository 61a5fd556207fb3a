import { isPast, LATE_AFTER_MS, OVERLAP_MS } from "./feed.ts";
import { storeEvents } from "./feed-page.ts";
import type { Reader } from "./reader.ts";
import { type Trouble, troubleOf } from "./trouble.ts";

/**
 * The second reading of the feed, for events that were shown late: a minute and more behind the first one, it goes
 * through the same stretch of the log once more, from where a page of the first ended. So an event costs two readings and
 * no third, which reading back from the newest one would; and what ends now is asked for before it.
 */

const PAGE = 1_000;
/** In one go: its last page is half empty on average. */
const STRETCH_MS = 60_000;
/** Of one cycle, besides as many as the first reading had: so it keeps up. */
const MORE_PAGES = 2;

/** @throws StoreError */
export async function readFeedAgain(reader: Reader, signal: AbortSignal): Promise<{ readonly trouble?: Trouble }> {
  const { memory, context } = reader;
  const { source, server } = context;
  if (!reader.feedTrusted()) return forget(reader);
  const again = memory.feedAgain ?? nextStretch(reader);
  for (let pages = 0; again !== undefined && pages < MORE_PAGES + memory.feedPages; pages += 1) {
    memory.feedAgain = again;
    const reply = await source.events({ count: PAGE, cursor: again.cursor }, "feed", signal);
    if (reply.kind === "refused") return forget(reader); // the cursor has expired
    if (reply.kind !== "ok") return { trouble: troubleOf(reply) };
    server.observe(reply.serverTime);
    if (!(await storeEvents(reader, reply.value)).stored) await lackEvents(reader);
    const { cursor } = reply.value;
    if (cursor !== undefined && cursor !== again.cursor && !isPast(reply.value, again.floor)) {
      again.cursor = cursor;
      continue;
    }
    memory.provenTo = again.to;
    memory.feedPlaces = memory.feedPlaces.filter(({ low }) => low > again.to);
    delete memory.feedAgain;
    break;
  }
  return {};
}

/** Undefined while too little of the log is old enough. */
function nextStretch({ memory: { provenTo, feedPlaces }, context }: Reader): Reader["memory"]["feedAgain"] {
  const settled = context.server.now() - LATE_AFTER_MS;
  const place = feedPlaces.findLast(({ low }) => low < settled);
  if (provenTo === undefined || place === undefined || place.low - provenTo < STRETCH_MS) return undefined;
  return { cursor: place.cursor, to: place.low, floor: provenTo - OVERLAP_MS };
}

/** Should it never get on, the log is read back from its newest event. */
function forget({ memory }: Reader): object {
  delete memory.feedAgain;
  memory.feedPlaces = [];
  return {};
}

/** The disk was full: of runs that were begun before now the log is not whole. @throws StoreError */
async function lackEvents(reader: Reader): Promise<void> {
  const { feed } = reader.state();
  if (feed?.detailFrom !== undefined) await reader.save({ feed: { ...feed, detailFrom: reader.context.server.now() } });
}
