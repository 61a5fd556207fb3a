import { readFileSync } from "node:fs";
import { z } from "zod";

/** What Grafana needs of a dashboard, as far as ours use it: its own loader takes anything and then shows nothing. */
const datasource = z.strictObject({ type: z.literal("prometheus"), uid: z.literal("${datasource}") });
const target = z.strictObject({
  datasource,
  expr: z.string().min(1),
  legendFormat: z.string(),
  refId: z.string().regex(/^[A-Z]$/),
  exemplar: z.boolean().optional(),
  instant: z.boolean().optional(),
  range: z.boolean().optional(),
  format: z.enum(["table", "heatmap"]).optional(),
});
const gridPos = z.strictObject({ x: z.int().min(0).max(23), y: z.int().min(0), w: z.int().min(1).max(24), h: z.int().min(1) });
const head = { id: z.int().positive(), title: z.string().min(1), gridPos };
const row = z.strictObject({ ...head, type: z.literal("row"), collapsed: z.literal(false), panels: z.tuple([]) });
const chart = z.strictObject({
  ...head,
  type: z.enum(["stat", "timeseries", "table", "heatmap"]),
  description: z.string(),
  datasource,
  fieldConfig: z.strictObject({ defaults: z.looseObject({ unit: z.string() }), overrides: z.tuple([]) }),
  options: z.looseObject({}),
  transformations: z.array(z.looseObject({ id: z.string() })).optional(),
  targets: z.array(target).min(1),
});
const queryVariable = z.strictObject({
  name: z.string(),
  label: z.string(),
  type: z.literal("query"),
  datasource,
  query: z.string().regex(/^label_values\(\w+, \w+\)$/),
  refresh: z.literal(2),
  multi: z.literal(true),
  includeAll: z.literal(true),
  allValue: z.literal(".*"),
  current: z.strictObject({ text: z.literal("All"), value: z.literal("$__all") }),
  sort: z.literal(1),
});
const sourceVariable = z.strictObject({
  name: z.literal("datasource"),
  label: z.string(),
  type: z.literal("datasource"),
  query: z.literal("prometheus"),
});

export const dashboardSchema = z.strictObject({
  uid: z.string().regex(/^[\w-]{1,40}$/),
  title: z.string().min(1),
  description: z.string().min(1),
  tags: z.array(z.string()),
  schemaVersion: z.int().min(36),
  version: z.int(),
  editable: z.boolean(),
  graphTooltip: z.int(),
  refresh: z.string(),
  time: z.strictObject({ from: z.string(), to: z.literal("now") }),
  timezone: z.literal("browser"),
  templating: z.strictObject({ list: z.tuple([sourceVariable], queryVariable) }),
  annotations: z.strictObject({ list: z.tuple([]) }),
  links: z.tuple([]),
  panels: z.array(z.discriminatedUnion("type", [row, chart])),
});

const tempo = z.strictObject({ type: z.literal("tempo"), uid: z.string() });
const traceTarget = z.strictObject({
  refId: z.string().regex(/^[A-Z]$/),
  datasource: tempo,
  queryType: z.literal("traceql"),
  tableType: z.enum(["traces", "spans"]),
  limit: z.int().positive(),
  query: z.string().regex(/^\{.*\}/),
});
const table = z.strictObject({ ...head, type: z.literal("table"), datasource: tempo, targets: z.array(traceTarget).min(1) });

/** The dashboard that reads traces. */
export const traceDashboardSchema = z.strictObject({
  uid: z.string().regex(/^[\w-]{1,40}$/),
  title: z.string().min(1),
  tags: z.array(z.string()),
  schemaVersion: z.int().min(36),
  time: z.strictObject({ from: z.string(), to: z.literal("now") }),
  refresh: z.string(),
  templating: z.strictObject({ list: z.array(z.looseObject({ name: z.string(), type: z.literal("textbox") })) }),
  panels: z.array(table).min(1),
});

const FOLDER = new URL("../../config/deploy/grafana/", import.meta.url);
/** Those that read metrics; `workflows.json` beside them reads traces. */
export const DASHBOARDS = ["bridge.json", "workflow-metrics.json"] as const;

export const readDashboard = (name: string): unknown => JSON.parse(readFileSync(new URL(name, FOLDER), "utf8"));

/** Every query of every panel, by the panel's title. */
export function queriesOf(name: string): { panel: string; expr: string }[] {
  const { panels } = dashboardSchema.parse(readDashboard(name));
  return panels.flatMap((panel) => (panel.type === "row" ? [] : panel.targets.map(({ expr }) => ({ panel: panel.title, expr }))));
}

/** As Grafana asks it with every variable at "All". */
export function filledIn(expr: string, rateInterval: string, range: string): string {
  return expr
    .replaceAll("$__rate_interval", rateInterval)
    .replaceAll("$__range", range)
    .replace(/"\$\w+"/g, '".*"');
}
