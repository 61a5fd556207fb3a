import type { Logger } from "pino";
import type { Config } from "../config/schema.ts";
import type { Plan } from "./work.ts";

/** SIGHUPs, as requests for the configuration to be read again. One that comes before somebody waits is not lost. */
export interface ReloadRequests {
  request(): void;
  /** Resolves at the next request, or when `signal` is aborted. */
  next(signal: AbortSignal): Promise<void>;
}

export function createReloadRequests(): ReloadRequests {
  let requested = false;
  let tell = () => {};
  return {
    request() {
      requested = true;
      tell();
    },
    async next(signal) {
      if (!requested && !signal.aborted) {
        await new Promise<void>((resolve) => {
          tell = resolve;
          signal.addEventListener("abort", () => resolve(), { once: true });
        });
      }
      requested = false;
    },
  };
}

export interface Reloading {
  readonly requests: ReloadRequests;
  /** Reads the configuration again. @throws CommandError that lists its errors */
  readonly load: () => { readonly config: Config; readonly serviceName?: string };
  /** Builds what it asks for. @throws Error where a file that it names cannot be read */
  readonly plan: (config: Config, serviceName: string | undefined) => Promise<Plan>;
  /** Told of each attempt. */
  readonly onReload: (ok: boolean) => void;
  readonly log: Logger;
}

/** Waits for a request that leads to a valid configuration; until then the current one stays. Undefined: `signal` came first. */
export async function nextPlan(reloading: Reloading, current: Config, signal: AbortSignal): Promise<Plan | undefined> {
  const { requests, load, plan, onReload, log } = reloading;
  for (;;) {
    await requests.next(signal);
    if (signal.aborted) return undefined;
    try {
      const loaded = load();
      const { config, restart } = withoutRestart(current, loaded.config);
      const planned = await plan(config, loaded.serviceName);
      if (restart.length > 0) log.warn({ keys: restart }, "reload: these need a restart and stay as they were");
      onReload(true);
      return planned;
    } catch (error) {
      const reasons = error instanceof Error ? error.message.split("\n") : [String(error)];
      log.error({ reasons }, "reload: the new configuration is not valid, the old one stays");
      onReload(false);
    }
  }
}

/** The new configuration, but for what a running bridge cannot change. */
export function withoutRestart(current: Config, next: Config): { readonly config: Config; readonly restart: readonly string[] } {
  const format = next.telemetry.log.format !== current.telemetry.log.format;
  const restart = [
    ...(JSON.stringify(next.state) === JSON.stringify(current.state) ? [] : ["state"]),
    ...(next.server.listen === current.server.listen ? [] : ["server.listen"]),
    ...(format ? ["telemetry.log.format"] : []),
  ];
  const log = { ...next.telemetry.log, format: current.telemetry.log.format };
  return { config: { ...next, state: current.state, server: current.server, telemetry: { ...next.telemetry, log } }, restart };
}
