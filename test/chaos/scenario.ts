import { cpSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { filesUnder, searchCanaries } from "./canaries.ts";
import type { Daemon, Program } from "./daemon.ts";
import { type Compare, isSettled, type JudgeOptions, judge, type Verdict } from "./judge.ts";
import type { Kill } from "./kill.ts";
import { openWorld, untilEverythingHappened, type World, type WorldOptions } from "./world.ts";

/** One way of being unlucky. */
export interface Scenario {
  readonly name: string;
  /** The fault of delivery.md's list, in its words. */
  readonly fault: string;
  readonly options?: WorldOptions;
  /** Default `exact`. */
  readonly compare?: Compare;
  /** No crash and no lost answer in it: nothing may come twice. */
  readonly noDuplicates?: boolean;
  /** How long everything may take to arrive, once `play` is through. */
  readonly settleMs?: number;
  /** What else must hold of the outcome: one line each for what does not. */
  readonly check?: (verdict: Verdict, world: World) => readonly (string | false)[];
  /** A program other than the one under test, made for it. */
  readonly broken?: (program: Program) => Broken;
  /** Lets it happen. A daemon that still runs afterwards goes on until everything has arrived. */
  play(world: World, stage: Stage): Promise<void>;
}

/** A program broken on purpose: the scenario passes if the harness reports what is wrong with it. */
export interface Broken {
  readonly program: Program;
  /** What the report must say. */
  readonly reports: RegExp;
  clear(): void;
}

/** What a scenario may use beside its world. */
export interface Stage {
  /** False when no further kill is wanted or allowed. */
  mayKill(): boolean;
  readonly kills: Kill[];
  /** Destinations that came later: since when they are one, on the API's clock. */
  readonly since: Map<string, number>;
  /** Waits until everything that has happened has arrived; a failure where it does not. */
  settle(timeoutMs?: number): Promise<void>;
  expect(condition: boolean, otherwise: string): void;
  /** Waits for a condition. Where it does not come true, the scenario has failed and ends. */
  until(condition: () => boolean, otherwise: string, timeoutMs?: number): Promise<void>;
}

export interface Result {
  readonly name: string;
  readonly seed: number;
  readonly fault: string;
  readonly seconds: number;
  readonly verdict: Verdict;
  readonly kills: readonly Kill[];
  readonly crashes: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly failures: readonly string[];
}

const SETTLE_MS = 45_000;

/** What a scenario needs has not come: the rest of it makes no sense. */
class GivenUp extends Error {}

const goneByItself = (world: World): boolean => world.failures.some((failure) => failure.includes("ended by itself"));

/** @param logs a folder for what the daemons of a failed scenario wrote, and for their state */
export async function runScenario(
  scenario: Scenario,
  seed: number,
  program: Program,
  mayKill: () => boolean,
  logs: string | undefined,
): Promise<Result> {
  const startedAt = performance.now();
  const broken = scenario.broken?.(program);
  const world = await openWorld(broken?.program ?? program, seed, scenario.options ?? {});
  try {
    const since = new Map<string, number>();
    const options: JudgeOptions = { compare: scenario.compare ?? "exact", since };
    const kills: Kill[] = [];
    const settleMs = broken === undefined ? (scenario.settleMs ?? SETTLE_MS) : 6_000;
    const stage: Stage = {
      mayKill,
      kills,
      since,
      settle: (timeoutMs = settleMs) => settle(world, options, timeoutMs),
      until: async (condition, otherwise, timeoutMs = 15_000) => {
        const end = performance.now() + timeoutMs;
        while (!condition() && performance.now() < end && !goneByItself(world)) await sleep(10);
        if (!condition()) throw new GivenUp(otherwise);
      },
      expect: (condition, otherwise) => void (condition || world.failures.push(otherwise)),
    };
    await scenario.play(world, stage).catch((error: unknown) => {
      if (!(error instanceof GivenUp)) throw error;
      world.failures.push(error.message);
    });
    const { verdict, failures } = await finish(world, options, settleMs);
    failures.push(...(scenario.check?.(verdict, world) ?? []).filter((failure) => failure !== false));
    if (scenario.noDuplicates && verdict.duplicates > 0) failures.push(`${verdict.duplicates} spans came twice without a reason`);
    if (logs !== undefined && failures.length > 0) keep(world, join(logs, `${scenario.name}-${seed}`));
    return {
      name: scenario.name,
      seed,
      fault: scenario.fault,
      seconds: (performance.now() - startedAt) / 1_000,
      verdict,
      kills,
      crashes: world.crashes,
      faults: Object.fromEntries(world.faults),
      failures: broken === undefined ? failures : caught(broken, failures),
    };
  } finally {
    await world.close();
    broken?.clear();
  }
}

function keep(world: World, folder: string): void {
  mkdirSync(folder, { recursive: true });
  world.daemons.forEach((daemon, index) => void writeFileSync(join(folder, `daemon-${index + 1}.log`), daemon.output()));
  if (existsSync(world.stateFolder)) cpSync(world.stateFolder, join(folder, "state"), { recursive: true });
}

/** A broken program must have been found out, for what is broken in it. */
function caught({ reports }: Broken, failures: readonly string[]): string[] {
  const crashed = failures.filter((failure) => failure.includes("ended by itself"));
  if (crashed.length > 0) return crashed;
  return failures.some((failure) => reports.test(failure)) ? [] : ["the harness did not notice that the daemon is broken", ...failures];
}

async function settle(world: World, options: JudgeOptions, timeoutMs: number): Promise<void> {
  await untilEverythingHappened(world, timeoutMs);
  const end = performance.now() + timeoutMs;
  while (performance.now() < end && !(await isSettled(world, options)) && !goneByItself(world)) await sleep(100);
}

/** Everything arrives, the commands look, the daemon ends in order, and then it is judged. */
async function finish(world: World, options: JudgeOptions, settleMs: number): Promise<{ verdict: Verdict; failures: string[] }> {
  await settle(world, options, settleMs);
  const shown = await commandsLook(world);
  await world.stop();
  const verdict = await judge(world, options);
  const secrets = searchCanaries(world.canaries, placesOf(world, shown));
  return { verdict, failures: [...world.failures, ...secrets, ...verdict.wrong, ...verdict.lost] };
}

async function commandsLook(world: World): Promise<Map<string, string>> {
  const shown = new Map<string, string>();
  for (const words of [
    ["status", "--json"],
    ["quarantine", "list", "--json"],
  ]) {
    const { end, output } = await world.command(...words);
    if (output.includes("there is no command")) continue;
    shown.set(`wfotel ${words.join(" ")}`, output);
    if (end !== "exit 0") world.failures.push(`wfotel ${words.join(" ")} ended with ${end}: ${output.slice(0, 300)}`);
  }
  return shown;
}

function placesOf(world: World, shown: ReadonlyMap<string, string>): Map<string, Buffer | string> {
  const places = new Map<string, Buffer | string>([...filesUnder(world.stateFolder), ...shown]);
  world.daemons.forEach((daemon: Daemon, index) => void places.set(`the log of daemon ${index + 1}`, daemon.output()));
  for (const { name, receiver } of world.backends) {
    places.set(`what was sent to ${name}`, Buffer.concat(receiver.requests.map((request) => request.body)));
  }
  return places;
}
