import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { inspect } from "node:util";
import { expect, test } from "vitest";
import { METRICS, type MetricDefinition } from "../../src/telemetry/metrics-table.ts";
import { eventually, httpGet, useBridges } from "../support/bridge.ts";
import { exposedNames } from "../support/promql.ts";
import { CANARY_TOKEN, useSurroundings } from "../support/surroundings.ts";
import { wfotel } from "../support/wfotel.ts";
import { sequential, started, wireRun, wireStep } from "../support/wire-run.ts";

const here = useSurroundings();
const startBridge = useBridges();

function configure(over: object = {}): string {
  mkdirSync(join(here.folder, "state"), { recursive: true });
  return here.configure({
    sources: [
      { name: "eu", url: here.api.url, token: CANARY_TOKEN, poll_interval: "100ms", retention: "7d", max_requests_per_second: 100 },
    ],
    destinations: [{ name: "backend", type: "otlp-http", endpoint: here.backend.url, headers: { "x-key": "canary-header" } }],
    state: { path: "./state/wfotel.db" },
    ...over,
  });
}

/** A run that ended a minute ago, with a step whose name holds an id, a payload and a URL with a secret in it. */
function putRun(id = "wfr_canary-run"): void {
  const createdAt = Date.now() - 60_000;
  const at = { createdAt: createdAt + 500, out: "canary-payload" };
  here.api.store.putRun(
    wireRun(id, createdAt, {
      length: 2_000,
      steps: [
        started(id, createdAt),
        sequential(wireStep(id, { ...at, stepId: 1, stepName: "charge-1234567", stepType: "Run" })),
        sequential(wireStep(id, { ...at, stepId: 2, stepName: "ask", stepType: "Call", callUrl: "https://a.example/?token=canary-query" })),
      ],
    }),
  );
}

const sampleOf = (text: string, series: string) =>
  text
    .split("\n")
    .find((line) => line.startsWith(`${series} `))
    ?.slice(series.length + 1);

test("counts what the bridge read and delivered, by source and destination", async () => {
  putRun();
  const bridge = await startBridge(["--config", configure()]);
  const metrics = async () => (await bridge.page("/metrics")).body;
  await eventually(async () =>
    expect(sampleOf(await metrics(), 'wfotel_destination_runs_delivered_total{destination="backend"}')).toBe("1"),
  );
  const text = await metrics();
  const expected = {
    'wfotel_source_runs_discovered_total{source="eu"}': "1",
    'wfotel_source_runs_collected_total{source="eu"}': "1",
    'wfotel_destination_spans_delivered_total{destination="backend"}': String(here.backend.spans.length),
    'wfotel_destination_requests_total{destination="backend",outcome="delivered"}': "1",
    'wfotel_destination_queue_runs{destination="backend"}': "0",
    'wfotel_destination_paused{destination="backend"}': "0",
    'wfotel_source_retention_seconds{source="eu"}': "604800",
    'wfotel_source_redactions_total{source="eu"}': "1",
    'wfotel_run_duration_seconds_count{workflow="/api/order",outcome="success"}': "1",
    'wfotel_run_duration_seconds_sum{workflow="/api/order",outcome="success"}': "2",
    'wfotel_step_duration_seconds_count{workflow="/api/order",step="charge-{id}",type="Run",outcome="success"}': "1",
    "wfotel_config_last_reload_successful{}": undefined,
    wfotel_config_last_reload_successful: "1",
  };
  for (const [series, value] of Object.entries(expected)) expect(sampleOf(text, series), series).toBe(value);
  expect(Number(sampleOf(text, 'wfotel_source_requests_total{source="eu",purpose="newest",outcome="ok"}'))).toBeGreaterThan(0);
  expect(Number(sampleOf(text, 'wfotel_source_retention_headroom_seconds{source="eu"}'))).toBeGreaterThan(604_000);
  expect(sampleOf(text, "process_resident_memory_bytes")).toMatch(/^\d+$/);
  expect(await bridge.stop()).toBe(0);
});

test("every metric of the table is exposed, but for those that need a fault or a day of log", async () => {
  putRun();
  const bridge = await startBridge(["--config", configure()]);
  const missing = async () => {
    const exposed = exposedNames((await bridge.page("/metrics")).body);
    return Object.entries(METRICS as Record<string, MetricDefinition>)
      .filter(([name, { type }]) => !exposed.has(type === "histogram" ? `${name}_bucket` : name))
      .map(([name]) => name);
  };
  const faults = [
    "wfotel_source_runs_excluded_total",
    "wfotel_source_watched_runs",
    "wfotel_source_watched_oldest_seconds",
    "wfotel_source_retention_learned_seconds",
    "wfotel_source_decode_oddities_total",
    "wfotel_destination_runs_excluded_total",
    "wfotel_destination_spans_excluded_total",
  ];
  await eventually(async () => expect(await missing()).toEqual(faults));
  expect(await bridge.stop()).toBe(0);
});

