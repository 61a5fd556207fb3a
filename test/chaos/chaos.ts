import { existsSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { seeded } from "../support/scenarios/random.ts";
import { copySource } from "./broken.ts";
import type { Program } from "./daemon.ts";
import { line, summarize } from "./report.ts";
import { type Result, runScenario, type Scenario } from "./scenario.ts";
import { STORM_KILLS, STORMS } from "./scenarios/kills.ts";
import { SCENARIOS } from "./scenarios.ts";
import { abandonWorlds } from "./world.ts";

/**
 * The chaos harness: the real daemon against the fake log API and a strict OTLP receiver, under every fault of the
 * list in the README. `npm run chaos -- --help` says how.
 */

const USAGE = `
Usage: npm run chaos -- [options]

  --seed N         replay: the seeds of all scenarios follow from it (default: random, printed)
  --scenario NAME  that scenario, or those whose name contains it; may be given more than once
  --kills N        kills in all storms together (default 1000)
  --minutes N      a selection: start nothing new after that, and cut the storms short
  --bundle         dist/wfotel.mjs instead of the source
  --parallel N     scenarios at a time (default 2)
  --json FILE      write the figures there
  --logs FOLDER    keep the logs and the state of scenarios that failed
  --list           name the scenarios
`;

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    scenario: { type: "string", multiple: true },
    kills: { type: "string", default: "1000" },
    minutes: { type: "string" },
    bundle: { type: "boolean", default: false },
    parallel: { type: "string", default: "2" },
    json: { type: "string" },
    logs: { type: "string" },
    list: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

const ROOT = new URL("../../", import.meta.url).pathname;
const source = values.bundle ? { program: [`${ROOT}dist/wfotel.mjs`], clear: () => undefined } : copySource();
const program: Program = source.program;

/** Kills that are still wanted, and the time after which nothing new begins. */
const wanted = {
  kills: Number(values.kills),
  until: values.minutes === undefined ? Number.POSITIVE_INFINITY : Number(values.minutes) * 60_000,
};

interface Entry {
  readonly scenario: Scenario;
  readonly seed: number;
}

function main(): Promise<number> | number {
  if (values.help || values.list) {
    console.log(values.help ? USAGE.trim() : [...STORMS, ...SCENARIOS].map(({ name, fault }) => `${name.padEnd(36)} ${fault}`).join("\n"));
    return 0;
  }
  if (!existsSync(program[0] ?? "")) throw new Error(`${program[0]} is not there: npm run build makes it`);
  const names = values.scenario ?? [];
  const exact = [...STORMS, ...SCENARIOS].some(({ name }) => names.includes(name));
  const chosen = ({ name }: Scenario) => names.length === 0 || (exact ? names.includes(name) : names.some((part) => name.includes(part)));
  const seed = values.seed === undefined ? Math.floor(Math.random() * 1e9) : Number(values.seed);
  console.log(`chaos: seed ${seed} (replay one line with --seed SEED --scenario NAME)`);
  const storms = STORMS.filter(chosen);
  return runAll(seed, SCENARIOS.filter(chosen), storms);
}

/**
 * Every scenario once, then storms until there were enough kills. Where time is short, a selection: the broken daemons,
 * then the others in an order of the seed's, every fourth a storm. Of one scenario alone the seed is taken as it is.
 */
async function runAll(seed: number, scenarios: readonly Scenario[], storms: readonly Scenario[]): Promise<number> {
  let next = seed;
  const short = Number.isFinite(wanted.until);
  const queue = short ? selection(scenarios, seed) : [...scenarios];
  let stormsBegun = 0;
  let taken = 0;
  const take = (): Entry | undefined => {
    if (performance.now() > wanted.until) return undefined;
    taken += 1;
    const scenario = short && taken % 4 === 0 && storms.length > 0 && wanted.kills > 0 ? undefined : queue.shift();
    if (scenario !== undefined) return { scenario, seed: next++ };
    const storm = storms[stormsBegun % Math.max(1, storms.length)];
    if (storm === undefined || wanted.kills <= 0) return undefined;
    stormsBegun += 1;
    return { scenario: storm, seed: next++ };
  };
  const results: Result[] = [];
  const work = async () => {
    for (let entry = take(); entry !== undefined; entry = take()) {
      const kills = { left: Math.min(STORM_KILLS, wanted.kills) };
      if (storms.includes(entry.scenario)) wanted.kills -= kills.left;
      const mayKill = () => performance.now() < wanted.until && kills.left-- > 0;
      const result = await runGuarded(entry, mayKill);
      results.push(result);
      console.log(line(result));
    }
  };
  await Promise.all(Array.from({ length: Number(values.parallel) }, work));
  const { text, figures, passed, failed } = summarize(results, seed);
  console.log(`\n${text}`);
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(figures, null, 2)}\n`);
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 && results.length > 0 ? 0 : 1;
}

function selection(scenarios: readonly Scenario[], seed: number): Scenario[] {
  const random = seeded(seed);
  const order = (scenario: Scenario) => (scenario.broken === undefined ? random() : -1);
  return scenarios
    .map((scenario) => ({ scenario, at: order(scenario) }))
    .sort((a, b) => a.at - b.at)
    .map(({ scenario }) => scenario);
}

/** What the harness itself trips over is a failure, too. */
async function runGuarded({ scenario, seed }: Entry, mayKill: () => boolean): Promise<Result> {
  try {
    return await runScenario(scenario, seed, program, mayKill, values.logs);
  } catch (error) {
    const nothing = { runs: 0, spans: 0, duplicates: 0, delivered: 0, quarantined: 0, excluded: 0, lost: [], wrong: [] };
    const failures = [`the harness: ${error instanceof Error ? error.stack : String(error)}`];
    const { name, fault } = scenario;
    return { name, fault, seed, seconds: 0, verdict: nothing, kills: [], crashes: 0, faults: {}, failures };
  }
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    abandonWorlds();
    process.exit(1);
  });
}
try {
  process.exitCode = await main();
} finally {
  source.clear();
}
