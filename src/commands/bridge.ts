import type { Logger } from "pino";
import type { Config } from "../config/schema.ts";
import { systemClock } from "../pipeline/clock.ts";
import type { SourceContext } from "../pipeline/context.ts";
import type { Deliverer } from "../pipeline/deliver.ts";
import type { SourceLoop } from "../pipeline/loop.ts";
import { acquireWorkerLock, tryLock, type WorkerLock } from "../state/lock.ts";
import { openStore } from "../state/sqlite.ts";
import { type Store, StoreError } from "../state/store.ts";
import { createLog } from "../telemetry/log.ts";
import { createRunMetrics } from "../telemetry/run-metrics.ts";
import { openInstruments } from "./instruments.ts";
import { CommandError, type CommandIo, EXIT } from "./io.ts";
import { makeRoomForWork } from "./memory.ts";
import { createOperation, type Operation } from "./operate.ts";
import { nextPlan, type Reloading } from "./reload.ts";
import { buildDestination } from "./wire.ts";
import { type House, openWork, type Plan, type Work } from "./work.ts";

/** The running program: every source's loop and every destination's deliverer around one store. */
export interface Bridge {
  readonly log: Logger;
  readonly store: Store;
  readonly sources: readonly SourceLoop[];
  /** What the sources are read with, for work beside their loops. */
  readonly contexts: readonly SourceContext[];
  readonly deliverers: readonly Deliverer[];
  /** Runs everything until `signal` is aborted; requests in flight then get `grace` ms. */
  runUntilStopped(grace: number, signal: AbortSignal, reload: Pick<Reloading, "requests" | "load">): Promise<void>;
  close(): Promise<void>;
}

export interface BridgeSetup {
  readonly config: Config;
  readonly serviceName: string | undefined;
  readonly io: CommandIo;
  /**
   * A daemon serves health and status, and a second one on one state stays alive and idle until the first is gone.
   * For anything else a state that is taken is an error.
   */
  readonly daemon: boolean;
  /** It is to tell what is missing, or to do one thing alone: a state that is not in order is left as it is found. */
  readonly asFound?: boolean;
}

/** A state that could not be written is tried again after this. */
const TRY_AGAIN_MS = 1_000;

/** What was opened, in order: closed in the reverse order, however far the start came. */
type Release = (() => Promise<void> | void)[];

interface Parts extends House {
  readonly plan: Reloading["plan"];
  /** Replaced by a reload. */
  work: Work;
}

/** Takes the worker's role, then builds everything. @throws CommandError where the state cannot be used */
export async function startBridge(setup: BridgeSetup): Promise<Bridge> {
  if (!setup.daemon) makeRoomForWork();
  const log = await createLog(setup.config.telemetry.log, setup.io.stderr);
  const operation = createOperation(setup.config, log);
  const release: Release = [];
  const close = async () => {
    await operation.close();
    for (const done of release.splice(0).reverse()) await done();
  };
  try {
    const parts = await openParts(setup, log, operation, release);
    const { sources, contexts, deliverers } = parts.work;
    const { store } = parts;
    return {
      log,
      store,
      sources,
      contexts,
      deliverers,
      runUntilStopped: (grace, signal, reload) => runUntilStopped(parts, grace, signal, reload),
      close,
    };
  } catch (error) {
    await close();
    if (error instanceof StoreError) throw new CommandError(`state ${setup.config.state.path}: ${error.message}`);
    throw error;
  }
}

async function openParts(setup: BridgeSetup, log: Logger, operation: Operation, release: Release): Promise<Parts> {
  const { config, serviceName, io, asFound = false } = setup;
  await takeRole(setup, log, operation, release);
  const store = await openStore(config.state.path, { asFound, log: (event, details) => log.warn(details, event) });
  release.push(() => store.close());
  const runMetrics = createRunMetrics(operation.metrics);
  const plan: Reloading["plan"] = async (next, name): Promise<Plan> => ({
    config: next,
    serviceName: name,
    destinations: next.destinations.map((one) => buildDestination(one, io)),
    instruments: await openInstruments(operation.metrics, runMetrics, next.telemetry),
  });
  const house = { log, store, operation };
  const parts = { ...house, plan, work: await openWork(house, await plan(config, serviceName)) };
  release.push(() => parts.work.close());
  return parts;
}

