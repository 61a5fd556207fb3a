import { bundled } from "./bundle.ts";
import { startMeasured } from "./process.ts";
import { atLeast, atMost, type Row } from "./report.ts";
import type { Setting } from "./setting.ts";
import { startSink } from "./sink.ts";

interface Figures {
  readonly spansPerRun: number;
  readonly microsPerSpan: Readonly<Record<string, number>>;
  readonly stockPerSpan: number;
  readonly bytesPerSpan: Readonly<Record<"log" | "encoded" | "compressed" | "stock", number>>;
}

/** The price of each layer, and the ratios to the bare serializer and to the stock way, of one process. */
export async function layers({ folder, quick }: Setting): Promise<Row[]> {
  const sink = await startSink();
  const worker = startMeasured([await bundled("layers-worker.ts", folder), sink.url, quick ? "5" : "25"]);
  const { code, stdout, stderr } = await worker.ended();
  await sink.close();
  if (code !== 0) throw new Error(`layers: ${stderr}`);
  return rowsOf(JSON.parse(stdout) as Figures);
}

function rowsOf({ spansPerRun, microsPerSpan, stockPerSpan, bytesPerSpan }: Figures): Row[] {
  const time = (name: string) => microsPerSpan[name] ?? Number.NaN;
  const row = (what: string, value: number, unit: string, more: Partial<Row> = {}): Row => ({ part: "layers", what, value, unit, ...more });
  const own = time("map + encode");
  return [
    ...["parse", "decode", "map", "encode", "store", "settle", "compress", "send"].map((name) => row(name, time(name), "µs/span")),
    row("rival: JSON.parse + JSON.stringify of the same bytes", time("parse + stringify"), "µs/span"),
    row("rival: bare serializer, the same spans", time("serializer"), "µs/span"),
    row("rival: stock way, startSpan + serializer", stockPerSpan, "µs/span", { note: `${Math.round(bytesPerSpan.stock)} B/span` }),
    row("mapping ÷ bare serializer", time("map") / time("serializer"), "×", { bar: atMost(0.5) }),
    row("stock way ÷ (mapping + encoding)", stockPerSpan / own, "×", { bar: atLeast(1.1) }),
    row("log", bytesPerSpan.log, "B/span", { note: `${spansPerRun.toFixed(1)} spans/run` }),
    row("encoded", bytesPerSpan.encoded, "B/span"),
    row("compressed", bytesPerSpan.compressed, "B/span"),
  ];
}
