import type { Logger } from "pino";
import type { Config } from "../config/schema.ts";
import { createDestination } from "../destinations/create.ts";
import type { Destination } from "../destinations/destination.ts";
import { type ServerClock, serverClock, systemClock } from "../pipeline/clock.ts";
import type { SourceContext } from "../pipeline/context.ts";
import type { DeliverContext } from "../pipeline/delivery-state.ts";
import type { Wake } from "../pipeline/wake.ts";
import type { RunSource } from "../sources/source.ts";
import { createUpstashSource, type UpstashDeps } from "../sources/upstash/client.ts";
import { matchesFilters } from "../sources/upstash/config.ts";
import type { Store } from "../state/store.ts";
import type { MappingSettings } from "../trace/config.ts";
import { VERSION } from "../version.ts";
import type { CommandIo } from "./io.ts";
import { traceLink } from "./trace-url.ts";

/** Builds the parts of the program from the configuration. */

const USER_AGENT = `upstash-workflow-otel/${VERSION}`;

export function mappingSettings(config: Config, serviceName: string | undefined): MappingSettings {
  return { environment: config.environment, serviceName, resource: config.resource, traces: config.traces, workflows: config.workflows };
}

/** Bodies are fetched only where something is made of them. */
function needsBodies({ capture, gen_ai }: Config["traces"]): boolean {
  return gen_ai !== false || capture.outputs || capture.call_bodies || capture.run_request || capture.run_response;
}

/** @param observe told of each request */
export function buildSource(config: Config["sources"][number], traces: Config["traces"], observe?: UpstashDeps["observe"]): RunSource {
  return createUpstashSource(config, { bodies: needsBodies(traces), userAgent: USER_AGENT, ...(observe && { observe }) });
}

export function buildDestination(config: Config["destinations"][number], io: Pick<CommandIo, "stdout">): Destination {
  return createDestination(config, { userAgent: USER_AGENT, stdout: io.stdout, ...terminal(io.stdout) });
}

/** How wide and in colour something may be drawn there. */
export function terminal(stream: NodeJS.WritableStream, env: CommandIo["env"] = process.env): { width: number; color: boolean } {
  const tty = stream as Partial<Pick<NodeJS.WriteStream, "isTTY" | "columns">>;
  return { width: tty.columns ?? 100, color: tty.isTTY === true && (env.NO_COLOR ?? "") === "" };
}

export interface SourceParts {
  readonly config: Config;
  readonly serviceName: string | undefined;
  readonly store: Store;
  readonly log: Logger;
  readonly destinations: readonly { readonly config: Config["destinations"][number]; readonly destination: Destination }[];
  readonly hasRoom: () => Promise<boolean>;
  readonly onQueued: () => void;
  /** By source: told of each request. */
  readonly observe?: (source: string) => UpstashDeps["observe"];
}

export function sourceContext(source: Config["sources"][number], parts: SourceParts): SourceContext {
  const { config, store, log, hasRoom, onQueued } = parts;
  return {
    source: buildSource(source, config.traces, parts.observe?.(source.name)),
    config: source,
    store,
    settings: mappingSettings(config, parts.serviceName),
    destinations: parts.destinations.map(({ config: { name, sampling }, destination }) => ({
      name,
      sampling,
      encoding: destination.encoding,
    })),
    matches: (run) => matchesFilters(run, source.filters),
    hasRoom,
    maxEventBytes: config.state.max_size / 4,
    onQueued,
    clock: systemClock,
    server: serverClock(systemClock),
    log,
  };
}

export function deliverContext(
  {
    config,
    destination,
    wake,
  }: { readonly config: Config["destinations"][number]; readonly destination: Destination; readonly wake: Wake },
  parts: { readonly store: Store; readonly log: Logger; readonly server: ServerClock },
): DeliverContext {
  const age = config.type === "otlp-http" ? { maxSpanAge: config.max_span_age, tooOld: config.too_old } : { tooOld: "send" as const };
  const { trace_url } = config;
  const traceUrl = trace_url === undefined ? undefined : (traceId: string) => traceLink(trace_url, traceId);
  return { ...parts, destination, wake, clock: systemClock, now: parts.server.now, traceUrl, ...age };
}
