import { setTimeout as sleep } from "node:timers/promises";
import type { Fault } from "../../../src/fake-upstash/fault.ts";
import type { RecordedRequest } from "../../../src/fake-upstash/server.ts";
import { run } from "../../support/scenarios/program.ts";
import { between, type Random } from "../../support/scenarios/random.ts";
import type { Scenario, Stage } from "../scenario.ts";
import type { World } from "../world.ts";

/** What the log API can do to its reader. */

type Spoil = (world: World, request: RecordedRequest) => Fault | undefined;

/** Runs of the past and runs that come in until so many answers were spoilt; then the API is well again. */
function spoilt(name: string, spoil: Spoil, times = 12) {
  return async (world: World, stage: Stage): Promise<void> => {
    world.history(45);
    world.sleepers(5, 1_000, 4_000);
    world.apiFault = (request) => {
      const fault = spoil(world, request);
      if (fault !== undefined) world.fault(name);
      return fault;
    };
    world.start();
    const tide = setInterval(() => world.flow(between(world.random, 0, 3)), 100);
    await stage.until(() => (world.faults.get(name) ?? 0) >= times, `less than ${times} × ${name}`, 30_000);
    clearInterval(tide);
    world.apiFault = () => undefined;
  };
}

/** Until the daemon has been heard of, and then so long. */
async function flowing(world: World, ms: number): Promise<void> {
  while (world.api.requests.length < 5) await sleep(10);
  for (const end = Date.now() + ms; Date.now() < end; await sleep(100)) world.flow(between(world.random, 0, 3));
}

const sometimes =
  (share: number, fault: (random: Random, request: RecordedRequest) => Fault | undefined): Spoil =>
  ({ random }, request) =>
    random() < share ? fault(random, request) : undefined;

const failing = sometimes(0.4, (random) => {
  const faults: Fault[] = [
    { reset: true },
    { status: 500, body: "oops" },
    { status: 503 },
    { truncate: 30 },
    { status: 502, body: "<html>" },
  ];
  return faults[between(random, 0, faults.length - 1)];
});

const tooMany = sometimes(0.4, (random): Fault => {
  const after = [undefined, "0", "1", new Date(Date.now() + 1_000).toUTCString()][between(random, 0, 3)];
  return { status: 429, body: '{"error":"slow down"}', headers: after === undefined ? {} : { "Retry-After": after } };
});

const html = sometimes(0.4, () => ({ body: "<html><body>Please sign in</body></html>", headers: { "Content-Type": "text/html" } }));

const slow = sometimes(0.3, (random) => (random() < 0.5 ? { delayMs: between(random, 50, 600) } : { dripMs: between(random, 5, 40) }));

/** One request hangs until the client's own deadline of 30 s. */
const hung: Spoil = (_, { n }) => (n === 4 ? { hang: true } : undefined);

interface Page {
  readonly runs?: readonly unknown[];
  readonly events?: readonly unknown[];
  readonly cursor?: string;
}

const onPage =
  (change: (page: Page, random: Random) => Page) =>
  (random: Random): Fault => ({ rewrite: (body) => change(body as Page, random) });

