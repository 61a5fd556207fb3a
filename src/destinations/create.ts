import type { DestinationConfig } from "./config.ts";
import { createConsole } from "./console.ts";
import type { Destination } from "./destination.ts";
import { createFile } from "./file.ts";
import { createOtlpHttp } from "./otlp-http.ts";

/** What a destination needs from the program; all but the user agent have defaults. */
export interface DestinationDependencies {
  /** `name/version` of this program. */
  readonly userAgent: string;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
  /** Where `console` draws, in columns, with ANSI colours or not. */
  readonly stdout?: NodeJS.WritableStream;
  readonly width?: number;
  readonly color?: boolean;
}

/** One destination of the configuration. Throws, at start-up, where a file it names cannot be read. */
export function createDestination(config: DestinationConfig, deps: DestinationDependencies): Destination {
  const { userAgent, now = Date.now, stdout = process.stdout, width = 100, color = false } = deps;
  if (config.type === "otlp-http") return createOtlpHttp(config, { userAgent, now });
  return config.type === "file" ? createFile(config) : createConsole(config, { stdout, width, color });
}
