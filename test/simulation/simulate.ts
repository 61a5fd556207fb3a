import { createSourceLoop } from "../../src/pipeline/loop.ts";
import type { Purpose } from "../../src/sources/source.ts";
import { readContext } from "../support/pipeline.ts";
import { type VirtualClock, virtualClock } from "../support/virtual-clock.ts";
import { type SimulatedSource, simulatedSource } from "./source.ts";
import { type StreamStore, streamStore } from "./store.ts";
import { type Stream, stream } from "./stream.ts";

/** One rate of runs, read by the bridge's own code on virtual time. */

export interface Options {
  /** Runs created per second. */
  readonly rate: number;
  /** The message log answers. */
  readonly feed: boolean;
  /** For so long runs are created and figures taken. */
  readonly seconds: number;
  /** For so long reading goes on when nothing new is created. */
  readonly restSeconds?: number;
  readonly requestsPerSecond?: number;
  /** It ends with the hour in which reading has fallen behind. */
  readonly untilBehind?: boolean;
  readonly seed?: number;
}

export interface Figures {
  readonly rate: number;
  readonly feed: boolean;
  /** That were simulated: less than was asked for where it ended early. */
  readonly seconds: number;
  readonly requestsPerSecond: number;
  /** Per run that was collected; `read` without the safety nets (newest page, lookback, sweep). */
  readonly requestsPerRun: { readonly all: number; readonly read: number };
  /** Per second. */
  readonly byPurpose: Partial<Record<Purpose, number>>;
  /** At the end, ms: how far behind is what was listed whole (with the feed: the feed). */
  readonly lag: number;
  /** From a run's end to its spans in the state, ms; without those of the first half hour, or of the first half of the time. */
  readonly freshness: { readonly p50: number; readonly p99: number };
  /** Runs that had ended and were not collected: after half of the last hour (or of the time), and at the end. */
  readonly backlog: readonly [number, number];
  readonly fallsBehind: boolean;
  /** Over the whole time, the rest included. */
  readonly ended: number;
  readonly collectedOnce: number;
  readonly collectedMoreThanOnce: number;
}

const START = 1_700_000_000_000;
const LATENCY_MS = 50;
const REQUESTS_PER_SECOND = 10;
const SEED = 4;

interface Rig {
  readonly runs: Stream;
  readonly clock: VirtualClock;
  readonly store: StreamStore;
  readonly source: SimulatedSource;
  /** End → collected, ms, since they were last cleared. */
  readonly delays: number[];
}

export async function simulate(options: Options): Promise<Figures> {
  const { feed, restSeconds = 0 } = options;
  const rig = setUp(options);
  const { clock, store, source, runs } = rig;
  const context = readContext({
    clock,
    api: { source },
    store,
    destinations: [],
    hasRoom: async () => true,
    config: { completion_feed: feed ? "auto" : "off" },
  });
  const stop = new AbortController();
  const loop = createSourceLoop(context).run(stop.signal);
  const stretches = await inStretches(options, rig);
  const { seconds, backlog } = stretches[stretches.length - 1] as Stretch;
  const sent = { ...source.requests };
  const figures = { ...measured(options, seconds, sent, rig), backlog, lag: await lagOf(store, clock, feed) };
  await clock.advance(restSeconds * 1_000);
  stop.abort();
  await clock.until(loop);
  // sleepers from before the start go on waking: without the feed the last of them are seen within five minutes
  const { ended, collected } = endings(runs, store, clock.now() - (restSeconds > 0 ? 360_000 : 0));
  return {
    ...figures,
    fallsBehind: stretches.some(({ behind }) => behind),
    ended,
    collectedOnce: collected.filter((times) => times === 1).length,
    collectedMoreThanOnce: collected.filter((times) => times > 1).length,
  };
}

/** An hour, or all the time there is. */
interface Stretch {
  /** From the start to its end. */
  readonly seconds: number;
  /** After half of it, and at its end. */
  readonly backlog: readonly [number, number];
  readonly behind: boolean;
}

const LONGEST_STRETCH = 3_600;

