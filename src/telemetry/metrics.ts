import { Counter, collectDefaultMetrics, Gauge, Histogram, type OpenMetricsContentType, Registry } from "prom-client";
import type { Sample } from "./metrics-status.ts";
import { type Labels, METRICS, type MetricDefinition, type MetricName } from "./metrics-table.ts";

/** The registry behind `/metrics`. */
export interface Metrics {
  increment<Name extends MetricName>(name: Name, labels: Labels<Name>, by?: number): void;
  set<Name extends MetricName>(name: Name, labels: Labels<Name>, value: number): void;
  /** @param traceId of a trace that shows what was measured: an exemplar */
  observe<Name extends MetricName>(name: Name, labels: Labels<Name>, value: number, traceId?: string): void;
  /**
   * Everything, with what the status document says now, as OpenMetrics where `accept` asks for that and else in
   * Prometheus's text format.
   */
  exposition(accept: string, samples: readonly Sample[]): Promise<Exposition>;
}

export interface Exposition {
  readonly type: string;
  readonly body: string;
}

/** The default of 10 ms takes 0.9 % of a core. */
const EVENT_LOOP_PRECISION_MS = 1_000;
/** prom-client's own that break Prometheus's rules: gauges that end as counters do. The same without the ending stay. */
const MISNAMED = ["nodejs_active_handles_total", "nodejs_active_requests_total", "nodejs_active_resources_total"];

export function createMetrics(): Metrics {
  const registry = new Registry<OpenMetricsContentType>();
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: EVENT_LOOP_PRECISION_MS });
  for (const name of MISNAMED) registry.removeSingleMetric(name);
  const entries = Object.entries(METRICS) as [MetricName, MetricDefinition][];
  const known = new Map(entries.map(([name, definition]) => [name, register(registry, name, definition)]));
  const ofStatus = entries.filter(([, { from }]) => from === "status").map(([name]) => known.get(name));
  return {
    increment: (name, labels, by = 1) => add(known.get(name), labels, by),
    set: (name, labels, value) => put(known.get(name), labels, value),
    observe(name, labels, value, traceId) {
      const metric = known.get(name);
      if (metric instanceof Histogram)
        metric.observe({ labels, value, ...(traceId !== undefined && { exemplarLabels: { trace_id: traceId } }) });
    },
    async exposition(accept, samples) {
      for (const metric of ofStatus) clear(metric);
      for (const { name, labels, value } of samples) {
        add(known.get(name), labels, value);
        put(known.get(name), labels, value);
      }
      const text = await registry.metrics();
      if (accept.includes("application/openmetrics-text")) return { type: Registry.OPENMETRICS_CONTENT_TYPE, body: text };
      return { type: Registry.PROMETHEUS_CONTENT_TYPE, body: prometheusText(text) };
    },
  };
}

type Metric = Counter | Gauge | Histogram;

function register(registry: Registry<OpenMetricsContentType>, name: string, definition: MetricDefinition): Metric {
  const { type, help, labels, buckets } = definition;
  const common = { name, help, labelNames: [...labels], registers: [registry] };
  if (type === "counter") return new Counter(common);
  if (type === "histogram") return new Histogram({ ...common, enableExemplars: true, ...(buckets && { buckets: [...buckets] }) });
  const gauge = new Gauge(common);
  clear(gauge);
  return gauge;
}

/** prom-client starts a gauge without labels at 0, which nobody said. */
function clear(metric: Metric | undefined): void {
  metric?.reset();
  if (metric instanceof Gauge) metric.remove({});
}

function add(metric: Metric | undefined, labels: Record<string, string>, by: number): void {
  if (metric instanceof Counter) metric.inc(labels, by);
}

function put(metric: Metric | undefined, labels: Record<string, string>, value: number): void {
  if (metric instanceof Gauge) metric.set(labels, value);
}

const EXEMPLAR = / # \{trace_id="[^"]*"\} \S+ \S+$/gm;

/**
 * OpenMetrics → Prometheus's text format. (prom-client's own switch strips `_total` for good once it was OpenMetrics.)
 * A counter's sample lines end in `_total` in both; its HELP and TYPE lines only in Prometheus's. No exemplars, no EOF.
 */
function prometheusText(openMetrics: string): string {
  const counters = new Set([...openMetrics.matchAll(/^# TYPE (\S+) counter$/gm)].map(([, name]) => name));
  return openMetrics
    .replace(/^# (HELP|TYPE) (\S+)/gm, (line, word: string, name: string) => (counters.has(name) ? `# ${word} ${name}_total` : line))
    .replace(EXEMPLAR, "")
    .replace(/# EOF\n$/, "");
}
