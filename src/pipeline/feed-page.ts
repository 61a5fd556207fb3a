import { isEnd } from "../model/event.ts";
import { keyOf, type Millis } from "../model/run.ts";
import type { EventPage, RunEvent } from "../sources/source.ts";
import { type PageCommit, type RunChange, type RunRecord, StoreError } from "../state/store.ts";
import { compactEvents, wantsDetail } from "./detail.ts";
import type { Reader } from "./reader.ts";

/** One page of the message log into the state: which runs started and ended and, for `detail`, what happened in them. */

/** A run that the feed saw start is looked at once in a long while, in case the feed misses its end. */
const FIRST_LOOK_MS = 3_600_000;

export interface StoredEvents {
  /** False where a full disk took no events: of some runs the log is not whole then. */
  readonly stored: boolean;
  /** It had something that was not known. */
  readonly news: boolean;
  /** Ends of runs that nothing was known of. */
  readonly unknown: readonly RunEvent[];
}

/** @throws StoreError */
export async function storeEvents(reader: Reader, page: EventPage): Promise<StoredEvents> {
  const { store, source, config, maxEventBytes } = reader.context;
  const detail = wantsDetail(config);
  const latest = latestByRun(page.events, reader.state().epoch, detail);
  for (const event of latest.values()) if (isEnd(event)) reader.memory.unnamed.delete(keyOf(event));
  const keys = [...latest.values()].map(({ id, createdAt }) => ({ id, createdAt }));
  const records = new Map((await store.findRuns(source.name, keys)).flatMap((one) => (one === undefined ? [] : [[keyOf(one.key), one]])));
  const runs = [...latest.values()].flatMap((event) => changeBy(reader, event, records.get(keyOf(event))));
  const discovered = keys.length - records.size;
  const commit: PageCommit = { source: source.name, runs, counts: discovered > 0 ? { discovered } : {} };
  const mayTake = (event: RunEvent) => (records.get(keyOf(event))?.phase ?? "open") === "open";
  const events = detail ? compactEvents(page.events.filter(mayTake), reader.context.settings) : [];
  const unknown = [...latest.values()].filter((event) => isEnd(event) && !records.has(keyOf(event)));
  if (runs.length === 0 && events.length === 0) return { stored: true, news: false, unknown };
  try {
    await store.commit(events.length === 0 ? commit : { ...commit, events: { runs: events, maxBytes: maxEventBytes } });
    return { stored: true, news: true, unknown };
  } catch (error) {
    if (events.length === 0 || !(error instanceof StoreError) || error.kind !== "full") throw error;
    if (runs.length > 0) await store.commit(commit);
    return { stored: false, news: true, unknown };
  }
}

function changeBy({ context }: Reader, event: RunEvent, record: RunRecord | undefined): RunChange[] {
  const now = context.server.now();
  const key = { id: event.id, createdAt: event.createdAt };
  if (!isEnd(event)) {
    return record === undefined ? [{ key, phase: "open", watch: { reason: "open", polls: 0, dueAt: now + FIRST_LOOK_MS } }] : [];
  }
  const isNews = record === undefined || record.phase === "gone" || (record.phase === "open" && record.watch?.reason !== "ended");
  return isNews ? [{ key, phase: "open", watch: { reason: "ended", polls: 0, dueAt: now } }] : [];
}

/**
 * Of each run the end if it is there, else its start; other events say nothing about a run's life.
 * @param all any event says that its run is there: what is read before the start is (the newest first) must have somewhere to stay
 */
function latestByRun(events: readonly RunEvent[], epoch: Millis, all: boolean): Map<string, RunEvent> {
  const latest = new Map<string, RunEvent>();
  const before = new Set(events.filter((event) => isEnd(event) && event.time < epoch).map(keyOf));
  for (const event of events) {
    const ended = isEnd(event);
    if (before.has(keyOf(event)) || (!ended && event.state !== "RUN_STARTED" && !(all && event.time >= epoch))) continue;
    if (ended || !latest.has(keyOf(event))) latest.set(keyOf(event), event);
  }
  return latest;
}
