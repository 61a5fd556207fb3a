import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { gunzipSync } from "node:zlib";
import { fields } from "../../src/otlp/wire.ts";

/** An OTLP/HTTP backend that accepts everything and only counts. */
export interface Sink {
  readonly url: string;
  readonly spans: () => number;
  readonly requests: () => number;
  /** As they came, and unzipped. */
  readonly bytes: () => { readonly sent: number; readonly unzipped: number };
  /** When a span of each trace was accepted for the first time (wall clock, ms), by trace id. */
  readonly acceptedAt: ReadonlyMap<string, number>;
  close(): Promise<void>;
}

/** Listens on a free port of 127.0.0.1. */
export async function startSink(): Promise<Sink> {
  const acceptedAt = new Map<string, number>();
  const counted = { spans: 0, requests: 0, sent: 0, unzipped: 0 };
  const server = createServer(async (request, response) => {
    const raw = await bodyOf(request);
    const body = request.headers["content-encoding"] === "gzip" ? gunzipSync(raw) : raw;
    counted.requests += 1;
    counted.sent += raw.length;
    counted.unzipped += body.length;
    const isJson = request.headers["content-type"]?.includes("json");
    counted.spans += isJson ? countJson(body) : countSpans(body, Date.now(), acceptedAt);
    response.writeHead(200, { "content-type": "application/x-protobuf" }).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans: () => counted.spans,
    requests: () => counted.requests,
    bytes: () => ({ sent: counted.sent, unzipped: counted.unzipped }),
    acceptedAt,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

/** Of the stock exporter, which writes JSON; of its spans only the number is of interest. */
function countJson(body: Uint8Array): number {
  return Buffer.from(body).toString("latin1").split('"spanId":').length - 1;
}

/** ExportTraceServiceRequest.resource_spans.scope_spans.spans, and Span.trace_id. */
const SPANS = [1, 2, 2] as const;
const TRACE_ID = 1;

function countSpans(body: Uint8Array, now: number, acceptedAt: Map<string, number>, from = 0, to = body.length, depth = 0): number {
  let spans = 0;
  for (const field of fields(body, from, to)) {
    if (depth === SPANS.length) {
      if (field.number !== TRACE_ID) continue;
      const trace = Buffer.from(body.subarray(field.from, field.to)).toString("hex");
      if (!acceptedAt.has(trace)) acceptedAt.set(trace, now);
      return 1;
    }
    if (field.number === SPANS[depth]) spans += countSpans(body, now, acceptedAt, field.from, field.to, depth + 1);
  }
  return spans;
}
