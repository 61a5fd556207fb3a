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
import { roomIn } from "../pipeline/room.ts";
import { createWake } from "../pipeline/wake.ts";
import type { Store } from "../state/store.ts";
import type { Health } from "../telemetry/health.ts";
import { type Instruments, instrumented } from "./instruments.ts";
import { beatingClock, observeDestination, observeSource } from "./observe.ts";
import type { Operation } from "./operate.ts";
import { deliverContext, sourceContext } from "./wire.ts";

/** What reads and delivers, as one configuration has it: a reload replaces all of it, around the same store. */
export interface Work {
  readonly config: Config;
  readonly sources: readonly SourceLoop[];
  /** What the sources are read with, for work beside their loops. */
  readonly contexts: readonly SourceContext[];
  readonly deliverers: readonly Deliverer[];
  /** Until `signal` is aborted; requests in flight then get `grace` ms. */
  run(grace: number, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/** What outlives a reload. */
export interface House {
  readonly log: Logger;
  readonly store: Store;
  readonly operation: Operation;
}

/** What a configuration asks for, as far as it could be built without touching the store. */
export interface Plan {
  readonly config: Config;
  readonly serviceName: string | undefined;
  readonly destinations: readonly Destination[];
  readonly instruments: Instruments;
}

interface Parts extends Pick<Work, "config" | "sources" | "contexts" | "deliverers"> {
  readonly house: House;
  readonly wakeUp: () => void;
  readonly refreshSecrets: () => boolean;
}

/** Secrets are read again this often, and the store is maintained. */
const HOUSEKEEPING_MS = 60_000;
/** What a loop besides reading and delivering may take without a sign of life, in ms. */
const LOOP_TIMEOUT_MS = 300_000;

/** @throws StoreError where the store cannot be written */
export async function openWork(house: House, plan: Plan): Promise<Work> {
  const { config, instruments } = plan;
  const { store, log, operation } = house;
  const names = config.destinations.map(({ name }) => name);
  await store.syncDestinations(names, Date.now());
  const destinations = observedDestinations(plan, operation.health);
  const ring = () => {
    for (const { wake } of destinations) wake.ring();
  };
  const hasRoom = roomIn(store, config.state.max_size, systemClock);
  const shared = {
    config,
    serviceName: plan.serviceName,
    store,
    log,
    destinations,
    hasRoom,
    onQueued: ring,
    observe: instruments.onRequest,
  };
  const observed = config.sources.map((one) => observeSource(sourceContext(one, shared), operation.health));
  const contexts = observed.map(({ context }) => context);
  const server = contexts[0]?.server ?? serverClock(systemClock);
  const { observer } = instruments;
  const deliverers = destinations.map((one) =>
    createDeliverer({ ...deliverContext(one, { store, log, server }), clock: one.clock, observer }),
  );
  operation.opened({ config, store, sources: observed, deliverers });
  const sources = contexts.map((context) => createSourceLoop(instrumented(context, instruments)));
  const wakeUp = () => {
    for (const source of sources) source.wakeUp();
    ring();
  };
  const secrets = [...contexts.map(({ source }) => source), ...plan.destinations];
  const refreshSecrets = () => secrets.map((one) => one.refreshSecrets()).includes(true);
  const parts: Parts = { house, config, sources, contexts, deliverers, wakeUp, refreshSecrets };
  return {
    ...parts,
    run: (grace, signal) => runParts(parts, grace, signal),
    async close() {
      for (const one of [...contexts.map(({ source }) => source), ...plan.destinations, instruments]) await one.close();
    },
  };
}

function observedDestinations({ config, destinations, instruments }: Plan, health: Health) {
  return destinations.flatMap((destination, index) => {
    const own = config.destinations[index];
    if (own === undefined) return [];
    const observed = observeDestination(own, instruments.destination(destination), systemClock, health);
    return [{ config: own, ...observed, wake: createWake(observed.clock) }];
  });
}

async function runParts(parts: Parts, grace: number, signal: AbortSignal): Promise<void> {
  const { sources, deliverers } = parts;
  const failure = new AbortController();
  const stop = AbortSignal.any([signal, failure.signal]);
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
}

async function housekeep({ house, config, refreshSecrets, wakeUp }: Parts, signal: AbortSignal): Promise<void> {
  const clock = beatingClock(systemClock, house.operation.health.loop("housekeeping", LOOP_TIMEOUT_MS));
  while (!signal.aborted) {
    if (refreshSecrets()) wakeUp();
    await maintainStore(house.store, config.sources, Date.now());
    await clock.sleep(HOUSEKEEPING_MS, signal);
  }
}

function takeJobs({ house: { store, log, operation }, contexts, sources, wakeUp }: Parts, signal: AbortSignal): Promise<void> {
  const clock = beatingClock(systemClock, operation.health.loop("jobs", LOOP_TIMEOUT_MS));
  return runJobs({ store, clock, log }, createHandlers({ store, clock: systemClock, sources: contexts, loops: sources, wakeUp }), signal);
}
