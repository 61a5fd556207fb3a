import type { Outcome } from "../../src/destinations/destination.ts";
import type { ReceivedSpan } from "../../src/fake-upstash/otlp-spans.ts";
import type { SourceContext } from "../../src/pipeline/context.ts";
import { createDeliverer } from "../../src/pipeline/deliver.ts";
import { createSourceLoop } from "../../src/pipeline/loop.ts";
import { maintainStore } from "../../src/pipeline/maintain.ts";
import { createWake } from "../../src/pipeline/wake.ts";
import type { Reply } from "../../src/sources/source.ts";
import type { Store } from "../../src/state/store.ts";
import { type Backend, backend, busy, DELIVERED, fails, partly, refuses, resets, runIdOf, timesOut, unauthorized } from "./backend.ts";
import { type Chance, chance } from "./chance.ts";
import { type Fault, type LogApi, logApi, type Program } from "./log-api.ts";
import { openMemoryStore } from "./memory-store.ts";
import { HOUR, quiet, readContext } from "./pipeline.ts";
import { T0 } from "./run-builder.ts";
import { type VirtualClock, virtualClock } from "./virtual-clock.ts";

/**
 * The whole pipeline for some hours of simulated time: random programs, an API and backends that fail in every
 * way, processes that die between any two steps. Then the faults stop, a little traffic goes on, and in the end
 * everything must have come to rest (test/support/ledger.ts says what that means).
 */
export interface SimulationOptions {
  /** Makes the store of each life behave as a broken bridge would make it. */
  readonly sabotage?: (store: Store) => Store;
  readonly sweep?: string;
  /** Without it the API is honest; backends and processes still fail. */
  readonly apiFaults?: boolean;
  readonly feed?: LogApi["feed"];
  readonly poll?: string;
}

export interface Simulation {
  readonly seed: number;
  readonly clock: VirtualClock;
  readonly api: LogApi;
  readonly store: Store;
  readonly backends: readonly Backend[];
  readonly plans: SourceContext["destinations"];
  readonly lives: number;
  /** The API named everything that it should, whatever else was wrong with it. */
  readonly honest: boolean;
  /** Runs that a backend never accepts. */
  readonly poisoned: ReadonlyMap<string, Outcome>;
}

export const START = T0 + HOUR;
const MINUTE = 60_000;
const CHAOS = 3 * HOUR;
const QUIET = 3.5 * HOUR;

export async function simulate(seed: number, options: SimulationOptions = {}): Promise<Simulation> {
  const luck = chance(seed);
  const clock = virtualClock(START, luck.next);
  const api = logApi(clock, START, luck.int(1, 400));
  const store = openMemoryStore({ now: clock.now });
  api.programs.push(...programs(luck, luck.int(10, 25)));
  api.lag = luck.pick([0, 0, 1_500, 4_000]);
  const lies = luck.pick<LogApi["feed"]>(["none", "honest", "honest", (event) => event.time % 7 !== 0, () => false]);
  api.feed = options.feed ?? (options.apiFaults === false ? "honest" : lies);
  const backends = [
    backend(clock, { name: "a", latency: 30 }),
    backend(clock, { name: "b", encoding: "json", concurrency: 2, maxRequestBytes: 8_192 }),
  ];
  const plans: SourceContext["destinations"] = [
    { name: "a", encoding: "protobuf", sampling: { ratio: 1, keep: [] } },
    { name: "b", encoding: "json", sampling: luck.often(0.5) ? { ratio: 1, keep: [] } : { ratio: 0.4, keep: ["failed"] } },
  ];
  const poisoned = poison(luck, api.programs);
  const honest = options.apiFaults === false;
  const simulation = { seed, honest, clock, api, store, backends, plans, poisoned };
  let lives = 0;
  let life = startLife(simulation, options, luck);

  for (let trickle = 0; clock.monotonic() < CHAOS + QUIET; trickle += 1) {
    const chaos = clock.monotonic() < CHAOS;
    if (!chaos || life.dead()) {
      if (!chaos && trickle % 40 === 0) await life.end();
      if (life.dead()) {
        lives += 1;
        life = startLife(simulation, options, luck);
      }
    }
    setWeather(simulation, chaos, options.apiFaults !== false, luck);
    if (chaos) life.dieAfter(luck.often(0.5) ? luck.int(1, 400) : Number.POSITIVE_INFINITY);
    else life.dieAfter(Number.POSITIVE_INFINITY);
    if (!chaos) api.programs.push({ id: `late${trickle}`, createdAt: api.now(), endsAt: api.now() + 1_000 });
    await clock.advance(chaos ? luck.int(5_000, 20 * MINUTE) : 10 * MINUTE);
    if (chaos && luck.often(0.2)) await life.end();
    await maintainStore(store, [life.config], clock.now());
  }
  await life.end();
  return { ...simulation, lives };
}

