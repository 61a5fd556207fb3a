import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { run } from "../../support/scenarios/program.ts";
import { between } from "../../support/scenarios/random.ts";
import type { Scenario, Stage } from "../scenario.ts";
import type { World } from "../world.ts";

/** What can happen to the state, and to those who share it. */

type Damage = (world: World) => void;

/** A daemon collects while the backend takes only half of it, is killed or stopped, its state is damaged, and it starts again. */
function damaged(name: string, damage: Damage, times: number) {
  return async (world: World, stage: Stage): Promise<void> => {
    world.history(20);
    world.sleepers(3, 4_000, 8_000);
    for (const backend of world.backends)
      backend.respond = (_, n) => (n % 2 === 0 ? { status: 503, headers: { "retry-after": "0" } } : undefined);
    for (let i = 0; i < times; i += 1) {
      const before = world.api.requests.length;
      world.flow(4);
      world.start();
      await stage.until(() => world.api.requests.length > before + 15, "the daemon does not read");
      world.flow(4);
      await sleep(between(world.random, 0, 400));
      if (i % 2 === 0) await world.kill();
      else await world.stop();
      damage(world);
      world.fault(name);
    }
    for (const backend of world.backends) backend.respond = () => undefined;
    world.start();
  };
}

const files = (world: World): string[] =>
  readdirSync(world.stateFolder)
    .filter((file) => /\.db(-wal)?$/.test(file))
    .map((file) => join(world.stateFolder, file));
const anyFile = (world: World): string => files(world)[between(world.random, 0, files(world).length - 1)] ?? world.statePath;

function flip(world: World): void {
  const file = anyFile(world);
  const bytes = readFileSync(file);
  for (let i = 0; i < 20 && bytes.length > 0; i += 1) {
    const at = between(world.random, 0, bytes.length - 1);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << between(world.random, 0, 7));
  }
  writeFileSync(file, bytes);
}

function cutShort(world: World): void {
  const file = anyFile(world);
  truncateSync(file, between(world.random, 0, statSync(file).size));
}

/** The state file, its log, or both. */
function remove(world: World): void {
  for (const file of files(world)) if (world.random() < 0.6) rmSync(file);
}

function overwrite(world: World): void {
  writeFileSync(world.statePath, Buffer.from(Array.from({ length: 5_000 }, () => between(world.random, 0, 255))));
}

/** A file system of its own, filled up while a backend is down, and freed again. */
async function diskFull(world: World, stage: Stage): Promise<void> {
  mkdirSync(world.stateFolder, { recursive: true });
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=16m", "tmpfs", world.stateFolder], { stdio: "ignore" });
  try {
    for (const backend of world.backends) backend.respond = () => ({ status: 503, headers: { "retry-after": "0" } });
    world.history(10);
    const daemon = world.start();
    await stage.until(() => world.backends.every(({ receiver }) => receiver.requests.length > 0), "nothing was sent");
    const ballast = join(world.stateFolder, "ballast");
    fill(ballast);
    world.fault("disk full");
    for (let i = 0; i < 10; i += 1) {
      world.flow(20);
      await sleep(200);
    }
    stage.expect(/"full"|\(full\)/.test(daemon.output()), "the disk was not full");
    for (const backend of world.backends) backend.respond = () => undefined;
    await sleep(500);
    await world.kill();
    world.start({ mayExit: true });
    await sleep(1_500);
    await world.stop();
    rmSync(ballast);
    world.start();
    await stage.settle();
    await world.stop();
  } finally {
    for (const { child, ended } of world.daemons) {
      child.kill("SIGKILL");
      await ended;
    }
    const kept = join(world.folder, "state-kept");
    execFileSync("cp", ["-a", world.stateFolder, kept]);
    execFileSync("umount", [world.stateFolder]);
    execFileSync("cp", ["-a", `${kept}/.`, world.stateFolder]);
    rmSync(kept, { recursive: true });
  }
}

function fill(path: string): void {
  for (let size = 8 * 1024 * 1024; size >= 1_024; size = Math.floor(size / 2)) {
    try {
      writeFileSync(path, Buffer.alloc(size), { flag: "a" });
    } catch {} // that is the point
  }
}

/** `state.max_size` is reached while the backend is down. */
async function tooSmall(world: World, stage: Stage): Promise<void> {
  world.config.rest.state = { max_size: "1MiB" };
  for (const backend of world.backends) backend.respond = () => ({ status: 503, headers: { "retry-after": "0" } });
  const steps = Array.from({ length: 80 }, (_, index) => run(`step-${index}`, 5));
  for (let i = 0; i < 60; i += 1) world.put({ url: "https://long.example.com/api/loop", steps }, world.clock.now() - 1_000 - i);
  world.start();
  await stage.until(() => world.api.requests.length > 60, "the daemon does not read");
  world.flow(20);
  await sleep(1_500);
  await world.kill();
  for (const backend of world.backends) backend.respond = () => undefined;
  world.fault("state.max_size reached");
  world.start();
}

