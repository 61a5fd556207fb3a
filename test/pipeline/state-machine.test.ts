import fc from "fast-check";
import { expect, test } from "vitest";
import type { Outcome } from "../../src/destinations/destination.ts";
import type { Store } from "../../src/state/store.ts";
import { backend, DELIVERED, fails, partly, refuses, runIdOf, timesOut } from "../support/backend.ts";
import { chance } from "../support/chance.ts";
import { violations } from "../support/ledger.ts";
import { type Fault, logApi, type Program } from "../support/log-api.ts";
import { openMemoryStore } from "../support/memory-store.ts";
import { HOUR } from "../support/pipeline.ts";
import { type Life, type Simulation, type SimulationOptions, SKIES, START, startLife } from "../support/simulation.ts";
import { virtualClock } from "../support/virtual-clock.ts";

/**
 * The pipeline as a state machine: any sequence of runs, faults, kills, restarts and hours that pass. When the faults
 * are over, what the ledger wants must hold; a sequence after which it does not is shrunk to the shortest.
 */

const MINUTE = 60_000;
const DAY = 24 * HOUR;

interface Real {
  readonly simulation: Omit<Simulation, "lives"> & { readonly poisoned: Map<string, Outcome> };
  readonly options: SimulationOptions;
  readonly luck: ReturnType<typeof chance>;
  life: Life;
}

/** Runs created so far: their numbers are their names. */
interface Model {
  runs: number;
}

type Command = fc.AsyncCommand<Model, Real, true>;
type Act = (real: Real, model: Model) => Promise<void> | void;

const command = (name: string, act: Act): Command => ({
  check: async () => true,
  run: async (model, real) => act(real, model),
  toString: () => name,
});

const answers = [refuses(400), refuses(413), fails(500), timesOut, partly()];
const FEEDS: readonly Simulation["api"]["feed"][] = ["none", "honest", (event) => event.time % 7 !== 0, () => false];
const DOWN: Fault = { kind: "unavailable", reason: "server_error", message: "500" };
const FAULTS: readonly (Fault | undefined)[] = [undefined, undefined, DOWN, "empty", "twice", "reversed", "repeated cursor"];

function begin(
  { simulation: { api, poisoned } }: Real,
  model: Model,
  run: { length: number; failed: boolean; poison: number; child: boolean },
) {
  const parent = run.child ? api.programs.findLast(({ endsAt }) => endsAt !== undefined && endsAt > api.now() + 2_000) : undefined;
  const endsAt = Math.min(api.now() + run.length, (parent?.endsAt ?? Number.POSITIVE_INFINITY) - 1_000);
  const id = parent === undefined ? `run${model.runs}` : `${parent.id}.${model.runs}`;
  const program: Program = {
    id,
    createdAt: api.now(),
    endsAt,
    ...(run.failed && { state: "RUN_FAILED", failure: { settlesAt: endsAt + Math.min(run.length, 30 * MINUTE) } }),
    ...(parent && { invoker: { id: parent.id, createdAt: parent.createdAt } }),
  };
  if (parent !== undefined) Object.assign(parent, { invokes: [...(parent.invokes ?? []), { id, createdAt: program.createdAt }] });
  const answer = answers[run.poison];
  if (answer !== undefined) poisoned.set(id, answer);
  api.programs.push(program);
  model.runs += 1;
}

/** What a backend answers: the weather, or what a poisoned run gets from `a` for ever. */
function setSky({ simulation: { backends, poisoned } }: Real, index: number, sky: (typeof SKIES)[number]): void {
  const one = backends[index];
  if (one === undefined) return;
  const harm = (spans: Parameters<typeof one.answer>[0]) => poisoned.get(spans.map(runIdOf).find((id) => poisoned.has(id)) ?? "");
  one.answer = (spans) => (sky === DELIVERED && index === 0 ? (harm(spans) ?? sky) : sky);
}

function restart(real: Real): void {
  if (real.life.dead()) real.life = startLife(real.simulation, real.options, real.luck);
}

