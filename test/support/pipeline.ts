import pino from "pino";
import type { WorkflowRun } from "../../src/model/run.ts";
import { encodeRun } from "../../src/otlp/encode.ts";
import { type Clock, serverClock } from "../../src/pipeline/clock.ts";
import type { Cycle, SourceContext } from "../../src/pipeline/context.ts";
import { createDeliverer, type Deliverer } from "../../src/pipeline/deliver.ts";
import type { DeliverContext } from "../../src/pipeline/delivery-state.ts";
import { createSourceLoop, type SourceLoop } from "../../src/pipeline/loop.ts";
import { createWake } from "../../src/pipeline/wake.ts";
import { matchesFilters, upstashSourceSchema } from "../../src/sources/upstash/config.ts";
import type { RunChange, Store } from "../../src/state/store.ts";
import { mapRun } from "../../src/trace/map-run.ts";
import { ownPlacement } from "../../src/trace/placement.ts";
import { type Backend, type BackendOptions, backend } from "./backend.ts";
import { type LogApi, logApi } from "./log-api.ts";
import { openMemoryStore } from "./memory-store.ts";
import { aRun, group, settingsWith, step, T0 } from "./run-builder.ts";
import { type VirtualClock, virtualClock } from "./virtual-clock.ts";

/** Parts of the pipeline on a virtual clock, around a store in memory. */

export const quiet = pino({ level: "silent" });
export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;

export interface DeliverRig {
  readonly clock: VirtualClock;
  readonly store: Store;
  readonly backend: Backend;
  readonly deliverer: Deliverer;
  /** Puts runs that ended into the queue. */
  queue(ids: readonly string[], over?: QueueOptions): Promise<void>;
  /** Delivers for so long, as the daemon does. */
  runFor(ms: number): Promise<void>;
  /** What the store says became of each run. */
  outcomes(ids: readonly string[]): Promise<(string | undefined)[]>;
  queued(): Promise<number>;
}

export interface QueueOptions {
  /** Of one run. */
  readonly steps?: number;
  readonly encoding?: "protobuf" | "json";
  readonly name?: (step: number) => string;
  readonly run?: Partial<WorkflowRun>;
}

export async function deliverRig(
  options: BackendOptions &
    Partial<Pick<DeliverContext, "maxSpanAge" | "tooOld" | "traceUrl" | "log" | "observer">> & { store?: Store } = {},
) {
  const clock = virtualClock(T0 + HOUR);
  const store = options.store ?? openMemoryStore({ now: clock.now });
  const one = backend(clock, options);
  await store.syncDestinations([one.destination.name], clock.now());
  const { maxSpanAge, tooOld = "send", traceUrl, log = quiet, observer } = options;
  const wake = createWake(clock);
  const context = {
    destination: one.destination,
    store,
    clock,
    log,
    wake,
    maxSpanAge,
    tooOld,
    traceUrl,
    now: clock.now,
    ...(observer && { observer }),
  };
  const deliverer = createDeliverer(context);
  const rig: DeliverRig = {
    clock,
    store,
    backend: one,
    deliverer,
    async queue(ids, over = {}) {
      const runs = ids.map((id) => endedRun(id, one.destination.name, { encoding: options.encoding ?? "protobuf", ...over }));
      await store.commit({ source: "eu", runs });
      wake.ring();
    },
    async runFor(ms) {
      const stop = new AbortController();
      const running = deliverer.run(stop.signal, 5_000);
      await clock.advance(ms);
      stop.abort();
      await clock.until(running);
    },
    async outcomes(ids) {
      const found = await store.outcomes(
        "eu",
        ids.map((id) => ({ id, createdAt: T0 })),
      );
      return found.map((outcome) => outcome?.destinations[one.destination.name]);
    },
    queued: async () => (await store.status(clock.now())).destinations[0]?.queued ?? 0,
  };
  return rig;
}

