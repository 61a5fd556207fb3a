import { join } from "node:path";
import { bundled } from "./bundle.ts";
import { startWfotel } from "./daemon.ts";
import { median } from "./figures.ts";
import { historyOf, type LogApi, startLogApi } from "./log-api.ts";
import { type Ended, startMeasured } from "./process.ts";
import { atMost, type Row } from "./report.ts";
import type { Setting } from "./setting.ts";
import { type Sink, startSink } from "./sink.ts";
import { STORIES } from "./story.ts";

/** Everything from the API to the backend, as two programs over one history: the shipped one, and the stock way. */
export async function pipeline({ folder, quick, say }: Setting): Promise<Row[]> {
  const runs = quick ? 500 : 4_000;
  const history = historyOf(runs, 1_000, Date.now() - 60_000, STORIES);
  const api = await startLogApi({ history });
  const worker = await bundled("stock-worker.ts", folder);
  const taken = { own: [] as Taken[], stock: [] as Taken[] };
  for (let round = 0; round < (quick ? 1 : 3); round += 1) {
    taken.own.push(await take(api, (sink) => own(join(folder, `pipeline-${round}`), api, sink)));
    taken.stock.push(
      await take(api, (sink) => startMeasured([worker], { API_URL: api.url, API_TOKEN: api.token, OTLP_URL: sink.url }).ended()),
    );
    say(`pipeline: round ${round + 1}`);
  }
  await api.close();
  return rowsOf(taken, runs);
}

function own(folder: string, api: LogApi, sink: Sink): Promise<Ended> {
  const source = { completion_feed: "off", start_from: "30d", max_requests_per_second: 1_000 };
  return startWfotel(["run", "--once"], { folder, api, sink, source }).ended();
}

interface Taken {
  readonly cpuMs: number;
  readonly wallMs: number;
  readonly peakRss: number;
  readonly accepted: number;
  readonly started: number;
  readonly bytes: number;
}

async function take(api: LogApi, program: (sink: Sink) => Promise<Ended>): Promise<Taken> {
  const sink = await startSink();
  const { code, cpuMs, wallMs, peakRss, stdout, stderr } = await program(sink);
  await sink.close();
  if (code !== 0) throw new Error(`pipeline at ${api.url}: ${stderr.slice(-2_000)}`);
  const started = stdout.startsWith("{") ? (JSON.parse(stdout) as { spans: number }).spans : sink.spans();
  return { cpuMs, wallMs, peakRss, accepted: sink.spans(), started, bytes: sink.bytes().sent };
}

function rowsOf({ own: ours, stock }: Record<"own" | "stock", Taken[]>, runs: number): Row[] {
  const of = (taken: readonly Taken[], value: (one: Taken) => number) => median(taken.map(value));
  const perSpan = (taken: readonly Taken[]) => of(taken, ({ cpuMs, started }) => (cpuMs / started) * 1_000);
  const lost = (taken: readonly Taken[]) => of(taken, ({ accepted, started }) => ((started - accepted) / started) * 100);
  const row = (what: string, value: number, unit: string, more: Partial<Row> = {}): Row => ({
    part: "pipeline",
    what,
    value,
    unit,
    ...more,
  });
  const note = (taken: readonly Taken[]) =>
    `${Math.round(of(taken, ({ wallMs }) => runs / (wallMs / 1_000)))} runs/s, peak RSS ${Math.round(of(taken, ({ peakRss }) => peakRss))} MiB, ${Math.round(of(taken, ({ bytes, accepted }) => bytes / accepted))} B/span`;
  return [
    row("whole, durable, redacted, compressed: CPU", perSpan(ours), "µs/span", { note: note(ours) }),
    row("rival: stock way, whole: CPU", perSpan(stock), "µs/span", { note: note(stock) }),
    row("whole ÷ stock way, CPU per span", perSpan(ours) / perSpan(stock), "×", { bar: atMost(1.5) }),
    row("spans lost", lost(ours), "%", { bar: atMost(0) }),
    row("rival: stock way, spans lost", lost(stock), "%"),
  ];
}
