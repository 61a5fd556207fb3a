import { type CallWork, type Program, run } from "../../support/scenarios/program.ts";
import { between } from "../../support/scenarios/random.ts";
import type { Scenario, Stage } from "../scenario.ts";
import type { World } from "../world.ts";

/** Runs that are not over when they end, and families. */

const charge: CallWork = {
  kind: "call",
  name: "notify",
  ms: 5,
  method: "POST",
  url: "https://hooks.example.com/x",
  status: 200,
  response: {},
};
const child = (name: string): Program => ({ url: `https://child.example.com/api/${name}`, steps: [run("work", 20), charge] });
const parent = (path: string, name: string, after: number): Program => ({
  url: `https://parent.example.com/api/${path}`,
  steps: [run("prepare", 10), { kind: "invoke", name: "child", program: child(name) }, { kind: "sleep", name: "linger", ms: after }],
});

/** Failure functions that settle seconds after their run failed; killed in between. */
async function lateFailureFunctions(world: World, stage: Stage): Promise<void> {
  world.history(10);
  for (let i = 0; i < 12; i += 1) {
    const failed = { ms: 5, status: 500, message: "no", retryAfterMs: 0 };
    const program: Program = {
      url: "https://fails.example.com/api/job",
      steps: [run("first", 10), { kind: "run", name: "fails", ms: 5, gaveUp: true, failed: [failed] }],
      failureFunction: { ms: between(world.random, 1_000, 6_000), response: { done: true } },
    };
    world.put(program, world.clock.now() - between(world.random, 0, 500));
    world.fault("late failure function");
  }
  world.start();
  await stage.until(() => world.backends.every(({ receiver }) => receiver.spans.length > 30), "nothing arrived");
  await world.kill();
  world.start();
}

const MINUTE = 60_000;

/** Children that ended a while ago, their parents hours from their end, in every order of arrival; killed while they wait. */
async function childrenFirst(world: World, stage: Stage): Promise<void> {
  for (let i = 0; i < 10; i += 1) {
    const lingers = between(world.random, 60, 180) * MINUTE;
    const endsAt = world.clock.now() + lingers - between(world.random, 0, 30) * MINUTE;
    world.put(parent("slow", `c${i}`, lingers), endsAt);
    world.fault("ancestor is hours from its end");
  }
  world.start();
  await stage.until(() => world.backends.every(({ receiver }) => receiver.spans.length > 8), "no child arrived");
  await world.kill();
  world.start();
  for (let half = 0; half < 7; half += 1) {
    const before = world.api.requests.length;
    await stage.until(() => world.api.requests.length > before + 8, "the daemon does not read");
    world.clock.jump(30 * MINUTE);
  }
}

async function droppedAncestors(world: World): Promise<void> {
  world.config.rest.workflows = [{ match: { url: "https://parent.example.com/api/secret*" }, drop: true }];
  for (let i = 0; i < 6; i += 1) {
    world.put(parent("secret", `c${i}`, 100), world.clock.now() - between(world.random, 1, 5_000));
    world.put(parent("open", `d${i}`, 100), world.clock.now() - between(world.random, 1, 5_000));
    world.fault("ancestor is dropped");
  }
  world.start();
}

/** Parents that the API has forgotten: after three looks over ten minutes of its clock their children go on alone. */
async function goneAncestors(world: World, stage: Stage): Promise<void> {
  world.history(5);
  for (let i = 0; i < 6; i += 1) world.put(parent("gone", `c${i}`, 100), world.clock.now() - between(world.random, 1, 5_000));
  for (const wire of world.api.store.allRuns()) {
    if (!wire.workflowUrl.includes("/api/gone")) continue;
    world.api.store.deleteRun(wire.workflowRunId, wire.workflowRunCreatedAt);
    world.fault("ancestor is gone");
  }
  world.start();
  await stage.until(() => world.api.requests.length > 20, "the daemon does not read");
  world.clock.speed(120);
}

/** A run with far more steps than one request holds. */
async function giants(world: World): Promise<void> {
  const steps = Array.from({ length: 2_500 }, (_, index) => run(`step-${index}-${"x".repeat(60)}`, 3));
  world.put({ url: "https://giant.example.com/api/loop", steps }, world.clock.now() - 1_000);
  world.history(10);
  world.fault("run of 2,500 steps");
  world.start();
}

const small = { destination: { max_request_bytes: "64KiB" } };

export const RUNS: readonly Scenario[] = [
  { name: "late-failure-function", fault: "failure functions that settle later", play: lateFailureFunctions },
  { name: "children-first", fault: "a child whose ancestor is hours from its end", play: childrenFirst },
  {
    name: "ancestor-dropped",
    fault: "a child whose ancestor is dropped",
    noDuplicates: true,
    play: droppedAncestors,
    check: ({ excluded }) => [excluded !== 6 && `${excluded} excluded, not 6`],
  },
  { name: "ancestor-gone", fault: "a child whose ancestor is gone", settleMs: 60_000, noDuplicates: true, play: goneAncestors },
  { name: "giant-run", fault: "a run larger than a request", options: small, noDuplicates: true, play: giants },
];
