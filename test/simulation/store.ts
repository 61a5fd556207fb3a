import type { MessageEvent } from "../../src/model/event.ts";
import type { RunKey } from "../../src/model/run.ts";
import type { SourceState } from "../../src/state/source-state.ts";
import type { PageCommit, RunChange, RunRecord, Store, Watch, WatchedRun } from "../../src/state/store.ts";
import { openMemoryStore } from "../support/memory-store.ts";
import { indexOf, type Stream } from "./stream.ts";

/**
 * A store for very many runs that come from a stream: of a run that is done it keeps one byte, and what is due is
 * found without a look at all others. It begins as that of a bridge that has been running for days.
 */
export interface StreamStore extends Store {
  /** How often each run was collected, by its number. */
  readonly collected: Uint8Array;
  /** Runs from before the start that were open then, or that were collected since. */
  readonly early: ReadonlySet<number>;
}

/** @param onCollected told of each run's number when its spans are stored */
export function streamStore(stream: Stream, feed: boolean, onCollected: (index: number) => void): StreamStore {
  const live = new Map<number, RunRecord>();
  const due = dueTimes();
  const collected = new Uint8Array(stream.count);
  const early = new Set(stream.openAtStart());
  /** Of open runs, a bit for each event that was read: the stream can tell them again. */
  const events = new Map<number, number>();
  let state: SourceState = steadyState(stream.start, feed);
  for (const record of openAtStart(stream, feed)) {
    keep(record);
    const read = stream.eventsOf(indexOf(record.key.id)).filter(({ time }) => time <= stream.start);
    if (feed) addEvents(record.key, read);
  }

  function keep(record: RunRecord): void {
    const index = indexOf(record.key.id);
    due.move(index, live.get(index)?.watch?.dueAt, record.watch?.dueAt);
    if (record.phase !== "open" && record.phase !== "waiting") events.delete(index);
    if (record.phase === "done" && record.watch === undefined) live.delete(index);
    else live.set(index, record);
  }

  function find(key: RunKey): RunRecord | undefined {
    const index = indexOf(key.id);
    const known = live.get(index);
    if (known !== undefined) return known;
    if (collected[index]) return doneRecord(key, [0]);
    return index < stream.first && stream.endsAt(index) <= stream.start ? doneRecord(key, [0]) : undefined;
  }

  function change({ key: { id, createdAt }, parts = [], phase, watch, placement, endedAt }: RunChange): void {
    const key = { id, createdAt };
    const before = find(key);
    const ended = before?.phase === "done" || before?.phase === "collected";
    if (ended && (phase === "open" || phase === "waiting")) return;
    if (parts.some(({ part }) => part === 0)) {
      const index = indexOf(id);
      collected[index] = (collected[index] ?? 0) + 1;
      if (index < stream.first) early.add(index);
      onCollected(index);
    }
    const seen = [...new Set([...(before?.parts ?? []), ...parts.map(({ part }) => part)])];
    const settled = {
      ...((before?.placement ?? placement) ? { placement: before?.placement ?? placement } : {}),
      ...(endedAt && { endedAt }),
    };
    keep({ source: SOURCE, key, phase, parts: seen, ...settled, ...(watch && { watch }) } as RunRecord);
  }

  function addEvents(key: RunKey, read: readonly { readonly time: number }[]): void {
    if (find(key)?.phase !== "open") return;
    const index = indexOf(key.id);
    events.set(
      index,
      read.reduce((bits, { time }) => bits | (1 << stream.positionAt(index, time)), events.get(index) ?? 0),
    );
  }

  function eventsOf({ id }: RunKey): MessageEvent[] {
    const bits = events.get(indexOf(id)) ?? 0;
    return bits === 0 ? [] : stream.eventsOf(indexOf(id)).filter(({ position }) => (bits & (1 << position)) !== 0);
  }

  return {
    ...openMemoryStore(),
    collected,
    early,
    readSource: async () => state,
    findRuns: async (_, keys) => keys.map(find),
    readEvents: async (_, keys) => keys.map(eventsOf),
    dueRuns: async (_, now, limit) =>
      due.until(now, limit).map((index): WatchedRun => {
        const { key, phase, watch } = live.get(index) as RunRecord & { watch: Watch };
        return { key, phase, watch };
      }),
    nextDue: async () => due.first(),
    async hasten(_, reason, dueAt) {
      for (const record of live.values())
        if (record.watch?.reason === reason && record.watch.dueAt > dueAt) keep({ ...record, watch: { ...record.watch, dueAt } });
    },
    outcomes: async (_, keys) => keys.map((key) => ({ phase: find(key)?.phase ?? "open", destinations: {} })),
    async commit(page: PageCommit) {
      state = page.state ?? state;
      for (const one of page.runs) change(one);
      for (const { key, events: read } of page.events?.runs ?? []) addEvents(key, read);
    },
  };
}

