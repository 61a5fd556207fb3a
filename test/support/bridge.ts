import { once } from "node:events";
import { get } from "node:http";
import { text } from "node:stream/consumers";
import { afterEach, expect, vi } from "vitest";
import { type RunningCommand, startWfotel } from "./wfotel.ts";

/** A daemon that serves on a free port, for tests of what is asked of it. */
export interface RunningBridge {
  readonly child: RunningCommand;
  /** Everything it has logged so far. */
  log(): string;
  /** Its `host:port`, as WFOTEL_LISTEN has it. */
  readonly listen: string;
  /** GET of one of its pages. */
  page(path: string, method?: string): Promise<{ status: number; body: string; headers: Record<string, unknown> }>;
  /** SIGTERM, and its exit code. */
  stop(): Promise<number | null>;
}

const running: RunningCommand[] = [];

/** Starts bridges that are killed after each test. */
export function useBridges() {
  afterEach(() => {
    for (const child of running.splice(0)) child.kill("SIGKILL");
  });
  return async (args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<RunningBridge> => {
    const child = startWfotel(["run", ...args], { env: { ...env, WFOTEL_LISTEN: "127.0.0.1:0" } });
    running.push(child);
    let log = "";
    child.stderr.on("data", (part) => {
      log += String(part);
    });
    await eventually(() => expect(log).toContain("serving /livez"));
    const url = /"url":"http:\/\/([^"]+)"/.exec(log)?.[1] ?? "";
    return {
      child,
      log: () => log,
      listen: url,
      page: (path, method) => httpGet(url, path, method),
      async stop() {
        const ended = once(child, "close");
        child.kill("SIGTERM");
        return (await ended)[0];
      },
    };
  };
}

export const eventually = <T>(look: () => T | Promise<T>): Promise<T> => vi.waitFor(look, { timeout: 60_000, interval: 50 });

export async function httpGet(listen: string, path: string, method = "GET") {
  const request = get(`http://${listen}${path}`, { method, agent: false });
  const [response] = await once(request, "response");
  return { status: response.statusCode as number, headers: response.headers, body: await text(response) };
}