function shuffled<T>(items: readonly T[], random: Random): T[] {
  return items
    .map((item) => ({ item, at: random() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

const reordered = onPage((page, random) => ({
  ...page,
  ...(page.runs && { runs: shuffled(page.runs, random) }),
  ...(page.events && { events: shuffled(page.events, random) }),
}));

const doubled = onPage((page) => ({
  ...page,
  ...(page.runs && { runs: [...page.runs, ...page.runs] }),
  ...(page.events && { events: [...page.events, ...page.events] }),
}));

const disorder = sometimes(0.6, (random) => (random() < 0.5 ? reordered(random) : doubled(random)));

/** Pages that come up empty, as if nothing had happened; only after the first listing, which an API that lies can make end early. */
async function emptyPages(world: World, stage: Stage): Promise<void> {
  world.history(20);
  world.start();
  await stage.settle();
  world.apiFault = () => {
    if (world.random() > 0.5) return undefined;
    world.fault("empty page");
    return { rewrite: () => (world.random() < 0.5 ? { runs: [], events: [] } : {}) };
  };
  await flowing(world, 2_500);
  world.apiFault = () => undefined;
}

const expired: Spoil = ({ random }, { query }) =>
  query.get("cursor") !== null && random() < 0.3 ? { status: 400, body: '{"error":"cursor expired"}' } : undefined;

/** The same facts in other types, and fields that nobody knows. */
function retype(value: unknown, key = ""): unknown {
  if (Array.isArray(value)) return key === "" || !/^[A-Z]/.test(key) ? value.map((item) => retype(item)) : value[0];
  if (typeof value === "number") return String(value);
  if (typeof value !== "object" || value === null) return value;
  const fields = Object.entries(value).map(([name, item]) => [name, retype(item, name)]);
  return { ...Object.fromEntries(fields), aNewField: { nested: [1, null] }, anotherOne: null };
}

const oddFields: Spoil = ({ random }, { n }) => {
  if (n < 3 || random() < 0.3) return undefined;
  const junk = random() < 0.3 ? [null, "not a run", 42, []] : [];
  return {
    rewrite: (body) => {
      const page = body as Page;
      return { ...page, ...(page.runs && { runs: [...junk, ...page.runs.map((entry) => retype(entry))] }), unknown: true };
    },
  };
};

/** Fields that a run can do without, each missing from some runs: always of the same ones. */
const OPTIONAL = [
  "stepId",
  "stepName",
  "messageId",
  "concurrent",
  "retries",
  "headers",
  "callType",
  "labels",
  "workflowUrl",
  "steps",
  "state",
];

function prune(value: unknown, salt: number): unknown {
  if (Array.isArray(value)) return value.map((item) => prune(item, salt));
  if (typeof value !== "object" || value === null) return value;
  const kept = Object.entries(value).filter(([name]) => !OPTIONAL.includes(name) || (OPTIONAL.indexOf(name) + salt) % 4 !== 0);
  return Object.fromEntries(kept.map(([name, item]) => [name, prune(item, salt)]));
}

const missingFields: Spoil = () => ({
  rewrite: (body) => {
    const page = body as Page;
    if (page.runs === undefined) return page;
    return { ...page, runs: page.runs.map((entry) => prune(entry, (entry as { workflowRunId: string }).workflowRunId.charCodeAt(9))) };
  },
});

const MIB = 1024 * 1024;

/** One run's payload makes a page larger than what is read; another run is larger all by itself, in a field that nothing trims. */
async function bigPage(world: World): Promise<void> {
  world.config.rest.traces = { capture: { outputs: true } };
  world.history(12, 600_000, { kinds: ["plain"] });
  world.put({ url: "https://big.example.com/api/export", steps: [run("export", 20, "x".repeat(34 * MIB))] }, world.clock.now() - 2_000);
  world.put({ url: "https://big.example.com/api/name", steps: [run("n".repeat(34 * MIB), 20)] }, world.clock.now() - 1_000);
  world.history(12, 600_000, { kinds: ["plain"] });
  world.fault("34 MiB page");
  world.start();
}

/** Runs whose log is seen only after a while, and whose two logs do not agree on when. */
async function lagging(world: World): Promise<void> {
  world.history(20);
  world.api.options.lagMs = 1_500;
  world.api.options.messageLog = { lateMs: 700 };
  world.fault("log that lags");
  world.start();
  await flowing(world, 4_000);
}

async function jumping(world: World): Promise<void> {
  const hour = 3_600_000;
  world.history(20);
  world.sleepers(4, 1_000, 3_000);
  world.start();
  for (const jump of [hour, -hour, -hour, hour, hour]) {
    await flowing(world, 900);
    world.clock.jump(jump);
    world.fault("API clock jump of 1 h");
  }
  await flowing(world, 500);
}

/** The daemon's own clock: an hour off from the start, and leaping to and fro. */
function ownClock(offsetMs: number, leaps: boolean) {
  const leap = leaps ? "(Math.floor(performance.now() / 700) % 3 - 1) * 3600000" : "0";
  const code = `const d = Date.now.bind(Date); const off = () => ${offsetMs} + ${leap}; const D = Date;
    globalThis.Date = class extends D { constructor(...a) { if (a.length === 0) super(d() + off()); else super(...a); } static now() { return d() + off(); } };`;
  return async (world: World): Promise<void> => {
    world.history(20);
    world.sleepers(4, 1_000, 3_000);
    world.start({ nodeOptions: ["--import", `data:text/javascript,${encodeURIComponent(code)}`] });
    world.fault("own clock off by 1 h or more");
    await flowing(world, 3_000);
  };
}

export const API: readonly Scenario[] = [
  { name: "api-down", fault: "resets, 5xx and cut answers of the API", noDuplicates: true, play: spoilt("API failure", failing) },
  { name: "api-429", fault: "429 storms (Retry-After 0, 1, a date)", noDuplicates: true, play: spoilt("API 429", tooMany) },
  {
    name: "api-rate-limited",
    fault: "a rate limit that others use, too",
    options: { api: { rateLimit: { perSecond: 20, foreignPerSecond: 8, retryAfter: "1" } } },
    noDuplicates: true,
    play: spoilt("request under a tight rate limit", () => ({}), 40),
  },
  { name: "api-html", fault: "200-HTML from the API", noDuplicates: true, play: spoilt("API 200 with HTML", html) },
  { name: "api-slow", fault: "slow and dripping API", noDuplicates: true, play: spoilt("slow API answer", slow) },
  { name: "api-hung", fault: "hung API", settleMs: 60_000, noDuplicates: true, play: spoilt("hung API answer", hung, 1) },
  { name: "pages-disordered", fault: "duplicate and reordered pages", noDuplicates: true, play: spoilt("disordered page", disorder) },
  { name: "pages-empty", fault: "empty pages", options: { source: { completion_feed: "off" } }, noDuplicates: true, play: emptyPages },
  { name: "cursor-expired", fault: "expired cursor", noDuplicates: true, play: spoilt("expired cursor", expired) },
  { name: "fields-odd", fault: "unknown and retyped fields", noDuplicates: true, play: spoilt("page of odd fields", oddFields) },
  {
    name: "fields-missing",
    fault: "missing fields",
    compare: "roots",
    noDuplicates: true,
    play: spoilt("page with missing fields", missingFields),
  },
  {
    name: "page-too-large",
    fault: "34 MiB pages",
    compare: "ids",
    settleMs: 60_000,
    play: bigPage,
    check: ({ quarantined }) => [quarantined !== 1 && `${quarantined} quarantined, not 1`],
  },
  { name: "api-lag", fault: "late logs", noDuplicates: true, play: lagging },
  { name: "clock-api-jumps", fault: "clock jumps of ±1 h (the API's)", noDuplicates: true, play: jumping },
  { name: "clock-own-jumps", fault: "clock jumps of ±1 h (the daemon's)", noDuplicates: true, play: ownClock(0, true) },
  { name: "clock-own-ahead", fault: "the daemon's clock is 3 h ahead", noDuplicates: true, play: ownClock(3 * 3_600_000, false) },
  {
    name: "clock-own-behind",
    fault: "the daemon's clock is 3 h behind",
    compare: "ids",
    noDuplicates: true,
    play: ownClock(-3 * 3_600_000, false),
  },
];
