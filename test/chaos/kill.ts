import { existsSync, mkdirSync, watch } from "node:fs";
import { basename } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { between, type Random } from "../support/scenarios/random.ts";
import { readKilledState } from "./state-view.ts";
import type { StartOptions, World, WorldEvent } from "./world.ts";

/** kill -9 at the k-th event, and where in a run's way through the daemon it hit. */

/** `write`: to the state's write-ahead log, which is what a commit is made of. */
export type Trigger = WorldEvent | "write";

export interface KillPlan {
  readonly trigger: Trigger;
  readonly k: number;
  /** Ms after the event, often fractions of one. */
  readonly after: number;
}

export type Stage =
  /** Nothing that the API showed was on its way. */
  | "idle"
  /** The API has shown an ended run, and the state does not have it yet. */
  | "page received"
  /** In the state, not yet accepted by the backend. */
  | "committed, not accepted"
  /** Accepted by the backend, and the state does not say so yet. */
  | "accepted, not committed";

export interface Kill extends KillPlan {
  readonly stage: Stage;
  /** False: the event did not come in time, and it was killed all the same. */
  readonly reached: boolean;
}

/** Between "page received" and "ack committed". */
export const isBetween = (stage: Stage): boolean => stage !== "idle";

/** How long an event may take to come once the daemon reads, and how long a start may take. */
const REACH_MS = 2_500;
const START_MS = 20_000;

/** Half of the kills at replies and deliveries: the moments when a page is in the daemon's hands. */
export function planKill(random: Random): KillPlan {
  const dice = random();
  const soon = random() < 0.5 ? random() : random() * 12;
  if (dice < 0.08) return { trigger: "api request", k: between(random, 1, 12), after: 0 };
  if (dice < 0.34) return { trigger: "api reply", k: between(random, 1, 8), after: soon };
  if (dice < 0.6) return { trigger: "otlp request", k: between(random, 1, 4), after: 0 };
  if (dice < 0.8) return { trigger: "otlp reply", k: between(random, 1, 4), after: soon };
  return { trigger: "write", k: between(random, 1, 24), after: random() };
}

/** One life of a daemon, from its start to its kill. Runs go on coming in all the while. */
export async function liveUntilKilled(world: World, plan: KillPlan, options: StartOptions = {}): Promise<Kill> {
  mkdirSync(world.stateFolder, { recursive: true, mode: 0o700 });
  world.shown.clear();
  const daemon = world.start(options);
  const kill = () => daemon.child.kill("SIGKILL");
  const reached = await Promise.race([reach(world, plan, kill), daemon.ended.then(() => true), tooLate(world)]);
  if (!reached) kill();
  await daemon.ended;
  world.onEvent = () => undefined;
  if (daemon.end() !== "SIGKILL") throw new Error(`no kill ended the daemon, but ${daemon.end()}: ${daemon.output().slice(-500)}`);
  world.crashes += 1;
  return { ...plan, reached, stage: await stageOf(world) };
}

async function tooLate(world: World): Promise<false> {
  const before = world.api.requests.length;
  for (const end = Date.now() + START_MS; world.api.requests.length === before && Date.now() < end; ) await sleep(20);
  return sleep(REACH_MS, false);
}

function reach(world: World, { trigger, k, after }: KillPlan, kill: () => void): Promise<boolean> {
  return new Promise((resolve) => {
    let left = k;
    const event = (happened: Trigger) => {
      if (happened !== trigger) return;
      left -= 1;
      if (left !== 0) return;
      watcher?.close();
      at(after, () => {
        kill();
        resolve(true);
      });
    };
    const wal = `${basename(world.statePath)}-wal`;
    const watcher = trigger === "write" ? watch(world.stateFolder, (_, file) => file === wal && event("write")) : undefined;
    watcher?.unref();
    setTimeout(() => watcher?.close(), START_MS + REACH_MS).unref();
    world.onEvent = event;
  });
}

/** Timers know whole ms only; what is below one is waited for by looking at the clock. */
function at(ms: number, then: () => void): void {
  const end = performance.now() + ms;
  const look = () => {
    if (performance.now() >= end) then();
    else setImmediate(look);
  };
  look();
}

/** The stage of the run that was furthest on its way, by what the kill left behind. */
async function stageOf(world: World): Promise<Stage> {
  const keys = [...world.shown].map(keyOf).filter((key) => !world.settledKeys.has(`${key.id}@${key.createdAt}`));
  const state = existsSync(world.statePath) ? await readKilledState(world, keys) : undefined;
  if (state === undefined) return keys.length > 0 ? "page received" : "idle";
  const runIds = new Map(world.backends.map((backend) => [backend.name, new Set(backend.accepted().map(runIdOf))]));
  let stage: Stage = "idle";
  for (const [index, key] of keys.entries()) {
    const outcome = state.outcomes[index];
    const fates = Object.entries(outcome?.destinations ?? {});
    const queued = fates.filter(([, told]) => told === "queued");
    if (queued.some(([destination]) => runIds.get(destination)?.has(key.id))) return "accepted, not committed";
    if (queued.length > 0) stage = "committed, not accepted";
    else if (outcome === undefined || outcome.phase === "open") stage = stage === "idle" ? "page received" : stage;
    else world.settledKeys.add(`${key.id}@${key.createdAt}`);
  }
  if (stage === "idle" && state.status.destinations.some((destination) => destination.queued > 0)) return "committed, not accepted";
  return stage;
}

const runIdOf = (span: { readonly attributes: Readonly<Record<string, unknown>> }) => String(span.attributes["upstash.workflow.run.id"]);

function keyOf(text: string) {
  const at = text.lastIndexOf("@");
  return { id: text.slice(0, at), createdAt: Number(text.slice(at + 1)) };
}