const NOBODY = 65_534;

/** A daemon that may read its state and not write it says so and ends; the next one goes on. */
async function readOnly(world: World, stage: Stage): Promise<void> {
  world.history(10);
  world.start();
  await stage.settle();
  await world.stop();
  world.flow(5);
  const privileged = process.getuid?.() === 0;
  if (privileged) chmodSync(world.folder, 0o755); // for nobody to read the configuration
  for (const path of [...files(world), world.stateFolder]) {
    if (privileged) chownSync(path, NOBODY, NOBODY);
    chmodSync(path, path === world.stateFolder ? 0o500 : 0o400);
  }
  const daemon = world.start({ mayExit: true, ...(privileged && { uid: NOBODY }) });
  await Promise.race([daemon.ended, sleep(10_000)]);
  world.fault("read-only state");
  stage.expect(
    /^exit [12]$/.test(daemon.end()),
    `on a read-only state it ended with ${daemon.end() || "nothing"}: ${daemon.output().slice(-300)}`,
  );
  for (const path of [world.stateFolder, ...files(world)]) chmodSync(path, path === world.stateFolder ? 0o700 : 0o600);
  world.start();
}

/** The second waits, alive, until the first is gone, and then has everything the first did not. */
async function twoDaemons(world: World, stage: Stage): Promise<void> {
  world.history(20);
  const first = world.start();
  await stage.settle();
  const second = world.start();
  await stage.until(() => /another process/.test(second.output()), "the second daemon does not say that it waits");
  world.flow(10);
  await stage.settle();
  await world.kill(first);
  world.fault("two daemons on one state");
  world.flow(10);
  await stage.settle();
  stage.expect(!second.exited(), "the second daemon did not take over");
  await world.stop(second);
  const third = world.start();
  const fourth = world.start();
  await stage.until(() => [third, fourth].some(({ output }) => /another process/.test(output())), "neither waits");
  await world.stop(third);
  await world.stop(fourth);
  world.start();
}

/** A second backend comes, and the first one goes. */
async function comeAndGo(world: World, stage: Stage): Promise<void> {
  const [first, second] = world.config.destinations;
  if (first === undefined || second === undefined) return;
  world.history(15);
  world.config.destinations = [first];
  world.start();
  await stage.settle();
  await world.stop();
  world.config.destinations = [first, second];
  stage.since.set(String(second.name), world.clock.now() + 3_000);
  world.fault("destination added");
  const before = world.api.requests.length;
  world.start();
  await stage.until(() => world.api.requests.length > before + 5, "the daemon does not read");
  await sleep(3_000);
  world.flow(10);
  await stage.settle();
  await world.kill();
  world.config.destinations = [second];
  world.fault("destination removed");
  world.start();
  world.flow(10);
}

const DAMAGED = 6;

/** Only who may mount can fill a disk without filling everybody's. */
const mayMount = (): boolean => {
  if (process.getuid?.() !== 0) return false;
  const folder = `/tmp/wfotel-mount-${process.pid}`;
  mkdirSync(folder);
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], { stdio: "ignore" });
    execFileSync("umount", [folder]);
    return true;
  } catch {
    return false;
  } finally {
    rmSync(folder, { recursive: true });
  }
};

export const STATE: readonly Scenario[] = [
  { name: "state-flipped", fault: "flipped state files", settleMs: 60_000, play: damaged("flipped bits", flip, DAMAGED) },
  { name: "state-truncated", fault: "truncated state files", settleMs: 60_000, play: damaged("truncated file", cutShort, DAMAGED) },
  { name: "state-removed", fault: "deleted state files", settleMs: 60_000, play: damaged("deleted files", remove, DAMAGED) },
  {
    name: "state-overwritten",
    fault: "a state file full of nonsense",
    settleMs: 60_000,
    play: damaged("nonsense in the file", overwrite, 3),
  },
  ...(mayMount() ? [{ name: "disk-full", fault: "disk full", settleMs: 60_000, play: diskFull }] : []),
  // what found no room is called back after a minute
  { name: "state-too-small", fault: "back-pressure at state.max_size", settleMs: 120_000, play: tooSmall },
  { name: "state-read-only", fault: "read-only state", play: readOnly },
  { name: "two-daemons", fault: "two daemons on one state", play: twoDaemons },
  { name: "destination-added-and-removed", fault: "a destination added and removed", options: { backends: 2 }, play: comeAndGo },
];
