import { setTimeout as sleep } from "node:timers/promises";
import type { Scenario, Stage } from "../scenario.ts";
import type { World } from "../world.ts";

/** Secrets that change while the daemon runs. */

/** Both sides want new secrets; the files follow a moment later, through a symlink that is swapped. */
async function rotated(world: World, stage: Stage): Promise<void> {
  const { canaries } = world;
  world.history(10);
  world.start();
  await stage.settle();
  world.api.options.token = canaries.rotatedToken;
  for (const backend of world.backends) {
    const wanted = `Bearer ${canaries.rotatedHeader}`;
    backend.respond = ({ headers }) =>
      headers.authorization === wanted ? { status: 200 } : { status: 401, body: `unknown token ${headers.authorization}` };
  }
  world.flow(8);
  await stage.until(() => world.api.requests.some(({ status }) => status === 401), "the API did not refuse the old token");
  await sleep(300);
  world.rotateSecrets(canaries.rotatedToken, canaries.rotatedHeader);
  world.fault("token rotation through a symlink");
  world.flow(8);
}

export const SECRETS: readonly Scenario[] = [
  { name: "token-rotation", fault: "token rotation through a symlink", settleMs: 90_000, noDuplicates: true, play: rotated },
];
