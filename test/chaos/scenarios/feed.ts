import type { MessageLogOptions } from "../../../src/fake-upstash/api.ts";
import { between } from "../../support/scenarios/random.ts";
import type { Scenario, Stage } from "../scenario.ts";
import type { World } from "../world.ts";

/** A message log that cannot be relied on. */

const MINUTE = 60_000;

/**
 * Runs come in for some minutes of the API's clock, which goes 20 times faster: a feed that lies is found out after a
 * minute, and its successor, the grouped log, has to have everything all the same.
 */
function under(log: MessageLogOptions, minutes = 4) {
  return async (world: World, stage: Stage): Promise<void> => {
    world.history(25);
    world.sleepers(4, MINUTE, minutes * MINUTE);
    world.api.options.messageLog = log;
    world.fault("unreliable message log");
    world.start();
    await stage.until(() => world.api.requests.length > 20, "the daemon does not read");
    world.clock.speed(20);
    const end = world.clock.now() + minutes * MINUTE;
    const tide = setInterval(() => world.flow(between(world.random, 0, 2)), 150);
    await stage.until(() => world.clock.now() >= end, "the API's clock stands still", 60_000);
    clearInterval(tide);
  };
}

/** One end in three is never named. */
const holes: MessageLogOptions = {
  skip: ({ state, workflowRunId }) => /^RUN_(S|F|C)/.test(state) && workflowRunId.charCodeAt(8) % 3 === 0 && state !== "RUN_STARTED",
};

/** It works, is taken away, and comes back. */
async function comesAndGoes(world: World, stage: Stage): Promise<void> {
  const logs: MessageLogOptions[] = [{}, { paths: [] }, { empty: true }, {}];
  world.history(15);
  world.sleepers(4, 10_000, 5 * MINUTE);
  world.start();
  await stage.until(() => world.api.requests.length > 20, "the daemon does not read");
  world.clock.speed(60);
  const tide = setInterval(() => world.flow(between(world.random, 0, 2)), 200);
  for (const log of logs) {
    world.api.options.messageLog = log;
    world.fault("message log comes or goes");
    const end = world.clock.now() + 4 * MINUTE;
    await stage.until(() => world.clock.now() >= end, "the API's clock stands still", 30_000);
  }
  clearInterval(tide);
}

export const FEED: readonly Scenario[] = [
  { name: "feed-absent", fault: "no message log", noDuplicates: true, play: under({ paths: [] }, 2) },
  { name: "feed-on-events", fault: "the message log on its other path", noDuplicates: true, play: under({ paths: ["events"] }, 2) },
  { name: "feed-empty", fault: "a message log that is empty", noDuplicates: true, play: under({ empty: true }) },
  { name: "feed-late", fault: "a message log that is late", noDuplicates: true, play: under({ lateMs: 3 * MINUTE }) },
  { name: "feed-holey", fault: "a message log that skips events", settleMs: 60_000, noDuplicates: true, play: under(holes, 6) },
  { name: "feed-comes-and-goes", fault: "a message log that comes and goes", settleMs: 60_000, noDuplicates: true, play: comesAndGoes },
];
