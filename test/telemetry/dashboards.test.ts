import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { createMetrics } from "../../src/telemetry/metrics.ts";
import { METRICS } from "../../src/telemetry/metrics-table.ts";
import { DASHBOARDS, dashboardSchema, queriesOf, readDashboard } from "../support/dashboards.ts";
import { exposedNames, metricNames } from "../support/promql.ts";

const deploy = new URL("../../config/deploy/", import.meta.url);

/** What the table and the process's own metrics expose. */
async function known(): Promise<Set<string>> {
  const names = exposedNames((await createMetrics().exposition("", [])).body);
  for (const [name, { type }] of Object.entries(METRICS)) {
    for (const ending of type === "histogram" ? ["_bucket", "_sum", "_count"] : [""]) names.add(name + ending);
  }
  return names;
}

test("names of metrics are told from functions, labels, texts and durations", () => {
  expect(metricNames('sum by (a) (rate(m_total{b=~"c d"}[$__rate_interval])) / on (x) group_left m2 > 0.5')).toEqual(["m_total", "m2"]);
  expect(metricNames('absent(up == 1) or topk(20, vector(0)) unless up{a="("} offset 5m')).toEqual(["up"]);
});

test.each(DASHBOARDS)("%s has what Grafana needs, and no panels that overlap", (name) => {
  const dashboard = dashboardSchema.parse(readDashboard(name));
  expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
  const taken = new Set<string>();
  for (const { title, gridPos } of dashboard.panels) {
    expect(gridPos.x + gridPos.w, title).toBeLessThanOrEqual(24);
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1) {
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) {
        expect(taken.has(`${x},${y}`), title).toBe(false);
        taken.add(`${x},${y}`);
      }
    }
  }
});

test("every dashboard on Prometheus is among those tested, with an id of its own", () => {
  const folder = new URL("grafana/", deploy);
  const files = readdirSync(folder).filter((name) => name.endsWith(".json"));
  const texts = files.map((name) => readFileSync(new URL(name, folder), "utf8"));
  expect(files.filter((_, index) => texts[index]!.includes('"type": "prometheus"')).sort()).toEqual([...DASHBOARDS]);
  expect(new Set(texts.map((text) => JSON.parse(text).uid)).size).toBe(files.length);
});

test.each(DASHBOARDS)("every query of %s reads metrics that exist", async (name) => {
  const exposed = await known();
  for (const { panel, expr } of queriesOf(name)) {
    const names = metricNames(expr);
    expect(names, panel).not.toEqual([]);
    for (const metric of names) expect(exposed, `${panel}: ${expr}`).toContain(metric);
  }
});

test("every alert reads metrics that exist, and says what is wrong", async () => {
  const exposed = await known();
  const { groups } = parse(readFileSync(new URL("alerts.yaml", deploy), "utf8"));
  for (const { alert, expr, labels, annotations } of groups.flatMap(({ rules }: { rules: object[] }) => rules)) {
    for (const metric of metricNames(expr)) expect(exposed, alert).toContain(metric);
    expect(["warning", "critical"], alert).toContain(labels.severity);
    expect(annotations, alert).toMatchObject({ summary: expect.any(String), description: expect.any(String) });
  }
});
