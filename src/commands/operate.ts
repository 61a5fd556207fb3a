import { accessSync, constants } from "node:fs";
import type { Logger } from "pino";
import type { Config } from "../config/schema.ts";
import { systemClock } from "../pipeline/clock.ts";
import type { Deliverer } from "../pipeline/deliver.ts";
import type { Store } from "../state/store.ts";
import { buildStatus, type StatusFacts } from "../telemetry/build-status.ts";
import { createHealth, type Health } from "../telemetry/health.ts";
import { createMetrics, type Metrics } from "../telemetry/metrics.ts";
import { statusSamples } from "../telemetry/metrics-status.ts";
import type { HttpServer } from "../telemetry/server.ts";
import { VERSION } from "../version.ts";
import { CommandError } from "./io.ts";
import type { ObservedSource } from "./observe.ts";
import { serve, serveWhenFree } from "./serve.ts";

/** The daemon's outside: health, status, and the server that tells them. It is there before the state is ours. */
export interface Operation {
  readonly health: Health;
  readonly metrics: Metrics;
  /** Serves from now on. @throws CommandError (exit 2) where the address cannot be had */
  serve(): Promise<void>;
  /** False where the address cannot be had: the bridge that has the state may have it, too. */
  tryServe(): Promise<boolean>;
  /** Serves as soon as the bridge before us has let go of the port. */
  serveNext(): Promise<void>;
  /** From now on the state is ours, and worked on by these parts. */
  opened(parts: OpenedParts): void;
  close(): Promise<void>;
}

export interface OpenedParts {
  readonly config: Config;
  readonly store: Store;
  readonly sources: readonly ObservedSource[];
  readonly deliverers: readonly Deliverer[];
}

export function createOperation(config: Config, log: Logger): Operation {
  const { monotonic, now, sleep } = systemClock;
  const health = createHealth(monotonic);
  const metrics = createMetrics();
  metrics.set("wfotel_config_last_reload_successful", {}, 1); // the one it starts with
  health.condition("state", "another process works on it");
  const startedAt = now();
  let parts: OpenedParts | undefined;
  let server: HttpServer | undefined;
  const statusOf = async (known: OpenedParts | undefined) =>
    buildStatus({
      ...(await factsOf(known?.config ?? config, known, now())),
      daemon: { startedAt, live: health.live(), ready: health.ready() },
    });
  const status = () => statusOf(parts);
  // a state that cannot be read is no reason to say nothing: what it does not keep is told all the same
  const expose = async (accept: string) => metrics.exposition(accept, statusSamples(await status().catch(() => statusOf(undefined))));
  const served = { listen: config.server.listen, health, status, metrics: expose, log };
  return {
    health,
    metrics,
    async serve() {
      server = await serve(served);
    },
    async tryServe() {
      try {
        server = await serve(served);
        return true;
      } catch (error) {
        if (error instanceof CommandError) return false;
        throw error;
      }
    },
    async serveNext() {
      server = await serveWhenFree(served, (ms) => sleep(ms, new AbortController().signal));
    },
    opened(opened) {
      parts = opened;
      health.condition("state", () => unwritable(config.state.path));
    },
    close: async () => server?.close(),
  };
}

/** What the state and, where it runs in this process, the bridge know now. */
export async function factsOf(config: Config, parts: Partial<OpenedParts> | undefined, now: number): Promise<StatusFacts> {
  const deliverers = new Map(parts?.deliverers?.map((deliverer) => [deliverer.snapshot().name, deliverer.snapshot()]));
  const sources = new Map(parts?.sources?.map((source) => [source.context.config.name, source.live()]));
  const store = await parts?.store?.status(now);
  return {
    version: VERSION,
    now,
    ...(store && { store }),
    maxBytes: config.state.max_size,
    sources: config.sources.map(({ name, max_requests_per_second, completion_feed, retention }) => {
      const live = sources.get(name);
      return {
        name,
        maxRequestsPerSecond: max_requests_per_second,
        feedOff: completion_feed === "off",
        retention,
        ...(live && { live }),
      };
    }),
    destinations: config.destinations.map(({ name }) => {
      const live = deliverers.get(name);
      return { name, ...(live && { live: { inFlight: live.inFlight, paused: live.paused } }) };
    }),
  };
}

/** Removed, or its disk became read-only; undefined where it may be written. */
function unwritable(path: string): string | undefined {
  try {
    accessSync(path, constants.W_OK);
    return undefined;
  } catch {
    return "the file is gone or may not be written any more";
  }
}