test("a second bridge that waits for the state says that it is not ready, and nothing that is not so", async () => {
  const config = configure();
  const first = await startBridge(["--config", config]);
  const second = await startBridge(["--config", config]);
  const own = async () => (await second.page("/metrics")).body.split("\n").filter((line) => line.startsWith("wfotel_"));
  expect(await own()).toEqual([
    expect.stringMatching(/^wfotel_build_info\{version="[^"]+"\} 1$/),
    "wfotel_ready 0",
    "wfotel_config_last_reload_successful 1",
  ]);
  expect(await first.stop()).toBe(0);
  await eventually(async () => expect(await own()).toContain("wfotel_ready 1"));
  expect(await own()).toContain("wfotel_state_max_bytes 1073741824");
  expect(await second.stop()).toBe(0);
});

test("run metrics are left out where the file says so; exemplars name the trace where OpenMetrics is asked for", async () => {
  putRun();
  const config = configure({ telemetry: { run_metrics: false } });
  const bridge = await startBridge(["--config", config]);
  await eventually(() => expect(here.backend.spans.length).toBeGreaterThan(0));
  expect((await bridge.page("/metrics")).body).not.toContain("wfotel_run_duration_seconds_bucket");
  configure();
  bridge.child.kill("SIGHUP");
  await eventually(() => expect(bridge.log()).toContain('"reloaded"'));
  putRun("wfr_2");
  await eventually(() => expect(here.backend.byTrace().size).toBe(2));
  const traceId = here.backend.spans.at(-1)?.traceId;
  const openMetrics = await fetch(`http://${bridge.listen}/metrics`, {
    headers: { accept: "application/openmetrics-text; version=1.0.0" },
  });
  expect(openMetrics.headers.get("content-type")).toBe("application/openmetrics-text; version=1.0.0; charset=utf-8");
  expect(await openMetrics.text()).toContain(`# {trace_id="${traceId}"} 2 `);
  const plain = await httpGet(bridge.listen, "/metrics");
  expect(plain.headers["content-type"]).toBe("text/plain; version=0.0.4; charset=utf-8");
  expect(plain.body).not.toContain("trace_id");
  expect(await bridge.stop()).toBe(0);
});

test("neither pages nor log nor traces of the bridge show a token, a header, a payload, a query's secret or a run's id", async () => {
  const own = await here.startBackend();
  putRun();
  const bridge = await startBridge(["--config", configure({ telemetry: { traces: { endpoint: own.url }, log: { level: "info" } } })], {
    OTEL_EXPORTER_OTLP_HEADERS: "x-injected=canary-injected",
  });
  await eventually(() => expect(here.backend.spans.length).toBeGreaterThan(0));
  here.api.options.onRequest = () => ({ status: 401 });
  await eventually(() => expect(bridge.log()).toContain("reading is held up"));
  const pages = await Promise.all(["/metrics", "/status", "/livez", "/readyz"].map((path) => bridge.page(path)));
  expect(await bridge.stop()).toBe(0);
  const sent = own.requests.map(({ headers, spans }) => inspect([headers, spans], { depth: 9 }));
  expect(sent.join()).toContain("poll");
  const canaries = [CANARY_TOKEN, "canary-header", "canary-payload", "canary-query", "canary-injected", "canary-run"];
  for (const text of [...pages.map(({ body }) => body), bridge.log(), ...sent])
    for (const canary of canaries) expect(text).not.toContain(canary);
});

test("the bridge traces its own polls, with their requests, and deliveries", async () => {
  const own = await here.startBackend();
  putRun();
  const bridge = await startBridge(["--config", configure({ telemetry: { traces: { endpoint: own.url } } })]);
  await eventually(() => expect(here.backend.spans.length).toBeGreaterThan(0));
  expect(await bridge.stop()).toBe(0);
  const spans = own.spans;
  const deliver = spans.find(({ name }) => name === "deliver");
  expect(deliver?.attributes).toMatchObject({ "wfotel.destination": "backend", "wfotel.outcome": "delivered" });
  const poll = spans.find(({ name, attributes }) => name === "poll" && attributes["wfotel.runs.collected"] === 1);
  const requests = spans.filter(({ parentSpanId }) => parentSpanId === poll?.spanId);
  expect(requests.map(({ name, attributes }) => [name, attributes["wfotel.outcome"]])).toContainEqual(["request", "ok"]);
  expect(own.violations).toEqual([]);
});

test("--once traces itself, too, and sends what it has before it ends", async () => {
  const own = await here.startBackend();
  putRun();
  const config = configure({ telemetry: { traces: { endpoint: own.url } } });
  expect(await wfotel(["run", "--once", "--config", config])).toMatchObject({ code: 0 });
  expect(own.spans.map(({ name }) => name)).toEqual(expect.arrayContaining(["poll", "deliver"]));
});