/** Trees of runs, most of them short, some that sleep for hours; created before and after the start. */
function programs(luck: Chance, roots: number): Program[] {
  const found: Program[] = [];
  const grow = (id: string, from: number, to: number, depth: number, invoker?: Program): Program => {
    const children = depth > 0 && to - from > 10_000 && luck.often(0.4) ? luck.int(1, 3) : 0;
    const failed = luck.often(0.2);
    const base = { id, createdAt: from, endsAt: to, ...(invoker && { invoker: { id: invoker.id, createdAt: invoker.createdAt } }) };
    const state = failed ? "RUN_FAILED" : luck.pick(["RUN_SUCCESS", "RUN_SUCCESS", "RUN_CANCELED"] as const);
    const failure = failed && luck.often(0.6) ? { failure: { settlesAt: to + luck.int(0, HOUR) } } : {};
    const invokes: Program[] = [];
    for (let n = 0; n < children; n += 1) {
      const begin = luck.int(from + 1, to - 5_000);
      invokes.push(grow(`${id}.${n}`, begin, luck.int(begin + 10, to - 10), depth - 1, base));
    }
    const program: Program = { ...base, state, ...failure, invokes: invokes.map(({ id: child, createdAt }) => ({ id: child, createdAt })) };
    found.push(program);
    return program;
  };
  for (let n = 0; n < roots; n += 1) {
    const from = START + luck.int(-2 * HOUR, CHAOS - HOUR);
    const long = luck.often(0.3) ? luck.int(MINUTE, 3 * HOUR) : luck.int(100, MINUTE);
    grow(`run${n}`, from, Math.max(from + long, START - 20 * MINUTE), 3);
  }
  if (luck.often(0.5)) found.push({ id: "endless", createdAt: START - HOUR });
  return found;
}

function poison(luck: Chance, of: readonly Program[]): Map<string, Outcome> {
  const answers = [refuses(400), refuses(413), fails(500), timesOut, resets, partly()];
  return new Map(of.filter(() => luck.often(0.06)).map(({ id }) => [id, luck.pick(answers)]));
}

const HTML: Outcome = { kind: "misconfigured", status: 200, reason: "HTML" };
export const SKIES: readonly (Outcome | "lost")[] = [
  busy(),
  busy(0),
  busy(120_000),
  unauthorized,
  HTML,
  refuses(400),
  refuses(422),
  fails(501),
  timesOut,
  resets,
  "lost",
];

/** How API and backends behave until the next change. */
function setWeather({ api, backends, poisoned }: Omit<Simulation, "lives">, chaos: boolean, apiFaults: boolean, luck: Chance): void {
  const share = chaos && apiFaults ? luck.pick([0, 0, 0.1, 0.5, 1]) : 0;
  api.fault = (call) => (luck.often(share) ? apiFault(luck, call.method) : undefined);
  for (const { destination, ...one } of backends) {
    const sky = chaos && luck.often(0.5) ? luck.pick(SKIES) : DELIVERED;
    const harm = (spans: readonly ReceivedSpan[]) => poisoned.get(spans.map(runIdOf).find((id) => poisoned.has(id)) ?? "");
    const answer: Backend["answer"] = (spans) => (sky === DELIVERED ? (destination.name === "a" ? (harm(spans) ?? sky) : sky) : sky);
    Object.assign(backends.find((other) => other.destination === destination) ?? one, { answer });
  }
}

