import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SHIPPED } from "./bundle.ts";
import { type LogApi, TOKEN } from "./log-api.ts";
import { type Measured, startMeasured } from "./process.ts";
import type { Sink } from "./sink.ts";

/** The shipped command between a fake API and a sink. */

export interface Around {
  /** Of its own: configuration and state lie in it. */
  readonly folder: string;
  readonly api: Pick<LogApi, "url">;
  readonly sink: Pick<Sink, "url">;
  /** Over the defaults of a source. */
  readonly source?: object;
}

/** @param command e.g. `["run", "--once"]` */
export function startWfotel(command: readonly string[], { folder, api, sink, source = {} }: Around): Measured {
  mkdirSync(folder, { recursive: true });
  const config = join(folder, "wfotel.yaml");
  const content = {
    sources: [{ name: "eu", url: api.url, token: TOKEN, ...source }],
    destinations: [{ name: "sink", type: "otlp-http", endpoint: sink.url }],
    state: { path: join(folder, "wfotel.db") },
    server: { listen: "127.0.0.1:0" },
    telemetry: { log: { format: "json" } },
  };
  writeFileSync(config, JSON.stringify(content)); // JSON is YAML
  return startMeasured([SHIPPED, ...command, "--config", config]);
}
