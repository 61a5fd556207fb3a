import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";
import { Secret } from "../../../src/config/values.ts";
import { createUpstashSource, type UpstashDeps } from "../../../src/sources/upstash/client.ts";
import { type UpstashSourceConfig, upstashSourceSchema } from "../../../src/sources/upstash/config.ts";

export const TOKEN = "canary-token-4711";

/** What the source asked, in its order. */
export interface Asked {
  readonly path: string;
  readonly query: URLSearchParams;
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
}

export type Handler = (asked: Asked, response: ServerResponse, index: number) => void;

/** A real HTTP server on loopback that answers as the test says; closed, with all its connections, when the test is over. */
export async function serve(handler: Handler): Promise<{ url: string; asked: Asked[] }> {
  const asked: Asked[] = [];
  const server = createServer((request, response) => {
    const url = request.url ?? "";
    const { pathname, searchParams } = new URL(url, "http://localhost");
    asked.push({ path: pathname, query: searchParams, url, headers: request.headers });
    handler(asked.at(-1)!, response, asked.length - 1);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

export function json(response: ServerResponse, body: unknown, status = 200, headers: Record<string, string> = {}): void {
  response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
}

/** A clock that moves only when somebody sleeps on it. */
export function simulatedTime(start = 1_000_000) {
  const slept: number[] = [];
  let at = start;
  return {
    slept,
    monotonic: () => at,
    now: () => 1_800_000_000_000 + at,
    advance: (ms: number) => {
      at += ms;
    },
    sleep: async (ms: number, signal: AbortSignal) => {
      if (signal.aborted) return;
      slept.push(ms);
      at += ms;
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

export function config(url: string, fields: Partial<UpstashSourceConfig> = {}): UpstashSourceConfig {
  return { ...upstashSourceSchema.parse({ name: "test", url, token: TOKEN }), token: new Secret(TOKEN), ...fields };
}

/** A source under test on simulated time, with small limits; closed when the test is over. */
export function sourceOf(url: string, deps: Partial<UpstashDeps> = {}, fields: Partial<UpstashSourceConfig> = {}) {
  const time = simulatedTime();
  const seen: string[] = [];
  const source = createUpstashSource(config(url, fields), {
    bodies: false,
    userAgent: "wfotel/test",
    random: () => 0,
    monotonic: time.monotonic,
    now: time.now,
    sleep: time.sleep,
    limits: { deadlineMs: 5_000, maxBodyBytes: 1_000_000 },
    observe: ({ purpose, outcome, status }) => seen.push(`${purpose} ${outcome}${status === undefined ? "" : ` ${status}`}`),
    ...deps,
  });
  onTestFinished(() => source.close());
  return { source, time, seen };
}

export const never = new AbortController().signal;
