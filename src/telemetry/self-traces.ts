import { type Attributes, type Context, ROOT_CONTEXT, type Span, SpanKind, SpanStatusCode, type Tracer, trace } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { AlwaysOnSampler, BasicTracerProvider, BatchSpanProcessor } from "@opentelemetry/sdk-trace-base";

/**
 * The bridge's own traces, by the stock SDK (they may be lossy; the runs' are not): one for each cycle of reading, with
 * the requests it took, and one for each request to a destination. Loaded only where `telemetry.traces.endpoint` is set.
 */
export interface SelfTraces {
  /** A request to a source's API; it belongs to the cycle that ends next. */
  request(source: string, request: TracedRequest): void;
  cycle(source: string, cycle: TracedCycle): void;
  delivery(destination: string, delivery: TracedDelivery): void;
  /** Sends what is left. */
  close(): Promise<void>;
}

/** Ended just now, after so many ms. */
export interface TracedRequest {
  readonly purpose: string;
  readonly outcome: string;
  readonly status?: number;
  readonly ms: number;
}
export interface TracedCycle {
  readonly ms: number;
  readonly collected: number;
  /** Why it stopped short. */
  readonly trouble?: string;
}
export interface TracedDelivery {
  readonly ms: number;
  readonly bytes: number;
  readonly outcome: string;
}

/** Requests of one cycle that are shown; a long listing has thousands. */
const MAX_REQUESTS = 100;

/** @param endpoint `v1/traces` is appended */
export function startSelfTraces(endpoint: string, version: string, now: () => number): SelfTraces {
  const exporter = withoutVariables(() => new OTLPTraceExporter({ url: `${endpoint.replace(/\/+$/, "")}/v1/traces` }));
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({ "service.name": "wfotel", "service.version": version }),
    sampler: new AlwaysOnSampler(),
    spanProcessors: [new BatchSpanProcessor(exporter)],
  });
  const tracer = provider.getTracer("wfotel", version);
  const requests = new Map<string, (TracedRequest & { readonly endedAt: number })[]>();
  return {
    request(source, request) {
      const own = requests.get(source) ?? [];
      requests.set(source, own);
      if (own.length < MAX_REQUESTS) own.push({ ...request, endedAt: now() });
    },
    cycle(source, { ms, collected, trouble }) {
      const end = now();
      const attributes = { "wfotel.source": source, "wfotel.runs.collected": collected };
      const span = begin(tracer, "poll", end - ms, attributes, SpanKind.INTERNAL, ROOT_CONTEXT);
      const parent = trace.setSpan(ROOT_CONTEXT, span);
      for (const request of requests.get(source) ?? []) requestSpan(tracer, request, parent);
      requests.delete(source);
      finish(span, end, trouble);
    },
    delivery(destination, { ms, bytes, outcome }) {
      const end = now();
      const attributes = { "wfotel.destination": destination, "wfotel.request.bytes": bytes, "wfotel.outcome": outcome };
      const span = begin(tracer, "deliver", end - ms, attributes, SpanKind.CLIENT, ROOT_CONTEXT);
      finish(span, end, outcome === "delivered" ? undefined : outcome);
    },
    close: () => provider.shutdown().catch(() => undefined), // an endpoint that is down holds up nothing
  };
}

function requestSpan(
  tracer: Tracer,
  { purpose, outcome, status, ms, endedAt }: TracedRequest & { endedAt: number },
  parent: Context,
): void {
  const attributes = { "wfotel.purpose": purpose, "wfotel.outcome": outcome, ...(status && { "http.response.status_code": status }) };
  const span = begin(tracer, "request", endedAt - ms, attributes, SpanKind.CLIENT, parent);
  finish(span, endedAt, outcome === "ok" ? undefined : outcome);
}

function begin(tracer: Tracer, name: string, startTime: number, attributes: Attributes, kind: SpanKind, parent: Context): Span {
  return tracer.startSpan(name, { startTime, attributes, kind }, parent);
}

function finish(span: Span, endTime: number, trouble: string | undefined): void {
  if (trouble !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: trouble });
  span.end(endTime);
}

/**
 * The stock exporter lays OTEL_EXPORTER_OTLP_* (headers, certificates) under what it is given. Those belong to the
 * destination that the variables name: its key must not reach the file's endpoint.
 */
function withoutVariables<T>(build: () => T): T {
  const hidden = Object.entries(process.env).filter(([name]) => name.startsWith("OTEL_EXPORTER_OTLP_"));
  for (const [name] of hidden) delete process.env[name];
  try {
    return build();
  } finally {
    for (const [name, value] of hidden) process.env[name] = value;
  }
}