/** Lets the time pass, hour by hour; where it is to end when reading has fallen behind, that is after a whole hour of it. */
async function inStretches(options: Options, rig: Rig): Promise<Stretch[]> {
  const { seconds, untilBehind = false } = options;
  const stretches: Stretch[] = [];
  for (let passed = 0; passed < seconds; ) {
    const length = Math.min(LONGEST_STRETCH, seconds - passed);
    await rig.clock.advance(length * 500);
    const half = backlog(rig);
    if (passed === 0) rig.delays.length = 0; // it has just begun
    const before = rig.delays.length;
    await rig.clock.advance(length * 500);
    passed += length;
    const waits = [half, backlog(rig)] as const;
    const p50 = quantile(
      rig.delays.slice(before).sort((a, b) => a - b),
      0.5,
    );
    const behind = isBehind(waits, p50, { rate: options.rate, seconds: length });
    stretches.push({ seconds: passed, backlog: waits, behind });
    if (behind && untilBehind) break;
  }
  return stretches;
}

function setUp({ rate, feed, seconds, requestsPerSecond = REQUESTS_PER_SECOND, seed = SEED }: Options): Rig {
  const clock = virtualClock(START);
  const runs = stream({ rate, start: START, seconds, seed });
  const delays: number[] = [];
  const store = streamStore(runs, feed, (index) => delays.push(clock.now() - runs.program(index).endsAt));
  return { runs, clock, store, delays, source: simulatedSource(runs, clock, { requestsPerSecond, latency: LATENCY_MS, feed }) };
}

function measured({ rate, feed }: Options, seconds: number, sent: SimulatedSource["requests"], { delays, store }: Rig) {
  const requests = Object.values(sent).reduce((sum, count) => sum + count, 0);
  const perSecond = Object.entries(sent).map(([purpose, count]) => [purpose, count / seconds]);
  const collected = store.collected.reduce((sum, times) => sum + times, 0);
  // without the feed a listing is how runs are found
  const read = feed ? (sent.feed ?? 0) + (sent.open ?? 0) : requests - (sent.sweep ?? 0);
  delays.sort((a, b) => a - b);
  return {
    rate,
    feed,
    seconds,
    requestsPerSecond: requests / seconds,
    requestsPerRun: { all: requests / collected, read: read / collected },
    byPurpose: Object.fromEntries(perSecond) as Figures["byPurpose"],
    freshness: { p50: quantile(delays, 0.5), p99: quantile(delays, 0.99) },
  };
}

const quantile = (sorted: readonly number[], share: number): number => sorted[Math.floor(sorted.length * share)] ?? Number.NaN;

/** Of the runs that ended since the start: how many there are, and how often each was collected. */
function endings(runs: Stream, store: StreamStore, now: number): { ended: number; collected: number[] } {
  const collected: number[] = [];
  const end = Math.min(runs.count, runs.indexAt(now));
  const look = (index: number) => {
    const times = store.collected[index] ?? 0;
    if (times > 0 || runs.endsAt(index) <= now) collected.push(times);
  };
  for (const index of store.early) look(index);
  for (let index = runs.first; index < end; index += 1) look(index);
  return { ended: collected.length, collected };
}

function backlog({ runs, store, clock }: Rig): number {
  return endings(runs, store, clock.now()).collected.filter((times) => times === 0).length;
}

/**
 * What waits has grown by more than half a minute of runs beyond a twentieth of what ended, or half of them waited for a
 * minute and more. (Without the feed a long run is asked for every five minutes: so long some always wait.)
 */
function isBehind([half, end]: Figures["backlog"], p50: number, { rate, seconds }: Pick<Options, "rate" | "seconds">): boolean {
  return end - half > (rate * seconds) / 2 / 20 + 30 * rate || p50 > 60_000;
}

async function lagOf(store: StreamStore, clock: VirtualClock, feed: boolean): Promise<number> {
  const state = await store.readSource("eu");
  return clock.now() - ((feed ? state?.feed?.watermark : state?.watermark) ?? 0);
}
