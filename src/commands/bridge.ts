import type { Logger } from "pino";
import type { Config } from "../config/schema.ts";
import type { Destination } from "../destinations/destination.ts";
import { serverClock, systemClock } from "../pipeline/clock.ts";
import { createDeliverer, type Deliverer } from "../pipeline/deliver.ts";
import { createSourceLoop, type SourceLoop } from "../pipeline/loop.ts";
import { maintainStore } from "../pipeline/maintain.ts";
import { createWake } from "../pipeline/wake.ts";
import type { RunSource } from "../sources/source.ts";
import { acquireWorkerLock, tryLock, type WorkerLock } from "../state/lock.ts";
import { openStore } from "../state/sqlite.ts";
import { type Store, StoreError } from "../state/store.ts";
import { createLog } from "../telemetry/log.ts";
import { CommandError, type CommandIo, EXIT } from "./io.ts";
import { buildDestination, deliverContext, sourceContext } from "./wire.ts";

/** The running program: every source's loop and every destination's deliverer around one store. */
export interface Bridge {
  readonly log: Logger;
  readonly store: Store;
  readonly sources: readonly SourceLoop[];
  readonly deliverers: readonly Deliverer[];
  /** Runs everything until `signal` is aborted; requests in flight then get `grace` ms. */
  runUntilStopped(grace: number, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

export interface BridgeSetup {
  readonly config: Config;
  readonly serviceName: string | undefined;
  readonly io: CommandIo;
  /** With it a second daemon on one state stays alive and idle until the first is gone; without, that is an error. */
  readonly wait: boolean;
}

interface Parts extends Pick<Bridge, "log" | "store" | "sources" | "deliverers"> {
  readonly config: Config;
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
  const release: Release = [];
  const close = async () => {
    for (const done of release.splice(0).reverse()) await done();
  };
  try {
    const parts = await openParts(setup, log, release);
    return { ...parts, runUntilStopped: (grace, signal) => runUntilStopped(parts, grace, signal), close };
  } catch (error) {
    await close();
    if (error instanceof StoreError) throw new CommandError(`state ${setup.config.state.path}: ${error.message}`);
    throw error;
  }
}

async function openParts({ config, serviceName, io, wait }: BridgeSetup, log: Logger, release: Release): Promise<Parts> {
  const lock = await takeLock(config.state.path, io.signal, wait, log);
  release.push(() => lock.release());
  const store = await openStore(config.state.path, { log: (event, details) => log.warn(details, event) });
  release.push(() => store.close());
  const names = config.destinations.map((destination) => destination.name);
  await store.syncDestinations(names, Date.now());
  const destinations = config.destinations.map((one) => ({
    config: one,
    destination: buildDestination(one, io),
    wake: createWake(systemClock),
  }));
  for (const { destination } of destinations) release.push(() => destination.close());
  const ring = () => {
    for (const { wake } of destinations) wake.ring();
  };
  const hasRoom = roomIn(store, config.state.max_size);
  const contexts = config.sources.map((one) =>
    sourceContext(one, { config, serviceName, store, log, destinations, hasRoom, onQueued: ring }),
  );
  for (const { source } of contexts) release.push(() => source.close());
  const server = contexts[0]?.server ?? serverClock(systemClock);
  const deliverers = destinations.map((one) => createDeliverer(deliverContext(one, { store, log, server })));
  const secrets = [...contexts.map((context) => context.source), ...destinations.map(({ destination }) => destination)];
  return { log, store, config, sources: contexts.map(createSourceLoop), deliverers, ring, secrets };
}

/** @throws CommandError where another process has the role and this one may not wait, or was stopped waiting */
async function takeLock(path: string, signal: AbortSignal, wait: boolean, log: Logger): Promise<WorkerLock> {
  const free = tryLock(`${path}.lock`);
  if (free !== undefined) return free;
  if (!wait) throw new CommandError(`another process works on ${path}: stop it first, or use another --state`, EXIT.incomplete);
  log.warn({ state: path }, "another process works on this state: waiting until it is stopped");
  try {
    return await acquireWorkerLock(`${path}.lock`, signal);
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
  const { sources, deliverers, log, config } = parts;
  log.info({ sources: sources.map((source) => source.name), destinations: config.destinations.map((one) => one.name) }, "started");
  const failure = new AbortController();
  const stop = AbortSignal.any([signal, failure.signal]);
  const work = [
    ...sources.map((source) => source.run(stop)),
    ...deliverers.map((deliverer) => deliverer.run(stop, grace)),
    housekeep(parts, stop),
  ];
  for (const one of work) one.catch(() => failure.abort());
  const ended = await Promise.allSettled(work);
  const failed = ended.find((one) => one.status === "rejected");
  if (failed !== undefined) throw failed.reason;
  log.info("stopped");
}

async function housekeep({ store, config, secrets, sources, ring }: Parts, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    if (secrets.map((one) => one.refreshSecrets()).includes(true)) {
      for (const source of sources) source.wakeUp();
      ring();
    }
    await maintainStore(store, config.sources, Date.now());
    await systemClock.sleep(HOUSEKEEPING_MS, signal);
  }
}
