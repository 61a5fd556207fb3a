import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BasicTracerProvider, BatchSpanProcessor } from "@opentelemetry/sdk-trace-base";
import { Client } from "@upstash/workflow";
import type { WireRun } from "../../src/fake-upstash/wire.ts";
import { traceRun } from "./stock-mapping.ts";

/** The stock way as a program: URL, TOKEN and OTLP from the environment; on standard output how many spans it started. */
const { API_URL = "", API_TOKEN = "", OTLP_URL = "" } = process.env;
const client = new Client({ baseUrl: API_URL, token: API_TOKEN, retry: false, enableTelemetry: false });
const exporter = new OTLPTraceExporter({ url: `${OTLP_URL}/v1/traces`, compression: "gzip" as never });
const provider = new BasicTracerProvider({
  resource: resourceFromAttributes({ "service.name": "shop" }),
  spanProcessors: [new BatchSpanProcessor(exporter)],
});
const tracer = provider.getTracer("stock");
let cursor: string | undefined;
let spans = 0;
do {
  const page = await client.logs({ count: 10, ...(cursor !== undefined && { cursor }) });
  for (const run of page.runs) spans += traceRun(tracer, run as unknown as WireRun);
  cursor = page.cursor;
} while (cursor);
await provider.shutdown();
process.stdout.write(JSON.stringify({ spans }));