const SOURCE = "eu";
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

const doneRecord = (key: RunKey, parts: readonly number[]): RunRecord => ({ source: SOURCE, key, phase: "done", placement: "own", parts });

/** All was read up to `start`; the next sweep and the next lookback are due, so that what is measured includes them. */
function steadyState(start: number, feed: boolean): SourceState {
  return {
    epoch: start - 30 * DAY,
    watermark: start,
    openListed: true,
    lookbackAt: start - HOUR,
    readAt: start,
    sweep: { repaired: 0, startedAt: start - 2 * DAY, finishedAt: start - DAY },
    ...(feed && { feed: { status: "trusted", watermark: start, since: start - 30 * DAY, detailFrom: start - 30 * DAY } }),
  };
}

/** Runs that go on at `start`, each asked for at some moment of its interval. */
function* openAtStart(stream: Stream, feed: boolean): Generator<RunRecord> {
  const interval = feed ? HOUR : 300_000;
  for (const index of stream.openAtStart()) {
    const { id, createdAt } = stream.program(index);
    const polls = Math.min(6, Math.floor(Math.log2((stream.start - createdAt) / 5_000 + 1)));
    const dueAt = stream.start + ((index * 7_919) % (feed ? interval : Math.min(interval, 5_000 * 2 ** polls)));
    yield { source: SOURCE, key: { id, createdAt }, phase: "open", parts: [], watch: { reason: "open", polls, dueAt } };
  }
}

/** Numbers by the time they are due at: in buckets of a second, so that few are ever put in order. */
function dueTimes() {
  const buckets = new Map<number, Map<number, number>>();
  /** Of the buckets there are, in order. */
  const seconds: number[] = [];
  const secondOf = (time: number) => Math.floor(time / 1_000);

  function placeOf(second: number): number {
    let [low, high] = [0, seconds.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((seconds[middle] ?? 0) < second) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  function remove(index: number, second: number): void {
    const bucket = buckets.get(second);
    bucket?.delete(index);
    if (bucket?.size !== 0) return;
    buckets.delete(second);
    seconds.splice(placeOf(second), 1);
  }

  function add(index: number, time: number): void {
    const second = secondOf(time);
    const bucket = buckets.get(second) ?? new Map<number, number>();
    bucket.set(index, time);
    if (buckets.has(second)) return;
    buckets.set(second, bucket);
    seconds.splice(placeOf(second), 0, second);
  }

  return {
    move(index: number, from: number | undefined, to: number | undefined): void {
      if (from !== undefined) remove(index, secondOf(from));
      if (to !== undefined) add(index, to);
    },
    until(now: number, limit: number): number[] {
      const found: number[] = [];
      for (const second of seconds) {
        if (second > secondOf(now) || found.length >= limit) break;
        const bucket = [...(buckets.get(second) ?? [])].filter(([, dueAt]) => dueAt <= now);
        found.push(...bucket.sort((a, b) => a[1] - b[1] || a[0] - b[0]).map(([index]) => index));
      }
      return found.slice(0, limit);
    },
    first: (): number | undefined => {
      const bucket = buckets.get(seconds[0] ?? Number.NaN);
      return bucket && Math.min(...bucket.values());
    },
  };
}
