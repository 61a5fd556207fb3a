import { join } from "node:path";
import { bundled } from "./bundle.ts";
import { startWfotel } from "./daemon.ts";
import { growth, median } from "./figures.ts";
import { type History, historyOf, type LogApi, startLogApi } from "./log-api.ts";
import { type Ended, startMeasured } from "./process.ts";
import { atLeast, atMost, type Row } from "./report.ts";
import type { Setting } from "./setting.ts";
import { type Sink, startSink } from "./sink.ts";
import { STORIES } from "./story.ts";

/** `wfotel backfill` through its command line: how near it comes to what latency and budget allow, what it asks, what it holds. */

/** Default of `--concurrency`, and of `max_requests_per_second`. */
const CONCURRENCY = 10;
const BUDGET = 10;
const LIFTED_BUDGET = 1_000;
const LIFTED = { max_requests_per_second: LIFTED_BUDGET, completion_feed: "off" };
/** The latency that the bars are for, in ms. */
const BAR_LATENCY = 150;
const EVERY_MS = 30_000;

interface Taken extends Ended {
  readonly requests: LogApi["requests"];
  /** From the first request to the last answer. */
  readonly readingMs: number;
  readonly spans: number;
}

type Program = (api: LogApi, sink: Sink) => Promise<Ended>;

async function take(history: History, options: { latencyMs?: number; messageLog?: boolean }, program: Program): Promise<Taken> {
  const asked: number[] = [];
  const api = await startLogApi({ history, ...options, onRequest: () => void asked.push(performance.now()) });
  const sink = await startSink();
  const ended = await program(api, sink);
  await Promise.all([api.close(), sink.close()]);
  if (ended.code !== 0) throw new Error(`backfill: exit code ${ended.code}\n${ended.stdout}\n${ended.stderr.slice(-2_000)}`);
  const readingMs = Math.max(...asked) - Math.min(...asked) + (options.latencyMs ?? 0);
  return { ...ended, requests: api.requests, readingMs, spans: sink.spans() };
}

const historyFor = (runs: number) => historyOf(runs, EVERY_MS, Date.now() - 600_000, STORIES);

function own(folder: string, history: History, source: object): Program {
  const from = String((history.runs[0]?.createdAt ?? 0) - 1);
  const to = String((history.runs.at(-1)?.createdAt ?? 0) + 1);
  return (api, sink) => startWfotel(["backfill", "--from", from, "--to", to], { folder, api, sink, source }).ended();
}

const asked = ({ requests: { listed, byId, events } }: Taken) => listed + byId + events;

const row = (what: string, value: number, unit: string, more: Partial<Row> = {}): Row => ({ part: "backfill", what, value, unit, ...more });

export async function backfill({ folder, quick, say }: Setting): Promise<Row[]> {
  const runs = quick ? 500 : 4_000;
  const history = historyFor(runs);
  const rows: Row[] = [];
  for (const latencyMs of [0, 50, 150]) {
    const times: Taken[] = [];
    for (let round = 0; round < (quick ? 1 : 3); round += 1)
      times.push(await take(history, { latencyMs }, own(join(folder, `backfill-${latencyMs}-${round}`), history, LIFTED)));
    say(`backfill: ${latencyMs} ms`);
    const wall = median(times.map(({ readingMs }) => readingMs));
    const ideal = idealOf(times[0] ? asked(times[0]) : 0, latencyMs);
    const note = `${Math.round(runs / (wall / 1_000))} runs/s`;
    rows.push(row(`${runs} runs at ${latencyMs} ms, cap lifted`, wall / 1_000, "s", { note }));
    const isBar = latencyMs === BAR_LATENCY;
    rows.push(row(`÷ its ideal at ${latencyMs} ms (${idealWords(latencyMs)})`, wall / ideal, "×", isBar ? { bar: atMost(1.15) } : {}));
    if (isBar) rows.push(await besideStock(history, folder, wall, latencyMs));
  }
  return [...rows, ...(await withinBudget(folder, quick)), ...(await withMessages(folder, quick))];
}

/** What latency, or with none of it the budget, leaves of the time, in ms. */
function idealOf(requests: number, latencyMs: number): number {
  return latencyMs === 0 ? (requests / LIFTED_BUDGET) * 1_000 : (requests * latencyMs) / CONCURRENCY;
}

const idealWords = (latencyMs: number) => (latencyMs === 0 ? "requests ÷ budget" : "requests × latency ÷ 10 at once");

async function besideStock(history: History, folder: string, wall: number, latencyMs: number): Promise<Row> {
  const worker = await bundled("stock-worker.ts", folder);
  const env = (api: LogApi, sink: Sink) => ({ API_URL: api.url, API_TOKEN: api.token, OTLP_URL: sink.url });
  const stock = await take(history, { latencyMs }, (api, sink) => startMeasured([worker], env(api, sink)).ended());
  return row("page by page ÷ backfill, at 150 ms", stock.readingMs / wall, "×", {
    bar: atLeast(8),
    note: `stock way ${(stock.readingMs / 1_000).toFixed(1)} s`,
  });
}

async function withinBudget(folder: string, quick: boolean): Promise<Row[]> {
  const runs = quick ? 500 : 2_000;
  const history = historyFor(runs);
  const taken = await take(history, { latencyMs: 150 }, own(join(folder, "backfill-cap"), history, { completion_feed: "off" }));
  const used = asked(taken) / (BUDGET * (taken.readingMs / 1_000));
  return [
    row("requests per 10 runs, runs detail", asked(taken) / (runs / 10), "", { bar: atMost(1.1) }),
    row("budget used at 150 ms, default cap", used * 100, "%", { bar: atLeast(95), note: `${(taken.readingMs / 1_000).toFixed(1)} s` }),
  ];
}

async function withMessages(folder: string, quick: boolean): Promise<Row[]> {
  const runs = quick ? 500 : 2_000;
  const history = historyFor(runs);
  const events = history.runs.reduce((sum, { story }) => sum + story.events.length, 0);
  const source = { max_requests_per_second: 1_000, detail: "messages" };
  const taken = await take(history, { messageLog: true }, own(join(folder, "backfill-messages"), history, source));
  const ideal = events / 1_000 + runs / 10;
  return [row("requests ÷ (events ÷ 1,000 + runs ÷ 10), messages detail", asked(taken) / ideal, "×", { bar: atMost(1.1) })];
}

/** 50,000 runs: what it holds must not grow with what it did. */
export async function memory({ folder, quick }: Setting): Promise<Row[]> {
  const runs = quick ? 5_000 : 50_000;
  const history = historyFor(runs);
  const taken = await take(history, {}, own(join(folder, "memory"), history, LIFTED));
  const running = taken.series.slice(Math.ceil(taken.series.length / 4)); // the first quarter is its start
  const note = `${Math.round(runs / (taken.wallMs / 1_000))} runs/s, ${((taken.cpuMs / taken.spans) * 1_000).toFixed(0)} µs/span of CPU`;
  return [
    row(`peak RSS over ${runs} runs`, taken.peakRss, "MiB", { part: "memory", bar: atMost(190), note }),
    row("end ÷ beginning of it, after a quarter of the time", growth(running), "×", {
      part: "memory",
      bar: atMost(1.1),
      note: "1 is flat",
    }),
  ];
}
