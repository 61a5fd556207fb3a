import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { type Figures, simulate } from "./simulate.ts";
import { EVENTS_PER_RUN, MIX } from "./stream.ts";

/** `npm run simulate`: what reading costs at each rate of runs, and from which rate on it falls behind. */

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "900" },
    rates: { type: "string", default: "1,8,17,90,200" },
    feed: { type: "string", default: "on,off" },
    json: { type: "string" },
    ceilings: { type: "boolean", default: true },
  },
  allowNegative: true,
});
const seconds = Number(values.seconds);
const ways = values.feed.split(",").map((way) => way === "on");

/** Between these the rate is looked for from which on reading falls behind; to about a twentieth of it. */
const BOUNDS = { on: [20, 100], off: [4, 40] } as const;
const STEPS = 4;

async function ceiling(feed: boolean): Promise<{ feed: boolean; keepsUp: number; fallsBehind: number }> {
  let [keepsUp, fallsBehind]: [number, number] = [...BOUNDS[feed ? "on" : "off"]];
  for (let step = 0; step < STEPS; step += 1) {
    const rate = Math.round(((keepsUp + fallsBehind) / 2) * 10) / 10;
    const { fallsBehind: behind } = await simulate({ rate, feed, seconds });
    if (behind) fallsBehind = rate;
    else keepsUp = rate;
  }
  return { feed, keepsUp, fallsBehind };
}

const HEAD = [
  "runs/s",
  "message log",
  "requests/s",
  "a day",
  "feed",
  "by id",
  "listed",
  "sweep",
  "per run",
  "p50",
  "p99",
  "lag",
  "falls behind",
];

function row({ rate, feed, requestsPerSecond, requestsPerRun, byPurpose, freshness, lag, fallsBehind }: Figures): string[] {
  const figure = (value = 0) => value.toFixed(2);
  const time = (ms: number) => (ms < 120_000 ? `${Math.round(ms / 1_000)} s` : `${Math.round(ms / 60_000)} min`);
  return [
    String(rate),
    feed ? "yes" : "no",
    figure(requestsPerSecond),
    `${Math.round(requestsPerSecond * 86.4)} k`,
    figure(byPurpose.feed),
    figure(byPurpose.open),
    figure(byPurpose.newest),
    figure(byPurpose.sweep),
    figure(requestsPerRun.all),
    time(freshness.p50),
    time(freshness.p99),
    time(lag),
    fallsBehind ? "yes" : "no",
  ];
}

const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;

console.log(
  `${seconds} s of a steady state${seconds < 86_400 ? '; "a day" is that, extrapolated' : ""}. 10 requests/s, answers after 50 ms.`,
);
console.log(
  `Runs: ${MIX.map(({ length, share }) => `${Number((share * 100).toFixed(1))} % of ${length / 1_000} s`).join(", ")}; ${EVENTS_PER_RUN} events each.\n`,
);
console.log(`${line(HEAD)}\n${line(HEAD.map(() => "---"))}`);
const figures: Figures[] = [];
for (const rate of values.rates.split(",").map(Number))
  for (const feed of ways) {
    const one = await simulate({ rate, feed, seconds });
    figures.push(one);
    console.log(line(row(one)));
  }
const ceilings: Awaited<ReturnType<typeof ceiling>>[] = [];
for (const feed of values.ceilings ? ways : []) {
  const found = await ceiling(feed);
  ceilings.push(found);
  console.log(`\n${feed ? "with" : "without"} the message log: keeps up at ${found.keepsUp}, falls behind at ${found.fallsBehind} runs/s`);
}
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify({ seconds, figures, ceilings }, null, 2)}\n`);
