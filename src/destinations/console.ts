import { spansOfJson } from "../otlp/decode-json.ts";
import { waterfall } from "../trace/waterfall.ts";
import type { ConsoleConfig } from "./config.ts";
import type { Destination, Outcome } from "./destination.ts";

export interface ConsoleDependencies {
  readonly stdout: NodeJS.WritableStream;
  readonly width: number;
  readonly color: boolean;
}

/** Draws each run as a waterfall; delivered once the stream has taken the text. */
export function createConsole(config: ConsoleConfig, { stdout, width, color }: ConsoleDependencies): Destination {
  return {
    name: config.name,
    encoding: "json",
    maxRequestBytes: 16 * 1024 * 1024,
    concurrency: 1,
    async send(body, signal) {
      if (signal.aborted) return { kind: "retry", scope: "destination", reason: "aborted", suspect: false };
      const runs = spansOfJson(body);
      return runs.length === 0 ? { kind: "delivered" } : write(stdout, `${waterfall(runs, { width, color })}\n`);
    },
    refreshSecrets: () => false,
    close: () => Promise.resolve(),
  };
}

/** A reader that went away (EPIPE) shows as an `error` event too, which would end the process if nobody listened. */
function write(stdout: NodeJS.WritableStream, text: string): Promise<Outcome> {
  return new Promise((resolve) => {
    const failed = (error: Error) => resolve({ kind: "misconfigured", reason: `cannot write to the console: ${error.message}` });
    stdout.once("error", failed);
    stdout.write(text, (error) => {
      if (error) return failed(error);
      stdout.removeListener("error", failed);
      resolve({ kind: "delivered" });
    });
  });
}
