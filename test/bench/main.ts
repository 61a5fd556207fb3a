import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { backfill, memory } from "./backfill.ts";
import { buildShipped } from "./bundle.ts";
import { idle } from "./idle.ts";
import { layers } from "./layers.ts";
import { outage } from "./outage.ts";
import { pipeline } from "./pipeline.ts";
import { isMet, type Row, table } from "./report.ts";
import { requests } from "./requests.ts";
import type { Setting } from "./setting.ts";
import { start } from "./start.ts";
import { freshness, steady } from "./steady.ts";

/** `npm run bench`: what the shipped command costs, beside what others would; every promise of it with its figure. */

const PARTS: Readonly<Record<string, (setting: Setting) => Promise<Row[]>>> = {
  layers,
  pipeline,
  requests,
  start,
  idle,
  steady,
  freshness,
  outage,
  backfill,
  memory,
};

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    quick: { type: "boolean", default: false },
    json: { type: "string" },
    built: { type: "boolean", default: false },
  },
});
const wanted = values.only?.split(",") ?? Object.keys(PARTS);
const unknown = wanted.filter((name) => !Object.hasOwn(PARTS, name));
if (unknown.length > 0) {
  process.stderr.write(
    `--only: there is no ${unknown.map((name) => JSON.stringify(name)).join(", ")}; parts: ${Object.keys(PARTS).join(", ")}\n`,
  );
  process.exit(2);
}

if (!values.built) buildShipped();
const folder = mkdtempSync(join(tmpdir(), "wfotel-bench-"));
const machine = { cores: cpus().length, cpu: cpus()[0]?.model ?? "unknown", node: process.version, loadBefore: loadavg()[0] ?? 0 };
const rows: Row[] = [];
const say = (line: string) => void process.stderr.write(`${line}\n`);
try {
  for (const name of wanted) {
    say(`${name} …`);
    rows.push(...((await PARTS[name]?.({ folder, quick: values.quick, say })) ?? []));
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.log(
  `${machine.cores} cores, ${machine.cpu}, Node.js ${machine.node}; load before ${machine.loadBefore.toFixed(1)}${values.quick ? "; --quick: too short to quote" : ""}\n`,
);
console.log(table(rows));
const missed = rows.filter((row) => isMet(row) === false);
console.log(`\n${rows.filter((row) => isMet(row)).length} bars met, ${missed.length} missed`);
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify({ machine, quick: values.quick, rows }, null, 2)}\n`);