function apiFault(luck: Chance, method: string): Fault {
  const reason = luck.pick(["rate_limited", "server_error", "connection", "timeout", "unreadable"] as const);
  const down: Fault = { kind: "unavailable", reason, message: reason };
  if (method === "fetch") return luck.pick<Fault>([down, "twice", "reversed"]);
  const expired: Fault = { kind: "refused", reason: "bad_request", status: 400, message: "invalid cursor" };
  return luck.pick<Fault>([down, expired, "empty", "twice", "reversed", "repeated cursor"]);
}

export interface Life {
  readonly config: SourceContext["config"];
  dead(): boolean;
  /** As kill -9 would, after so many more steps of the store, the API or a backend. */
  dieAfter(steps: number): void;
  /** As SIGTERM would, if it is still alive. */
  end(): Promise<void>;
}

/** One process: nothing that it awaits returns once it is dead. */
export function startLife(
  simulation: Omit<Simulation, "lives">,
  { sabotage = (store) => store, sweep = "2h", poll }: SimulationOptions,
  luck: Chance,
): Life {
  const { clock, plans, backends, api } = simulation;
  let steps = Number.POSITIVE_INFINITY;
  let over = false;
  const dead = () => over;
  const mortal = <Result>(work: () => Promise<Result>): Promise<Result> => {
    const tick = () => {
      steps -= 0.5;
      over ||= steps <= 0;
    };
    tick(); // before it
    if (over) return new Promise(() => undefined);
    return work().then((result) => {
      tick(); // after it
      return over ? new Promise(() => undefined) : result;
    });
  };
  const wrap = <T extends object>(of: T, names: readonly string[]): T => {
    const methods = Object.entries(of).filter(([name]) => names.includes(name));
    const wrapped = methods.map(([name, method]) => [name, (...args: unknown[]) => mortal(() => method.apply(of, args))]);
    return { ...of, ...Object.fromEntries(wrapped) };
  };
  const own = clock.life(dead);
  const store = wrap(sabotage(simulation.store), Object.keys(simulation.store));
  const source = wrap(api.source, ["list", "fetch", "events"]) as LogApi["source"] & Record<"list", () => Promise<Reply<never>>>;
  const wakes = backends.map(() => createWake(own));
  const onQueued = () => {
    for (const wake of wakes) wake.ring();
  };
  const config = { sweep_interval: sweep, completion_feed: "auto", poll_interval: poll ?? luck.pick(["2s", "5s"]) };
  const context = readContext({ clock: own, api: { source }, store, destinations: plans, hasRoom: async () => true, onQueued, config });
  const stop = new AbortController();
  const deliverers = backends.map(({ destination }, index) => {
    const wake = wakes[index] ?? createWake(own);
    return createDeliverer({ destination: wrap(destination, ["send"]), store, clock: own, log: quiet, wake, tooOld: "send", now: own.now });
  });
  const ready = simulation.store.syncDestinations(
    plans.map((plan) => plan.name),
    T0,
  );
  const running = ready.then(() =>
    Promise.all([createSourceLoop(context).run(stop.signal), ...deliverers.map((one) => one.run(stop.signal, 5_000))]),
  );
  running.catch((error) => {
    throw error;
  });
  return {
    config: context.config,
    dead,
    dieAfter(more) {
      steps = more;
    },
    async end() {
      steps = Number.POSITIVE_INFINITY;
      stop.abort();
      if (!over) await clock.until(running, HOUR);
      over = true;
    },
  };
}
