import type { Logger } from "pino";
import type { Config } from "../config/schema.ts";
import type { Destination } from "../destinations/destination.ts";
import { serverClock, systemClock } from "../pipeline/clock.ts";
import type { SourceContext } from "../pipeline/context.ts";
import { createDeliverer, type Deliverer } from "../pipeline/deliver.ts";
import { createHandlers } from "../pipeline/job-handlers.ts";
import { runJobs } from "../pipeline/jobs.ts";
import { createSourceLoop, type SourceLoop } from "../pipeline/loop.ts";
import { maintainStore } from "../pipeline/maintain.ts";
import { createWake } from "../pipeline/wake.ts";
import type { RunSource } from "../sources/source.ts";
import { acquireWorkerLock, tryLock, type WorkerLock } from "../state/lock.ts";
import { openStore } from "../state/sqlite.ts";
import { type Store, StoreError } from "../state/store.ts";
import { createLog } from "../telemetry/log.ts";
import { CommandError, type CommandIo, EXIT } from "./io.ts";
import { beatingClock, observeDestination, observeSource } from "./observe.ts";
import { createOperation, type Operation } from "./operate.ts";
import { buildDestination, deliverContext, sourceContext } from "./wire.ts";

/** The running program: every source's loop and every destination's deliverer around one store. */
export interface Bridge {
  readonly log: Logger;
  readonly store: Store;
  readonly sources: readonly SourceLoop[];
  /** What the sources are read with, for work beside their loops. */
  readonly contexts: readonly SourceContext[];
  readonly deliverers: readonly Deliverer[];
  /** Runs everything until `signal` is aborted; requests in flight then get `grace` ms. */
  runUntilStopped(grace: number, signal: AbortSignal): Promise<void>;
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
}

interface Parts extends Pick<Bridge, "log" | "store" | "sources" | "contexts" | "deliverers"> {
  readonly config: Config;
  readonly operation: Operation;
  /** Tells every deliverer that something was queued, or may work again. */
  readonly ring: () => void;
  readonly secrets: readonly Pick<Destination | RunSource, "refreshSecrets">[];
}

/** What was opened, in order: closed in the reverse order, however far the start came. */
type Release = (() => Promise<void> | void)[];

/** Secrets are read again this often, and the store is maintained. */
const HOUSEKEEPING_MS = 60_000;
/** The size of the state is looked at again after this. */
const SIZE_VALID_MS = 1_000;

/** Takes the worker's role, then builds everything. @throws CommandError where the state cannot be used */
export async function startBridge(setup: BridgeSetup): Promise<Bridge> {
  const log = await createLog(setup.config.telemetry.log, setup.io.stderr);
  const operation = createOperation(setup.config, log);
  const release: Release = [];
  const close = async () => {
    await operation.close();
    for (const done of release.splice(0).reverse()) await done();
  };
  try {
    const parts = await openParts(setup, log, operation, release);
    return { ...parts, runUntilStopped: (grace, signal) => runUntilStopped(parts, grace, signal), close };
  } catch (error) {
    await close();
    if (error instanceof StoreError) throw new CommandError(`state ${setup.config.state.path}: ${error.message}`);
    throw error;
  }
}

async function openParts(setup: BridgeSetup, log: Logger, operation: Operation, release: Release): Promise<Parts> {
  const { config, serviceName, io } = setup;
  const { health } = operation;
  await takeRole(setup, log, operation, release);
  const store = await openStore(config.state.path, { log: (event, details) => log.warn(details, event) });
  release.push(() => store.close());
  const names = config.destinations.map((destination) => destination.name);
  await store.syncDestinations(names, Date.now());
  const destinations = config.destinations.map((one) => {
    const { destination, clock } = observeDestination(one, buildDestination(one, io), systemClock, health);
    return { config: one, destination, clock, wake: createWake(clock) };
  });
  for (const { destination } of destinations) release.push(() => destination.close());
  const ring = () => {
    for (const { wake } of destinations) wake.ring();
  };
  const hasRoom = roomIn(store, config.state.max_size);
  const observed = config.sources.map((one) =>
    observeSource(sourceContext(one, { config, serviceName, store, log, destinations, hasRoom, onQueued: ring }), health),
  );
  const contexts = observed.map(({ context }) => context);
  for (const { source } of contexts) release.push(() => source.close());
  const server = contexts[0]?.server ?? serverClock(systemClock);
  const deliverers = destinations.map((one) => createDeliverer({ ...deliverContext(one, { store, log, server }), clock: one.clock }));
  operation.opened({ store, sources: observed, deliverers });
  const secrets = [...contexts.map((context) => context.source), ...destinations.map(({ destination }) => destination)];
  return { log, store, config, operation, sources: contexts.map(createSourceLoop), contexts, deliverers, ring, secrets };
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

function roomIn(store: Store, maxSize: number): () => Promise<boolean> {
  let lookedAt = Number.NEGATIVE_INFINITY;
  let room = true;
  return async () => {
    if (systemClock.monotonic() - lookedAt < SIZE_VALID_MS) return room;
    room = (await store.size()).liveBytes < maxSize;
    lookedAt = systemClock.monotonic();
    return room;
  };
}

async function runUntilStopped(parts: Parts, grace: number, signal: AbortSignal): Promise<void> {
  const { sources, deliverers, log, config, operation } = parts;
  log.info({ sources: sources.map((source) => source.name), destinations: config.destinations.map((one) => one.name) }, "started");
  const failure = new AbortController();
  const stop = AbortSignal.any([signal, failure.signal]);
  stop.addEventListener("abort", () => operation.health.condition("running", "it is being stopped"), { once: true });
  const work = [
    ...sources.map((source) => source.run(stop)),
    ...deliverers.map((deliverer) => deliverer.run(stop, grace)),
    housekeep(parts, stop),
    takeJobs(parts, stop),
  ];
  for (const one of work) one.catch(() => failure.abort());
  const ended = await Promise.allSettled(work);
  const failed = ended.find((one) => one.status === "rejected");
  if (failed !== undefined) throw failed.reason;
  log.info("stopped");
}

/** What a loop besides reading and delivering may take without a sign of life, in ms. */
const LOOP_TIMEOUT_MS = 300_000;

async function housekeep(parts: Parts, signal: AbortSignal): Promise<void> {
  const clock = beatingClock(systemClock, parts.operation.health.loop("housekeeping", LOOP_TIMEOUT_MS));
  while (!signal.aborted) {
    if (parts.secrets.map((one) => one.refreshSecrets()).includes(true)) wakeUp(parts);
    await maintainStore(parts.store, parts.config.sources, Date.now());
    await clock.sleep(HOUSEKEEPING_MS, signal);
  }
}

function takeJobs(parts: Parts, signal: AbortSignal): Promise<void> {
  const { store, log, contexts, operation } = parts;
  const clock = beatingClock(systemClock, operation.health.loop("jobs", LOOP_TIMEOUT_MS));
  const handlers = createHandlers({ store, clock: systemClock, sources: contexts, wakeUp: () => wakeUp(parts) });
  return runJobs({ store, clock, log }, handlers, signal);
}

/** Every reader and deliverer looks at once whether there is something to do. */
function wakeUp({ sources, ring }: Parts): void {
  for (const source of sources) source.wakeUp();
  ring();
}