const length = fc.oneof(fc.integer({ min: 100, max: MINUTE }), fc.integer({ min: MINUTE, max: 3 * HOUR }), fc.constant(2 * DAY));
const commands = [
  fc
    .record({ length, failed: fc.boolean(), poison: fc.integer({ min: 0, max: 40 }), child: fc.boolean() })
    .map((run) => command(`begin(${JSON.stringify(run)})`, (real, model) => begin(real, model, run))),
  fc
    .oneof({ weight: 6, arbitrary: fc.integer({ min: 1_000, max: 20 * MINUTE }) }, { weight: 1, arbitrary: fc.constant(DAY) })
    .map((ms) => command(`pass(${ms} ms)`, (real) => real.simulation.clock.advance(ms))),
  fc.integer({ min: 1, max: 300 }).map((steps) => command(`dieAfter(${steps})`, (real) => real.life.dieAfter(steps))),
  fc.constant(command("stop", (real) => real.life.end())),
  fc.constant(command("start", restart)),
  fc
    .tuple(fc.nat(1), fc.nat(SKIES.length))
    .map(([index, sky]) => command(`sky(${index}, ${sky})`, (real) => setSky(real, index, SKIES[sky] ?? DELIVERED))),
  fc.nat(FAULTS.length - 1).map((fault) =>
    command(`api(${fault})`, ({ simulation: { api } }) => {
      api.fault = ({ method }) => (method === "fetch" && typeof FAULTS[fault] === "string" ? undefined : FAULTS[fault]);
    }),
  ),
  fc.nat(FEEDS.length - 1).map((feed) =>
    command(`feed(${feed})`, ({ simulation: { api } }) => {
      api.feed = FEEDS[feed] ?? "none";
    }),
  ),
  fc.constantFrom(HOUR, -HOUR).map((ms) => command(`own clock jumps(${ms})`, (real) => real.simulation.clock.jump(ms))),
];

function setUp(seed: number, sabotage: SimulationOptions): { model: Model; real: Real } {
  const luck = chance(seed);
  const clock = virtualClock(START, luck.next);
  const api = logApi(clock, START, 50);
  const backends = [backend(clock, { name: "a" }), backend(clock, { name: "b", encoding: "json", concurrency: 2, maxRequestBytes: 8_192 })];
  const plans: Simulation["plans"] = [
    { name: "a", encoding: "protobuf", sampling: { ratio: 1, keep: [] } },
    { name: "b", encoding: "json", sampling: { ratio: 1, keep: [] } },
  ];
  const options = { poll: "30s", ...sabotage };
  const simulation = { seed, honest: false, clock, api, store: openMemoryStore({ now: clock.now }), backends, plans, poisoned: new Map() };
  return { model: { runs: 0 }, real: { simulation, options, luck, life: startLife(simulation, options, luck) } };
}

/** The faults end; a little traffic goes on until everything has had its time. */
async function calm(real: Real): Promise<void> {
  const { api, clock, backends } = real.simulation;
  api.fault = () => undefined;
  for (const index of backends.keys()) setSky(real, index, DELIVERED);
  real.life.dieAfter(Number.POSITIVE_INFINITY);
  restart(real);
  for (let n = 0; n < 24; n += 1) {
    api.programs.push({ id: `late${n}`, createdAt: api.now(), endsAt: api.now() + 1_000 });
    await clock.advance(10 * MINUTE);
  }
  await real.life.end();
}

const property = (sabotage: SimulationOptions) =>
  fc.asyncProperty(fc.commands(commands, { maxCommands: 40, size: "max" }), fc.nat(), async (sequence, seed) => {
    const { model, real } = setUp(seed, sabotage);
    await fc.asyncModelRun(() => ({ model, real }), sequence);
    await calm(real);
    const found = await violations({ ...real.simulation, lives: 0 });
    if (found.length > 0) throw new Error(found.join("\n"));
  });

test("whatever happens in whatever order, every run is delivered, quarantined or excluded", { timeout: 10 * MINUTE }, async () => {
  await fc.assert(property({}), { numRuns: 10 });
});

test("a bridge that acknowledges before it sends is found out", { timeout: 10 * MINUTE }, async () => {
  const settlesFirst = (store: Store): Store => ({
    ...store,
    async queued(destination, ...args) {
      const rows = await store.queued(destination, ...args);
      const settled = rows.map(({ id, spans, bytes }) => ({ id, outcome: "delivered" as const, spans, bytes }));
      await store.settle(destination, settled, 0);
      return rows;
    },
  });
  const found = await fc.check(property({ sabotage: settlesFirst }), { numRuns: 15, endOnFailure: true });
  expect(String(found.errorInstance)).toMatch(/never accepted its span/);
});
