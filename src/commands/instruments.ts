import type { Config } from "../config/schema.ts";
import type { Destination } from "../destinations/destination.ts";
import type { Cycle, SourceContext } from "../pipeline/context.ts";
import type { UpstashDeps } from "../sources/upstash/client.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { CollectedRun, Observer } from "../telemetry/observation.ts";
import type { SelfTraces } from "../telemetry/self-traces.ts";
import { VERSION } from "../version.ts";

/** Counts, times and traces what the parts of the bridge do: they themselves know of neither metrics nor traces. */
export interface Instruments {
  readonly observer: Observer;
  /** For a source's API client: told of each request. */
  onRequest(source: string): NonNullable<UpstashDeps["observe"]>;
  cycle(source: string, cycle: Cycle): void;
  destination(destination: Destination): Destination;
  /** Sends what is left of the traces. */
  close(): Promise<void>;
}

/** @param runMetrics what counts the runs themselves; it outlives a reload, as its limits on names do */
export async function openInstruments(
  metrics: Metrics,
  runMetrics: (run: CollectedRun) => void,
  { traces: { endpoint }, run_metrics }: Config["telemetry"],
): Promise<Instruments> {
  const traces = endpoint === undefined ? undefined : await startTraces(endpoint);
  return {
    observer: observerOf(metrics, run_metrics ? runMetrics : undefined),
    onRequest: (source) => (request) => {
      const { purpose, outcome, ms } = request;
      metrics.increment("wfotel_source_requests_total", { source, purpose, outcome });
      metrics.observe("wfotel_source_request_duration_seconds", { source, purpose }, ms / 1_000);
      traces?.request(source, request);
    },
    cycle(source, { startedAt, collected, troubles: [trouble] }) {
      const ms = performance.now() - startedAt;
      metrics.increment("wfotel_source_cycles_total", { source, outcome: trouble?.kind ?? "ok" });
      metrics.observe("wfotel_source_cycle_duration_seconds", { source }, ms / 1_000);
      traces?.cycle(source, { ms, collected, ...(trouble && { trouble: trouble.message }) });
    },
    destination: (destination) => measured(destination, metrics, traces),
    close: async () => traces?.close(),
  };
}

/** Its SDK is loaded only where somebody wants it. */
async function startTraces(endpoint: string): Promise<SelfTraces> {
  const { startSelfTraces } = await import("../telemetry/self-traces.ts");
  return startSelfTraces(endpoint, VERSION, Date.now);
}

function observerOf(metrics: Metrics, runMetrics: ((run: CollectedRun) => void) | undefined): Observer {
  return {
    collected(run) {
      const { source } = run;
      metrics.observe("wfotel_source_collect_delay_seconds", { source }, Math.max(0, run.collectedAt - run.end) / 1_000, run.traceId);
      metrics.increment("wfotel_source_redactions_total", { source }, run.redacted);
      metrics.increment("wfotel_source_times_adjusted_total", { source }, run.adjusted);
      for (const oddity of run.oddities) metrics.increment("wfotel_source_decode_oddities_total", { source, oddity });
      runMetrics?.(run);
    },
    settled(destination, { outcome, delays }) {
      if (outcome === "quarantined") return;
      for (const delay of delays) metrics.observe("wfotel_destination_delivery_delay_seconds", { destination }, delay / 1_000);
    },
  };
}

function measured(destination: Destination, metrics: Metrics, traces: SelfTraces | undefined): Destination {
  const { name } = destination;
  const send: Destination["send"] = async (body, signal) => {
    const startedAt = performance.now();
    const outcome = await destination.send(body, signal);
    const ms = performance.now() - startedAt;
    metrics.increment("wfotel_destination_requests_total", { destination: name, outcome: outcome.kind });
    metrics.observe("wfotel_destination_request_duration_seconds", { destination: name }, ms / 1_000);
    traces?.delivery(name, { ms, bytes: body.length, outcome: outcome.kind });
    return outcome;
  };
  return { ...destination, send };
}

/** The source's context, told on. What is collected for another reason than that it just ended (`backfill`) does without. */
export function instrumented(context: SourceContext, instruments: Instruments): SourceContext {
  const { name } = context.source;
  const onCycle = (cycle: Cycle) => {
    instruments.cycle(name, cycle);
    context.onCycle?.(cycle);
  };
  return { ...context, onCycle, observer: instruments.observer };
}
