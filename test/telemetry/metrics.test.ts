import { expect, test } from "vitest";
import { createMetrics } from "../../src/telemetry/metrics.ts";
import { METRICS, type MetricDefinition } from "../../src/telemetry/metrics-table.ts";

const OPEN_METRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5";
const TRACE = "0123456789abcdef0123456789abcdef";
const request = { source: "eu", purpose: "feed" };
const queued = (value: number) => ({ name: "wfotel_destination_queue_runs" as const, labels: { destination: "a" }, value });
const delivered = (value: number) => ({ name: "wfotel_destination_runs_delivered_total" as const, labels: { destination: "a" }, value });

const lines = (text: string, start: string) => text.split("\n").filter((line) => line.startsWith(start));

test("every metric has a unit and an ending as Prometheus wants them", () => {
  for (const [name, { type, help }] of Object.entries(METRICS as Record<string, MetricDefinition>)) {
    expect(name).toMatch(/^wfotel(_[a-z]+)+$/);
    expect(name.endsWith("_total"), name).toBe(type === "counter");
    if (type === "histogram") expect(name).toMatch(/_seconds$/);
    expect(name).not.toMatch(/_(?:ms|milliseconds|minutes|kib|mb|percent|count|sum|bucket)(?:_|$)/);
    expect(help, name).toMatch(/^\S.*[^.]$/);
  }
});

test("of the process's own metrics, too, counters and nothing else end in _total", async () => {
  const types = lines((await createMetrics().exposition("", [])).body, "# TYPE ").map((line) => line.split(" ").slice(2));
  expect(types).toContainEqual(["process_cpu_seconds_total", "counter"]);
  for (const [name, type] of types) expect(name?.endsWith("_total"), name).toBe(type === "counter");
});

test("what is counted adds up, and durations fall into buckets", async () => {
  const metrics = createMetrics();
  metrics.increment("wfotel_source_requests_total", { ...request, outcome: "ok" });
  metrics.increment("wfotel_source_requests_total", { ...request, outcome: "ok" }, 2);
  metrics.observe("wfotel_source_request_duration_seconds", request, 0.2);
  const { body, type } = await metrics.exposition("", []);
  expect(type).toBe("text/plain; version=0.0.4; charset=utf-8");
  expect(lines(body, "wfotel_source_requests_total")).toEqual(['wfotel_source_requests_total{source="eu",purpose="feed",outcome="ok"} 3']);
  expect(lines(body, 'wfotel_source_request_duration_seconds_bucket{le="0.1"')).toEqual([expect.stringMatching(/ 0$/)]);
  expect(lines(body, 'wfotel_source_request_duration_seconds_bucket{le="0.25"')).toEqual([expect.stringMatching(/ 1$/)]);
});

test("what the status says replaces what it said before: a destination that is gone leaves no series", async () => {
  const metrics = createMetrics();
  await metrics.exposition("", [queued(5), delivered(7)]);
  const again = await metrics.exposition("", [queued(2), delivered(9)]);
  expect(lines(again.body, "wfotel_destination_queue_runs")).toEqual(['wfotel_destination_queue_runs{destination="a"} 2']);
  expect(lines(again.body, "wfotel_destination_runs_delivered_total")).toEqual([
    'wfotel_destination_runs_delivered_total{destination="a"} 9',
  ]);
  expect(lines((await metrics.exposition("", [])).body, "wfotel_destination_queue_runs")).toEqual([]);
});

test("a gauge says nothing before it is told, nor when the status does not tell it any more: 0 would be a lie", async () => {
  const metrics = createMetrics();
  const shown = async (samples: Parameters<typeof metrics.exposition>[1]) => lines((await metrics.exposition("", samples)).body, "wfotel_");
  expect(await shown([])).toEqual([]);
  metrics.set("wfotel_config_last_reload_successful", {}, 1);
  const max = { name: "wfotel_state_max_bytes" as const, labels: {}, value: 5 };
  expect(await shown([max])).toEqual(["wfotel_config_last_reload_successful 1", "wfotel_state_max_bytes 5"]);
  expect(await shown([])).toEqual(["wfotel_config_last_reload_successful 1"]);
});

test("both formats tell the same, scraped in any order; exemplars only in OpenMetrics", async () => {
  const metrics = createMetrics();
  metrics.observe("wfotel_run_duration_seconds", { workflow: "a", outcome: "success" }, 3, TRACE);
  const open = await metrics.exposition(OPEN_METRICS, [delivered(1)]);
  const plain = await metrics.exposition("text/plain", [delivered(1)]);
  expect(open.type).toBe("application/openmetrics-text; version=1.0.0; charset=utf-8");
  expect(open.body).toMatch(/# EOF\n$/);
  expect(open.body).toContain(` # {trace_id="${TRACE}"} 3 `);
  expect(lines(open.body, "# TYPE wfotel_destination_runs_delivered")).toEqual(["# TYPE wfotel_destination_runs_delivered counter"]);
  expect(lines(plain.body, "# TYPE wfotel_destination_runs_delivered")).toEqual(["# TYPE wfotel_destination_runs_delivered_total counter"]);
  expect(plain.body).not.toMatch(/trace_id|# EOF/);
  const samples = (text: string) =>
    text
      .split("\n")
      .filter((line) => line.startsWith("wfotel_"))
      .map((line) => line.replace(/ # \{.*/, ""));
  expect(samples(plain.body)).toEqual(samples(open.body));
});

test("a hostile name stays inside its label", async () => {
  const metrics = createMetrics();
  const workflow = `a"} 1\n# {trace_id="x"} 1 1\\`;
  metrics.observe("wfotel_run_duration_seconds", { workflow, outcome: "success" }, 3, TRACE);
  const { body } = await metrics.exposition("", []);
  const counts = lines(body, "wfotel_run_duration_seconds_count");
  expect(counts).toEqual([`wfotel_run_duration_seconds_count{workflow="a\\"} 1\\n# {trace_id=\\"x\\"} 1 1\\\\",outcome="success"} 1`]);
});

test("simultaneous scrapes do not mix", async () => {
  const metrics = createMetrics();
  const bodies = await Promise.all([1, 2, 3].map((value) => metrics.exposition(value === 2 ? OPEN_METRICS : "", [queued(value)])));
  const seen = bodies.map(({ body }) => lines(body, "wfotel_destination_queue_runs{")[0]);
  expect(seen).toEqual([1, 2, 3].map((value) => `wfotel_destination_queue_runs{destination="a"} ${value}`));
});
