import { rmSync } from "node:fs";
import { sabotaged } from "../broken.ts";
import type { Scenario, Stage } from "../scenario.ts";
import type { World } from "../world.ts";

/** What each sabotage needs to show, played with the true daemon as well: it must pass where the broken one fails. */

async function killedWhileSending(world: World, stage: Stage): Promise<void> {
  world.history(12);
  for (const backend of world.backends) backend.respond = () => ({ status: 200, hang: true });
  world.start();
  await stage.until(() => world.backends.every(({ receiver }) => receiver.requests.length > 0), "nothing was sent");
  await world.kill();
  for (const backend of world.backends) backend.respond = () => undefined;
  world.start();
}

/** Runs from hours ago that end after everybody has stopped looking at pages that old. */
async function oldRunsEnd(world: World): Promise<void> {
  world.history(30);
  world.sleepers(6, 5_000, 7_000);
  world.start();
}

async function stateLost(world: World, stage: Stage): Promise<void> {
  world.history(12);
  world.start();
  await stage.settle();
  await world.stop();
  rmSync(world.stateFolder, { recursive: true });
  world.start();
  const sent = world.backends.map(({ receiver }) => receiver.spans.length);
  await stage.until(() => world.backends.every(({ receiver }, index) => receiver.spans.length >= 2 * (sent[index] ?? 0)), "not sent again");
}

async function plain(world: World): Promise<void> {
  world.history(5);
  world.start();
}

const withoutFeed = { source: { completion_feed: "off" } };

export const CONTROLS: readonly Scenario[] = [
  { name: "killed-while-sending", fault: "hung server, then kill -9", play: killedWhileSending },
  {
    name: "old-runs-end",
    fault: "runs that sleep for hours end unseen by any page",
    options: withoutFeed,
    noDuplicates: true,
    play: oldRunsEnd,
  },
  { name: "state-deleted", fault: "deleted state file", play: stateLost },
];

export const BROKEN: readonly Scenario[] = [
  {
    name: "broken: acknowledges before it sends",
    fault: "a daemon broken on purpose",
    play: killedWhileSending,
    broken: () =>
      sabotaged(
        {
          file: "pipeline/outcome.ts",
          find: "  for (let first = true; batch.sent < requests.length; first = false) {",
          replace: "  await settle(state, items, batch.pieces);\n  for (let first = true; batch.sent < requests.length; first = false) {",
        },
        /spans missing/,
      ),
  },
  {
    name: "broken: forgets open runs",
    fault: "a daemon broken on purpose",
    options: withoutFeed,
    play: oldRunsEnd,
    broken: () =>
      sabotaged(
        {
          file: "pipeline/decide.ts",
          find: 'return { key: run, phase: "open", watch, ...(placement',
          replace: 'void watch;\n  return { key: run, phase: "open", ...(placement',
        },
        /spans missing/,
      ),
  },
  {
    name: "broken: tells its process id",
    fault: "a daemon broken on purpose",
    play: stateLost,
    broken: () =>
      sabotaged(
        { file: "otlp/scope.ts", find: 'const MAPPING_VERSION = "1";', replace: "const MAPPING_VERSION = String(process.pid);" },
        /came in 2 forms/,
      ),
  },
  {
    name: "broken: logs its token",
    fault: "a daemon broken on purpose",
    play: plain,
    broken: () =>
      sabotaged(
        {
          file: "commands/bridge.ts",
          find: "log.info({ sources: config.sources.map(",
          replace: "log.info({ token: config.sources[0]?.token.reveal(), sources: config.sources.map(",
        },
        /the secret token/,
      ),
  },
];
