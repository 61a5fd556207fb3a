import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { traceId } from "../../src/trace/ids.ts";
import { startWfotel } from "./daemon.ts";
import { median, quantile } from "./figures.ts";
import { endsAt, type History, type HistoryRun, historyOf, startLogApi } from "./log-api.ts";
import { atMost, type Row } from "./report.ts";
import type { Setting } from "./setting.ts";
import { type Sink, startSink } from "./sink.ts";
import { order, STORIES, type Story, storyOf } from "./story.ts";

/** What the daemon costs, and how fresh its traces are, by wall clock. */

const RATE = 17;
/** What comes before is the first start's. */
const WARM_UP_MS = 15_000;
const POLL_INTERVAL_MS = 5_000;

/** 17 runs/s: memory, CPU, requests, and from a run's end to its acceptance. */
export async function steady({ folder, quick }: Setting): Promise<Row[]> {
  const length = quick ? 20_000 : 90_000;
  const startedAt = Date.now() + 1_000;
  const history = historyOf(Math.floor(((WARM_UP_MS + length) / 1_000) * RATE), 1_000 / RATE, startedAt + WARM_UP_MS + length, STORIES);
  const api = await startLogApi({ history, messageLog: true });
  const sink = await startSink();
  const daemon = startWfotel(["run"], { folder: join(folder, "steady"), api, sink });
  await sleep(startedAt + WARM_UP_MS - Date.now());
  const before = { ...api.requests, cpu: daemon.cpu(), spans: sink.spans() };
  await sleep(length);
  const cpu = daemon.cpu() - before.cpu;
  const spans = sink.spans() - before.spans;
  const requests = api.requests.byId + api.requests.events - before.byId - before.events;
  const from = startedAt + WARM_UP_MS;
  const ended = history.runs.filter((run) => endsAt(run) >= from && endsAt(run) < from + length - 2 * POLL_INTERVAL_MS);
  const delays = await delaysOf(ended, sink);
  const { series } = await daemon.stop();
  await Promise.all([api.close(), sink.close()]);
  const memory = series.slice(-Math.ceil(series.length / 3));
  const row = (what: string, value: number, unit: string, more: Partial<Row> = {}): Row => ({ part: "steady", what, value, unit, ...more });
  return [
    row("RSS at 17 runs/s", Math.max(...memory), "MiB", { bar: atMost(110), note: `median ${Math.round(median(memory))}` }),
    row("CPU at 17 runs/s", (cpu / length) * 100, "% of a core", { note: `${((cpu / spans) * 1_000).toFixed(0)} µs/span` }),
    row("requests per run, read", requests / ((length / 1_000) * RATE), "", { note: "wall clock; see requests for the bar" }),
    row("runs not accepted", delays.missing, "", { bar: atMost(0) }),
    row("end → accepted at 17 runs/s, p50", quantile(delays.seconds, 0.5), "s"),
    row("end → accepted at 17 runs/s, p99", quantile(delays.seconds, 0.99), "s"),
  ];
}

const LENGTHS = { "1 s": 1_000, "10 min": 600_000, "1 day": 86_400_000 } as const;

/** Scaled: five minutes by default, which the shorter window here would hardly see. */
const OPEN_RUN_MAX_MS = 15_000;

const MODES: readonly { readonly name: string; readonly source: object; readonly atMostMs: number }[] = [
  { name: "feed", source: {}, atMostMs: POLL_INTERVAL_MS + 1_000 },
  {
    name: "no feed, open runs asked for every 15 s at least",
    source: { completion_feed: "off", detail: "runs", open_run_max_interval: `${OPEN_RUN_MAX_MS}ms` },
    atMostMs: OPEN_RUN_MAX_MS + POLL_INTERVAL_MS,
  },
];

/** Runs of three lengths, one of each a second, that end while we look: with the feed and without it, at the same time. */
export async function freshness({ folder, quick }: Setting): Promise<Row[]> {
  const length = quick ? 15_000 : 60_000;
  const from = Date.now() + WARM_UP_MS;
  const byName = Object.entries(LENGTHS).map(([name, ms]) => ({ name, runs: endingFrom(storyOf(order(ms), ms), from, length, name) }));
  const history: History = { runs: byName.flatMap(({ runs }) => runs).sort((a, b) => a.createdAt - b.createdAt) };
  const rows = await Promise.all(
    MODES.map(async (mode) => {
      const api = await startLogApi({ history, messageLog: true });
      const sink = await startSink();
      const daemon = startWfotel(["run"], { folder: join(folder, `freshness ${mode.name}`), api, sink, source: mode.source });
      await sleep(from + length - Date.now());
      const rows = await Promise.all(byName.map(async ({ name, runs }) => freshnessRow(mode, name, await delaysOf(runs, sink))));
      await daemon.stop();
      await Promise.all([api.close(), sink.close()]);
      return rows;
    }),
  );
  return rows.flat();
}

function freshnessRow({ name, atMostMs }: (typeof MODES)[number], length: string, { seconds, missing }: Delays): Row {
  const note = missing === 0 ? `p50 ${quantile(seconds, 0.5).toFixed(1)} s` : `${missing} never came`;
  const value = missing === 0 ? quantile(seconds, 0.99) : Number.POSITIVE_INFINITY;
  return { part: "freshness", what: `${name}: runs of ${length}, p99`, value, unit: "s", bar: atMost(atMostMs / 1_000), note };
}

/** One a second. */
function endingFrom(story: Story, from: number, length: number, name: string): HistoryRun[] {
  return Array.from({ length: length / 1_000 }, (_, index) => ({
    id: `wfr_${name.replaceAll(" ", "-")}-${index}`,
    createdAt: from + index * 1_000 + ((index * 377) % 1_000) - story.durationMs,
    story,
  }));
}

interface Delays {
  readonly seconds: readonly number[];
  readonly missing: number;
}

/** From the end of each to its acceptance; those that are on their way get their time. */
async function delaysOf(runs: readonly HistoryRun[], sink: Sink): Promise<Delays> {
  const accepted = ({ id, createdAt }: HistoryRun) => sink.acceptedAt.get(traceId(id, createdAt));
  for (let wait = 0; wait < 40 && runs.some((run) => accepted(run) === undefined); wait += 1) await sleep(500);
  const seconds = runs.flatMap((run) => {
    const at = accepted(run);
    return at === undefined ? [] : [(at - endsAt(run)) / 1_000];
  });
  return { seconds, missing: runs.length - seconds.length };
}
