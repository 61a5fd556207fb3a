import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { Attributes } from "@opentelemetry/api";
import { ProtobufTraceSerializer } from "@opentelemetry/otlp-transformer";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BasicTracerProvider, type ReadableSpan } from "@opentelemetry/sdk-trace-base";
import { destinationSchema } from "../../src/destinations/config.ts";
import { createDestination } from "../../src/destinations/create.ts";
import type { WireRun } from "../../src/fake-upstash/wire.ts";
import { encodeRun, joinChunks } from "../../src/otlp/encode.ts";
import { decodeRunsBody } from "../../src/sources/upstash/decode.ts";
import { openStore } from "../../src/state/sqlite.ts";
import type { PageCommit, StoredChunk } from "../../src/state/store.ts";
import { mapRun } from "../../src/trace/map-run.ts";
import { ownPlacement } from "../../src/trace/placement.ts";
import { readableSpan } from "../support/readable-span.ts";
import { settingsWith } from "../support/run-builder.ts";
import { interleaved } from "./figures.ts";
import { endsAt, historyOf } from "./log-api.ts";
import { traceRun } from "./stock-mapping.ts";
import { STORIES } from "./story.ts";

/** The price of each layer, in a process of its own: arguments are the sink's URL and how many rounds; figures as JSON on standard output. */

const RUNS = 400;
const PAGE = 10;
/** What the stock processor and exporter take at a time. */
const STOCK_BATCH = 512;
const [url = "", rounds = "15"] = process.argv.slice(2);

const { runs } = historyOf(RUNS, 1_000, 1_790_000_000_000, STORIES);
const pages = Array.from({ length: RUNS / PAGE }, (_, page) => {
  const texts = runs.slice(page * PAGE, (page + 1) * PAGE).map((run) => run.story.run(run.id, run.createdAt, run.story.durationMs));
  return `{"cursor":"${page}","runs":[${texts.join(",")}]}`;
});
const parsed = pages.map((page) => JSON.parse(page) as { runs: WireRun[] });
const decoded = parsed.flatMap((page) => decodeRunsBody(page).runs);
const settings = settingsWith();
const mapOne = (run: (typeof decoded)[number]) => mapRun(run, ownPlacement(run, settings), settings);
const mapped = decoded.map(mapOne);
const chunks: StoredChunk[][] = mapped.map((run) => encodeRun(run, "protobuf"));
const requests = slices(chunks.flat(), 100).map((some) =>
  joinChunks(
    some.map(({ bytes }) => bytes),
    "protobuf",
  ),
);
const compressed = requests.map((request) => gzipSync(request, { level: 1 }));
const resource = resourceFromAttributes({ "service.name": "shop.example.com" });
const readable = slices(
  mapped.flatMap(({ spans }) => spans.map((span) => readableSpan(span, resource, (attributes) => attributes as Attributes))),
  STOCK_BATCH,
);

const ended: ReadableSpan[] = [];
const stock = new BasicTracerProvider({
  resource,
  spanProcessors: [
    {
      onStart: () => undefined,
      onEnd: (span) => void ended.push(span),
      forceFlush: async () => undefined,
      shutdown: async () => undefined,
    },
  ],
}).getTracer("stock");

/** A batch goes as soon as it is full, as the stock processor has it. */
function stockWay(): { readonly spans: number; readonly bytes: number } {
  let [spans, bytes] = [0, 0];
  const flush = () => {
    for (const batch of slices(ended.splice(0), STOCK_BATCH)) {
      spans += batch.length;
      bytes += ProtobufTraceSerializer.serializeRequest(batch)?.length ?? 0;
    }
  };
  for (const page of parsed)
    for (const run of page.runs) {
      traceRun(stock, run);
      if (ended.length >= STOCK_BATCH) flush();
    }
  flush();
  return { spans, bytes };
}

/** Run by run, and nothing is kept: so does the bridge. */
function sum<T>(items: readonly T[], size: (item: T) => number): number {
  return items.reduce((total, item) => total + size(item), 0);
}
const bytesOf = (some: readonly StoredChunk[]) => sum(some, ({ bytes }) => bytes.length);

