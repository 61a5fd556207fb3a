import { writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import type { Figures, Options } from "./simulate.ts";
import { EVENTS_PER_RUN, MIX } from "./stream.ts";

/** `npm run simulate`: what reading costs at each rate of runs, and from which rate on it falls behind. */

const { values } = parseArgs({
  options: {
    /** Instead of the plan below. */
    rates: { type: "string" },
    feed: { type: "string", default: "on,off" },
    hours: { type: "string", default: "24" },
    /** Simulations at a time. */
    parallel: { type: "string", default: String(availableParallelism()) },
    json: { type: "string" },
  },
});

const DAY_HOURS = 24;
/** A rate that reading cannot follow shows within the first hour; one that it follows for three is followed. */
const LOOKED_FOR_HOURS = 3;

/** Whole days of what most people have; more is followed until reading has fallen behind, or plainly does not. */
const PLAN: readonly { readonly feed: boolean; readonly days: readonly number[]; readonly looked: readonly number[] }[] = [
  { feed: true, days: [1, 8, 17], looked: [45, 50, 55, 60, 90, 200] },
  { feed: false, days: [1, 8, 17], looked: [25, 35, 45, 55, 65, 90, 200] },
];

function wanted(): Options[] {
  const ways = values.feed.split(",").map((way) => way === "on");
  const job = (feed: boolean, hours: number) => (rate: number) => ({ rate, feed, seconds: hours * 3_600, untilBehind: true });
  if (values.rates !== undefined) {
    const rates = values.rates.split(",").map(Number);
    return ways.flatMap((feed) => rates.map(job(feed, Number(values.hours))));
  }
  return PLAN.filter(({ feed }) => ways.includes(feed)).flatMap(({ feed, days, looked }) => [
    ...days.map(job(feed, DAY_HOURS)),
    ...looked.map(job(feed, LOOKED_FOR_HOURS)),
  ]);
}

/** In a thread of its own, with room for many short-lived objects: collecting them was a tenth of the time. */
function inThread(options: Options): Promise<Figures> {
  const url = new URL("./worker.ts", import.meta.url);
  const worker = new Worker(url, { workerData: options, resourceLimits: { maxYoungGenerationSizeMb: 128, maxOldGenerationSizeMb: 4_096 } });
  return new Promise((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
  });
}

/** All of them, the longest first; in the order in which they were asked for. */
async function simulateAll(jobs: readonly Options[]): Promise<Figures[]> {
  const figures: Figures[] = [];
  const queue = [...jobs.entries()].sort(([, a], [, b]) => b.rate * b.seconds - a.rate * a.seconds);
  const work = async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const [index, job] = next;
      const began = performance.now();
      const one = await inThread(job);
      figures[index] = one;
      const took = `${one.seconds / 3_600} h in ${Math.round((performance.now() - began) / 1_000)} s`;
      console.error(`${job.rate} runs/s ${job.feed ? "with" : "without"} the message log: ${took}`);
    }
  };
  await Promise.all(Array.from({ length: Number(values.parallel) }, work));
  return figures;
}

const HEAD = [
  "runs/s",
  "message log",
  "simulated",
  "requests/s",
  "requests",
  "requests a run",
  "fresh, p50",
  "fresh, p99",
  "lag",
  "falls behind",
];

function row({ rate, feed, seconds, requestsPerSecond, requestsPerRun, freshness, lag, fallsBehind }: Figures): string[] {
  const time = (ms: number) => (ms < 120_000 ? `${Math.round(ms / 1_000)} s` : `${Math.round(ms / 60_000)} min`);
  const hours = seconds / 3_600;
  return [
    String(rate),
    feed ? "yes" : "no",
    hours === DAY_HOURS ? "a day" : `${hours} h`,
    requestsPerSecond.toFixed(2),
    `${Math.round((requestsPerSecond * seconds) / 1_000)} k`,
    requestsPerRun.all.toFixed(2),
    time(freshness.p50),
    time(freshness.p99),
    time(lag),
    fallsBehind ? `in hour ${Math.ceil(hours)}` : "no",
  ];
}

const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;

const began = performance.now();
const figures = await simulateAll(wanted());
const mix = MIX.map(({ length, share }) => `${Number((share * 100).toFixed(1))} % of ${length / 1_000} s`).join(", ");
console.log(`10 requests/s, answers after 50 ms. Runs: ${mix}; ${EVENTS_PER_RUN} events each.\n`);
console.log([HEAD, HEAD.map(() => "---"), ...figures.map(row)].map(line).join("\n"));
console.log(`\n${Math.round((performance.now() - began) / 1_000)} s`);
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(figures, null, 2)}\n`);