/**
 * The lock, and for a daemon the server: before the state is opened, so that one that waits is seen to be alive.
 * @throws CommandError where another process has the role and this one may not wait, was stopped waiting, or has no port
 */
async function takeRole({ config, io, daemon }: BridgeSetup, log: Logger, operation: Operation, release: Release): Promise<void> {
  const { path } = config.state;
  const free = tryLock(`${path}.lock`);
  if (free !== undefined) {
    release.push(() => free.release());
    return daemon ? operation.serve() : undefined;
  }
  if (!daemon) throw new CommandError(`another process works on ${path}: stop it first, or use another --state`, EXIT.incomplete);
  log.warn({ state: path }, "another process works on this state: waiting until it is stopped");
  const served = await operation.tryServe();
  if (!served) log.warn({ listen: config.server.listen }, "its port is taken as well: serving once it is free");
  const lock = await waitForLock(`${path}.lock`, io.signal);
  release.push(() => lock.release());
  if (!served) await operation.serveNext();
}

async function waitForLock(path: string, signal: AbortSignal): Promise<WorkerLock> {
  try {
    return await acquireWorkerLock(path, signal);
  } catch (error) {
    if (signal.aborted) throw new CommandError("stopped while waiting for the state", EXIT.done);
    throw error;
  }
}

/** One configuration after the other, each until it is replaced; what is in flight then ends like at a stop. */
async function runUntilStopped(
  parts: Parts,
  grace: number,
  signal: AbortSignal,
  reload: Pick<Reloading, "requests" | "load">,
): Promise<void> {
  const { log, operation } = parts;
  const { metrics, health } = operation;
  signal.addEventListener("abort", () => health.condition("running", "it is being stopped"), { once: true });
  const onReload = (ok: boolean) => metrics.set("wfotel_config_last_reload_successful", {}, ok ? 1 : 0);
  for (let event = "started"; ; event = "reloaded") {
    const { config } = parts.work;
    log.info({ sources: config.sources.map(({ name }) => name), destinations: config.destinations.map(({ name }) => name) }, event);
    const plan = await runUntilReplaced(parts, grace, signal, { ...reload, plan: parts.plan, onReload, log });
    if (plan === undefined) break;
    await parts.work.close();
    log.level = plan.config.telemetry.log.level;
    health.clear();
    const work = await openAgain(parts, plan, signal);
    if (work === undefined) break;
    parts.work = work;
  }
  log.info("stopped");
}

/** A disk that is full now is no reason to end: it is tried until it works, or `signal` is aborted. */
async function openAgain(parts: Parts, plan: Plan, signal: AbortSignal): Promise<Work | undefined> {
  while (!signal.aborted) {
    try {
      return await openWork(parts, plan);
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      parts.log.error({ error: error.message }, "the state cannot be written: the new configuration waits for it");
      parts.operation.health.condition("state", error.message);
      await systemClock.sleep(TRY_AGAIN_MS, signal);
    }
  }
  return undefined;
}

/** Runs until it is stopped or has failed, or until a reload gave a valid configuration: that one. */
async function runUntilReplaced({ work }: Parts, grace: number, signal: AbortSignal, reloading: Reloading): Promise<Plan | undefined> {
  const over = new AbortController();
  const replaced = new AbortController();
  const running = work.run(grace, AbortSignal.any([signal, replaced.signal])).finally(() => over.abort());
  const next = nextPlan(reloading, work.config, over.signal).then((plan) => {
    if (plan !== undefined) replaced.abort();
    return plan;
  });
  const [plan] = await Promise.all([next, running]);
  return plan;
}