const folder = mkdtempSync(join(tmpdir(), "wfotel-bench-"));
const store = await openStore(join(folder, "wfotel.db"));
await store.syncDestinations(["sink"], 0);
let generation = 0;

/** As the collecting loop does it: each page is one transaction. */
async function storePages(): Promise<void> {
  generation += 1;
  for (let from = 0; from < RUNS; from += PAGE) await store.commit({ source: "eu", runs: changes(from, generation) });
}

function changes(from: number, of: number): PageCommit["runs"] {
  return runs.slice(from, from + PAGE).map((run, index) => ({
    key: { id: `${run.id}.${of}`, createdAt: run.createdAt },
    phase: "done",
    endedAt: endsAt(run),
    placement: "own",
    parts: [
      {
        part: 0,
        payloads: [{ encoding: "protobuf", chunks: chunks[from + index] ?? [] }],
        firstEnd: run.createdAt,
        lastEnd: endsAt(run),
        spans: mapped[from + index]?.spans.length ?? 0,
        deliveries: [{ destination: "sink", encoding: "protobuf" }],
      },
    ],
  }));
}

/** Read again and settled, as the deliverer does it around each request. */
async function settleAll(): Promise<void> {
  for (;;) {
    const queued = await store.queued("sink", "protobuf", 0, 1_048_576);
    if (queued.length === 0) return;
    const settlements = queued.map(({ id, spans, bytes }) => ({ id, outcome: "delivered" as const, spans, bytes }));
    await store.settle("sink", settlements, Date.now());
  }
}

const plain = createDestination(destinationSchema.parse({ name: "sink", type: "otlp-http", endpoint: url, compression: "none" }), {
  userAgent: "bench",
  stdout: process.stdout,
  width: 80,
  color: false,
});
const never = new AbortController().signal;

const times = await interleaved(
  {
    "parse + stringify": () => pages.map((page) => JSON.stringify(JSON.parse(page))),
    parse: () => pages.map((page) => JSON.parse(page)),
    decode: () => parsed.map((page) => decodeRunsBody(page)),
    map: () => sum(decoded, (run) => mapOne(run).spans.length),
    serializer: () => sum(readable, (batch) => ProtobufTraceSerializer.serializeRequest(batch)?.length ?? 0),
    encode: () => sum(mapped, (run) => bytesOf(encodeRun(run, "protobuf"))),
    "map + encode": () => sum(decoded, (run) => bytesOf(encodeRun(mapOne(run), "protobuf"))),
    stock: stockWay,
    store: storePages,
    settle: settleAll,
    compress: () => requests.map((request) => gzipSync(request, { level: 1 })),
    send: async () => {
      for (const request of requests) await plain.send(request, never);
    },
  },
  { rounds: Number(rounds), warmUp: Number(rounds) },
  cpuMs,
);

const spans = sum(mapped, (run) => run.spans.length);
const size = (all: readonly { readonly length: number }[]) => sum(all, ({ length }) => length) / spans;
const stockMade = stockWay();
const figures = {
  spansPerRun: spans / RUNS,
  microsPerSpan: Object.fromEntries(Object.entries(times).map(([name, time]) => [name, time / spans])),
  stockPerSpan: (times.stock ?? Number.NaN) / stockMade.spans,
  bytesPerSpan: {
    log: size(pages),
    encoded: size(chunks.flat().map(({ bytes }) => bytes)),
    compressed: size(compressed),
    stock: stockMade.bytes / stockMade.spans,
  },
};
await plain.close();
await store.close();
rmSync(folder, { recursive: true, force: true });
process.stdout.write(JSON.stringify(figures));

/** Of the whole process, its collector and its compiler too; wall clock would be what else the machine has to do. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

function slices<T>(items: readonly T[], length: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / length) }, (_, index) => items.slice(index * length, (index + 1) * length));
}
