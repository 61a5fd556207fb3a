import { expect, test } from "vitest";
import { createMetrics } from "../../src/telemetry/metrics.ts";
import type { CollectedRun } from "../../src/telemetry/observation.ts";
import { createRunMetrics } from "../../src/telemetry/run-metrics.ts";

const END = 1_700_000_000_000;
const RUN: CollectedRun = {
  source: "eu",
  key: { id: "wfr_1", createdAt: END - 3_000 },
  traceId: "0123456789abcdef0123456789abcdef",
  workflow: "/api/order",
  outcome: "success",
  start: END - 3_000,
  end: END,
  collectedAt: END + 1_000,
  steps: [{ name: "pay", type: "Run", outcome: "success", duration: 1_500 }],
  redacted: 0,
  adjusted: 0,
  oddities: [],
};

function setUp() {
  const metrics = createMetrics();
  const series = async (name: string) => (await metrics.exposition("", [])).body.split("\n").filter((line) => line.startsWith(`${name}{`));
  return { count: createRunMetrics(metrics), series };
}

test("runs and steps are timed by workflow, step, type and outcome", async () => {
  const { count, series } = setUp();
  count(RUN);
  count({ ...RUN, outcome: "failed" });
  expect(await series("wfotel_run_duration_seconds_sum")).toEqual([
    'wfotel_run_duration_seconds_sum{workflow="/api/order",outcome="success"} 3',
    'wfotel_run_duration_seconds_sum{workflow="/api/order",outcome="failed"} 3',
  ]);
  expect(await series("wfotel_step_duration_seconds_sum")).toEqual([
    'wfotel_step_duration_seconds_sum{workflow="/api/order",step="pay",type="Run",outcome="success"} 3',
  ]);
});

test("a run that ended over ten minutes ago is left out, one that did so exactly then is not", async () => {
  const { count, series } = setUp();
  count({ ...RUN, collectedAt: END + 600_001 });
  expect(await series("wfotel_run_duration_seconds_count")).toEqual([]);
  count({ ...RUN, collectedAt: END + 600_000 });
  expect(await series("wfotel_run_duration_seconds_count")).toHaveLength(1);
});

test("past a hundred workflows, new ones share one series and known ones keep theirs", async () => {
  const { count, series } = setUp();
  for (let n = 0; n < 150; n += 1) count({ ...RUN, workflow: `/w${n}` });
  count({ ...RUN, workflow: "/w7" });
  const counts = await series("wfotel_run_duration_seconds_count");
  expect(counts).toHaveLength(101);
  expect(counts).toContain('wfotel_run_duration_seconds_count{workflow="_overflow",outcome="success"} 50');
  expect(counts).toContain('wfotel_run_duration_seconds_count{workflow="/w7",outcome="success"} 2');
});

test("steps of any name and type cannot make more than their share of series", async () => {
  const { count, series } = setUp();
  const steps = Array.from({ length: 1_000 }, (_, n) => ({
    name: `step ${n}`,
    type: `T${n % 3}`,
    outcome: "success" as const,
    duration: 1,
  }));
  count({ ...RUN, steps });
  const counts = await series("wfotel_step_duration_seconds_count");
  expect(counts).toHaveLength(401);
  expect(counts).toContain(
    'wfotel_step_duration_seconds_count{workflow="/api/order",step="_overflow",type="_overflow",outcome="success"} 600',
  );
});

test("a name of any length is cut", async () => {
  const { count, series } = setUp();
  count({ ...RUN, workflow: "x".repeat(100_000) });
  const [line = ""] = await series("wfotel_run_duration_seconds_count");
  expect(line.length).toBeLessThan(250);
});
