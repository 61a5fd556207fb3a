import { setTimeout as sleep } from "node:timers/promises";
import { between, seeded } from "../../support/scenarios/random.ts";
import { liveUntilKilled, planKill } from "../kill.ts";
import type { Scenario, Stage } from "../scenario.ts";
import type { World } from "../world.ts";

/** kill -9 at any instant. */

/** Kills in one storm: with more the history would be long enough to slow the harness itself. */
export const STORM_KILLS = 25;

async function storm(world: World, stage: Stage): Promise<void> {
  world.history(15);
  world.sleepers(4, 5_000, 15_000);
  const plans = seeded(between(world.random, 1, 2 ** 31)); // of their own: the tide draws as time goes by
  const tide = setInterval(() => world.flow(1), 150);
  try {
    for (let i = 0; i < STORM_KILLS && stage.mayKill(); i += 1) {
      world.flow(between(world.random, 1, 6));
      stage.kills.push(await liveUntilKilled(world, planKill(plans)));
      world.fault("kill -9");
    }
  } finally {
    clearInterval(tide);
  }
  world.start();
}

/** As above, while the API and the backend fail now and then. */
async function foulStorm(world: World, stage: Stage): Promise<void> {
  const { random } = world;
  world.apiFault = () => {
    if (random() > 0.15) return undefined;
    world.fault("API fault");
    const dice = random();
    if (dice < 0.3) return { reset: true };
    if (dice < 0.5) return { status: 500, body: "oops" };
    return dice < 0.7 ? { truncate: 40 } : { delayMs: between(random, 1, 60) };
  };
  for (const backend of world.backends) {
    backend.respond = () => {
      if (random() > 0.2) return undefined;
      world.fault("backend fault");
      return random() < 0.5 ? { status: 503 } : { status: 200, reset: true, accept: random() < 0.5 };
    };
  }
  await storm(world, stage);
  world.apiFault = () => undefined;
  for (const backend of world.backends) backend.respond = () => undefined;
}

async function terminated(world: World, stage: Stage): Promise<void> {
  const [backend] = world.backends;
  if (backend === undefined) return;
  world.history(20);
  for (let i = 0; i < 4; i += 1) {
    backend.respond = () => ({ status: 200, delayMs: 400 });
    const before = backend.receiver.requests.length;
    const daemon = world.start();
    for (let waited = 0; waited < 400 && backend.receiver.requests.length === before; waited += 1) {
      if (waited % 10 === 0) world.flow(3);
      await sleep(20);
    }
    stage.expect(backend.receiver.requests.length > before, "nothing was in flight");
    await world.stop(daemon);
    world.fault("SIGTERM in mid-delivery");
  }
  backend.respond = () => undefined;
  world.start();
}

const fault = "kill -9 at the k-th request, reply or commit";

export const STORMS: readonly Scenario[] = [
  { name: "kill-storm", fault, options: { source: { completion_feed: "auto" } }, play: storm },
  { name: "kill-storm-without-feed", fault, options: { source: { completion_feed: "off" } }, play: storm },
  { name: "kill-storm-two-backends", fault, options: { backends: 2, destination: { encoding: "json", compression: "none" } }, play: storm },
  { name: "kill-storm-foul-weather", fault, options: { source: { completion_feed: "off" } }, play: foulStorm },
];

export const KILLS: readonly Scenario[] = [
  { name: "sigterm-in-delivery", fault: "SIGTERM in mid-delivery", noDuplicates: true, play: terminated },
];