function endedRun(
  id: string,
  destination: string,
  { steps = 1, encoding = "protobuf", name = (n) => `step ${n}`, run = {} }: QueueOptions,
): RunChange {
  const groups = Array.from({ length: steps }, (_, n) => group({ ...step("Run", name(n), 10 + n * 1_000), id: n + 1 }));
  const ended = aRun(10 + steps * 1_000, groups, { id, ...run });
  const settings = settingsWith();
  const mapped = mapRun(ended, ownPlacement(ended, settings), settings);
  const ends = mapped.spans.map((span) => span.end);
  const part = {
    part: 0,
    payloads: [{ encoding, chunks: encodeRun(mapped, encoding, 4_096) }],
    firstEnd: Math.min(...ends),
    lastEnd: Math.max(...ends),
    spans: mapped.spans.length,
    deliveries: [{ destination, encoding }],
  };
  return { key: { id, createdAt: ended.createdAt }, phase: "done", endedAt: Math.max(...ends), placement: "own", parts: [part] };
}

export interface ReadRig {
  readonly clock: VirtualClock;
  readonly api: LogApi;
  readonly store: Store;
  readonly context: SourceContext;
  readonly loop: SourceLoop;
  /** What the last cycle came to. */
  lastCycle: Cycle | undefined;
  /** Whether there is room for payloads. */
  room: boolean;
  runFor(ms: number): Promise<void>;
  /** Ids of the runs that were collected, each with its parts. */
  collected(): Promise<Record<string, readonly number[]>>;
}

export interface ReadOptions {
  readonly config?: Readonly<Record<string, unknown>>;
  readonly maxEventBytes?: number;
  readonly destinations?: SourceContext["destinations"];
  readonly traces?: unknown;
  readonly workflows?: unknown[];
  readonly store?: Store;
  readonly clock?: VirtualClock;
  readonly api?: LogApi;
}

export const KEEP_ALL: SourceContext["destinations"] = [{ name: "jaeger", encoding: "protobuf", sampling: { ratio: 1, keep: [] } }];

/** The API's clock and ours agree; both are at `T0 + 1 h` when it starts. */
export async function readRig(options: ReadOptions = {}): Promise<ReadRig> {
  const clock = options.clock ?? virtualClock(T0 + HOUR);
  const api = options.api ?? logApi(clock, T0 + HOUR);
  const store = options.store ?? openMemoryStore({ now: clock.now });
  const destinations = options.destinations ?? KEEP_ALL;
  await store.syncDestinations(
    destinations.map((one) => one.name),
    clock.now(),
  );
  const context = readContext({ ...options, clock, api, store, destinations, hasRoom: async () => rig.room });
  const onCycle = (cycle: Cycle) => {
    rig.lastCycle = cycle;
  };
  const loop = createSourceLoop({ ...context, onCycle });
  const rig: ReadRig = {
    clock,
    api,
    store,
    context,
    loop,
    lastCycle: undefined,
    room: true,
    async runFor(ms) {
      const stop = new AbortController();
      const running = loop.run(stop.signal);
      await clock.advance(ms);
      stop.abort();
      await clock.until(running);
    },
    async collected() {
      const records = await store.findRuns("eu", api.programs);
      return Object.fromEntries(records.flatMap((record) => (record?.parts.length ? [[record.key.id, record.parts]] : [])));
    },
  };
  return rig;
}

export function readContext(
  parts: Omit<ReadOptions, "clock" | "api"> & {
    readonly clock: Clock;
    readonly api: Pick<LogApi, "source">;
    readonly store: Store;
    readonly destinations: SourceContext["destinations"];
    readonly hasRoom: () => Promise<boolean>;
    readonly maxEventBytes?: number;
    readonly onQueued?: () => void;
  },
): SourceContext {
  const config = upstashSourceSchema.parse({ name: "eu", token: "secret", completion_feed: "off", ...parts.config });
  return {
    source: parts.api.source,
    config,
    store: parts.store,
    settings: settingsWith(parts.traces, parts.workflows === undefined ? {} : { workflows: parts.workflows }),
    destinations: parts.destinations,
    matches: (run) => matchesFilters(run, config.filters),
    hasRoom: parts.hasRoom,
    maxEventBytes: parts.maxEventBytes ?? 1_000_000,
    onQueued: parts.onQueued ?? (() => undefined),
    clock: parts.clock,
    server: serverClock(parts.clock),
    log: quiet,
  };
}
