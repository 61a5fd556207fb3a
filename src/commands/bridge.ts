import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import type { Logger } from "pino";
import type { Config } from "../config/schema.ts";
import type { Destination } from "../destinations/destination.ts";
import { serverClock, systemClock } from "../pipeline/clock.ts";
import { createDeliverer, type Deliverer } from "../pipeline/deliver.ts";
import { createSourceLoop, type SourceLoop } from "../pipeline/loop.ts";
import { maintainStore } from "../pipeline/maintain.ts";
import { createWake } from "../pipeline/wake.ts";
import type { RunSource } from "../sources/source.ts";
import { acquireWorkerLock, type WorkerLock } from "../state/lock.ts";
import { openStore } from "../state/sqlite.ts";
import type { Store } from "../state/store.ts";
import { createLog } from "../telemetry/log.ts";
import type { CommandIo } from "./io.ts";
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

/** Secrets are read again this often, and the store is maintained. */
const HOUSEKEEPING_MS = 60_000;
/** The size of the state is looked at again after this. */
const SIZE_VALID_MS = 1_000;

/** Waits for the worker's role first: a second daemon on one state stays alive and idle until the first is gone. */
export async function startBridge(config: Config, serviceName: string | undefined, io: CommandIo): Promise<Bridge> {
  const log = await createLog(config.telemetry.log, io.stderr);
  const release: (() => Promise<void> | void)[] = [];
  const close = async () => {
    for (const done of release.splice(0).reverse()) await done();
  };
  try {
    const parts = await openParts(config, serviceName, io, log, release);
    return { ...parts, log, runUntilStopped: (grace, signal) => runUntilStopped({ ...parts, log }, grace, signal), close };
  } catch (error) {
    await close();
    throw error;
  }
}

interface Parts {
  readonly store: Store;
  readonly config: Config;
  readonly sources: readonly SourceLoop[];
  readonly deliverers: readonly Deliverer[];
  readonly ring: () => void;
  readonly secrets: readonly (Destination | RunSource)[];
}

async function openParts(
  config: Config,
  serviceName: string | undefined,
  io: CommandIo,
  log: Logger,
  release: (() => Promise<void> | void)[],
): Promise<Parts> {
  mkdirSync(dirname(config.state.path), { recursive: true, mode: 0o700 });
  const lock: WorkerLock = await acquireWorkerLock(`${config.state.path}.lock`, io.signal, () =>
    log.warn({ state: config.state.path }, "another process works on this state: waiting until it is stopped"),
  );
  release.push(() => lock.release());
  const store = await openStore(config.state.path, { log: (event, details) => log.warn(details, event) });
  release.push(() => store.close());
  await store.syncDestinations(
    config.destinations.map((destination) => destination.name),
    Date.now(),
  );
  const destinations = config.destinations.map((one) => ({ config: one, destination: buildDestination(one, io) }));
  for (const { destination } of destinations) release.push(() => destination.close());
  const wakes = destinations.map(() => createWake(systemClock));
  const ring = () => {
    for (const wake of wakes) wake.ring();
  };
  const contexts = config.sources.map((one) =>
    sourceContext(one, { config, serviceName, store, log, destinations, hasRoom: roomIn(store, config.state.max_size), onQueued: ring }),
  );
  for (const { source } of contexts) release.push(() => source.close());
  const server = contexts[0]?.server ?? serverClock(systemClock);
  const deliverers = destinations.map(({ config: one, destination }, index) =>
    createDeliverer(deliverContext(one, destination, { store, log, wake: wakes[index] ?? createWake(systemClock), server })),
  );
  const secrets = [...contexts.map((context) => context.source), ...destinations.map(({ destination }) => destination)];
  return { store, config, sources: contexts.map(createSourceLoop), deliverers, ring, secrets };
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

async function runUntilStopped(parts: Parts & { readonly log: Logger }, grace: number, signal: AbortSignal): Promise<void> {
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
