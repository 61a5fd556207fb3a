/**
 * What the backends that cannot run here document of their OTLP intake. A limit that is not documented is not here: such
 * a backend is tested for path and auth header alone. Read in 2026 from the pages named under `sources`.
 */
export interface VendorRules {
  readonly sources: readonly string[];
  /** Where traces are posted to, below the preset's origin. */
  readonly path: string;
  readonly encodings: readonly ("protobuf" | "json")[];
  /** Bytes before compression; what is over is answered 413 or, by the Collector's receiver, 400. */
  readonly maxBodyBytes?: number;
  readonly oversizeStatus?: 400 | 413;
  /** What is over is discarded after the answer, which is that of a success: the sender is never told. */
  readonly maxTraceBytes?: number;
  readonly maxSpansPerTrace?: number;
  readonly maxSpansPerRequest?: number;
  readonly maxSpanBytes?: number;
  readonly span?: SpanLimits;
  /** How long ago a span may have ended, in ms; what is older vanishes without a word. */
  readonly maxSpanAge?: number;
  /** The status for a missing or wrong key, where it is documented; else 401. */
  readonly unauthorized?: 401 | 403;
  /** What it answers when it takes nothing for now, over a rate limit or out of order: each has to be waited out. */
  readonly busy?: readonly Busy[];
  /** A success has no body at all, not even an empty ExportTraceServiceResponse. */
  readonly answersWithoutBody?: true;
}

export interface Busy {
  readonly status: 429 | 500 | 503;
  /** How its `Retry-After` says when to come back; absent: it has none. */
  readonly retryAfter?: "seconds" | "date";
}

export interface SpanLimits {
  readonly attributes?: number;
  readonly events?: number;
  readonly eventAttributes?: number;
  readonly links?: number;
  readonly linkAttributes?: number;
  /** Characters. */
  readonly name?: number;
  readonly key?: number;
  readonly value?: number;
  /** Bytes of UTF-8. */
  readonly valueBytes?: number;
  readonly listEntries?: number;
}

const BOTH = ["protobuf", "json"] as const;
const MINUTE = 60_000;

const TEMPO_LIMITS = {
  maxTraceBytes: 5_000_000,
  span: { valueBytes: 2_048 },
  // Tempo 3.0; older ones name no delay, or answer 500 over HTTP
  busy: [{ status: 429, retryAfter: "seconds" }, { status: 429 }, { status: 500 }],
} as const;
const TEMPO_SOURCES = [
  "https://grafana.com/docs/tempo/latest/configuration/ (overrides: max_bytes_per_trace 5000000; distributor: max_attribute_bytes 2048)",
  "https://grafana.com/docs/tempo/latest/configuration/ (distributor: retry_after_on_resource_exhausted 5s; before 3.0: 0, no delay)",
  "https://grafana.com/docs/tempo/next/operations/manage-trace-ingestion/ (the rate is limited before the answer, a trace's size asynchronously: partially dropped)",
  "https://github.com/open-telemetry/opentelemetry-collector/blob/main/receiver/otlpreceiver/otlphttp.go (Tempo's receiver: 429, Retry-After in seconds)",
  "https://github.com/grafana/tempo/issues/3020 (500 instead of 429 over HTTP)",
];

export const VENDORS: Readonly<Record<string, VendorRules>> = {
  tempo: {
    sources: [...TEMPO_SOURCES, "https://github.com/open-telemetry/opentelemetry-collector/tree/main/config/confighttp (20 MiB)"],
    path: "/v1/traces",
    encodings: BOTH,
    maxBodyBytes: 20 * 1024 * 1024,
    oversizeStatus: 400,
    ...TEMPO_LIMITS,
  },
  "grafana-cloud": {
    sources: [
      "https://grafana.com/docs/grafana-cloud/send-data/otlp/send-data-otlp/",
      "https://grafana.com/docs/grafana-cloud/send-data/otlp/otlp-format-considerations/ (protobuf)",
      ...TEMPO_SOURCES,
    ],
    path: "/otlp/v1/traces",
    encodings: ["protobuf"],
    ...TEMPO_LIMITS,
  },
  honeycomb: {
    sources: [
      "https://docs.honeycomb.io/send-data/opentelemetry/",
      "https://docs.honeycomb.io/api/rate-limit (429; most with a Retry-After that is a date, its Events APIs without: of its APIs in general, not of OTLP)",
    ],
    path: "/v1/traces",
    encodings: BOTH,
    busy: [{ status: 429, retryAfter: "date" }, { status: 429 }],
  },
  datadog: {
    sources: ["https://docs.datadoghq.com/opentelemetry/setup/otlp_ingest_in_the_agent/"],
    path: "/v1/traces",
    encodings: ["protobuf"],
  },
  "new-relic": {
    sources: [
      "https://docs.newrelic.com/docs/opentelemetry/best-practices/opentelemetry-otlp/",
      "https://docs.newrelic.com/docs/apm/distributed-tracing/trace-api/troubleshooting-missing-trace-api-data/ (60 minutes: of its own Trace API)",
      "https://docs.newrelic.com/docs/opentelemetry/best-practices/opentelemetry-otlp-troubleshooting/ (429 with a delay, in its sample 29 s)",
    ],
    path: "/v1/traces",
    encodings: BOTH,
    maxBodyBytes: 1_000_000,
    oversizeStatus: 413,
    span: { key: 255, value: 4_095, listEntries: 64 },
    maxSpanAge: 60 * MINUTE, // documented of the Trace API's timestamps alone; for OTLP no age is documented
    unauthorized: 403,
    busy: [{ status: 429, retryAfter: "seconds" }],
    answersWithoutBody: true,
  },
  dynatrace: {
    sources: [
      "https://docs.dynatrace.com/docs/ingest-from/opentelemetry/getting-started/traces/ingest",
      "https://docs.dynatrace.com/docs/discover-dynatrace/references/dynatrace-api/environment-api/opentelemetry/post-traces (413, 500, 503)",
    ],
    path: "/api/v2/otlp/v1/traces",
    encodings: ["protobuf"],
    maxBodyBytes: 8_000_000,
    oversizeStatus: 413,
    span: { attributes: 128, events: 128, eventAttributes: 128, links: 128, linkAttributes: 128 },
    maxSpanAge: 60 * MINUTE,
    busy: [{ status: 500 }, { status: 503 }],
  },
  axiom: {
    sources: ["https://axiom.co/docs/send-data/opentelemetry", "https://axiom.co/docs/restapi/api-limits (429)"],
    path: "/v1/traces",
    encodings: BOTH,
    maxSpanBytes: 1_000_000,
    maxSpansPerRequest: 10_000,
    span: { key: 200 },
    busy: [{ status: 429 }],
  },
  dash0: {
    sources: ["https://www.dash0.com/docs/dash0/cost-control/quotas-and-limits"],
    path: "/v1/traces",
    encodings: BOTH,
    maxSpansPerTrace: 2_000,
    span: { attributes: 32, name: 128, key: 128, value: 2_048, events: 8, eventAttributes: 8, links: 128, linkAttributes: 8 },
    maxSpanAge: 360 * MINUTE,
  },
  signoz: {
    sources: ["https://signoz.io/docs/ingestion/signoz-cloud/overview/"],
    path: "/v1/traces",
    encodings: BOTH,
  },
};
