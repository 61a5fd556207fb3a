import type { Logger } from "pino";
import type { Health, Verdict } from "../telemetry/health.ts";
import type { Exposition } from "../telemetry/metrics.ts";
import { type HttpServer, json, type Page, type Pages, startServer } from "../telemetry/server.ts";
import type { Status } from "../telemetry/status.ts";
import { CommandError } from "./io.ts";

/** What the daemon serves over HTTP. */
export interface Served {
  readonly listen: string;
  readonly health: Health;
  readonly status: () => Promise<Status>;
  /** @param accept the request's header */
  readonly metrics: (accept: string) => Promise<Exposition>;
  readonly log: Logger;
}

/** How long a port may stay taken after the bridge that worked on this state has ended, in ms. */
const PORT_FREE_WITHIN_MS = 5_000;
const LOOK_EVERY_MS = 100;

/**
 * Starts the server; undefined where `server.listen` is "".
 * @throws CommandError (exit 2) that names the address where it cannot be had
 */
export async function serve(served: Served): Promise<HttpServer | undefined> {
  const { listen, log } = served;
  if (listen === "") return undefined;
  try {
    const server = await startServer(listen, pagesOf(served), (error) => log.error({ error: messageOf(error) }, "an HTTP answer failed"));
    log.info({ url: server.url }, "serving /livez, /readyz, /status and /metrics");
    return server;
  } catch (error) {
    throw new CommandError(`server.listen ${listen}: ${reasonOf(error)}; WFOTEL_LISTEN or server.listen names another, "" is off`);
  }
}

/** As {@link serve}, when the bridge that had the port is about to end. */
export async function serveWhenFree(served: Served, sleep: (ms: number) => Promise<void>): Promise<HttpServer | undefined> {
  for (let waited = 0; waited < PORT_FREE_WITHIN_MS; waited += LOOK_EVERY_MS) {
    try {
      return await serve(served);
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      await sleep(LOOK_EVERY_MS);
    }
  }
  return serve(served);
}

/** Every path that there is. */
function pagesOf({ health, status, metrics, log }: Served): Pages {
  return {
    "/livez": () => verdictPage(health.live()),
    "/readyz": () => verdictPage(health.ready()),
    "/status": async () => {
      try {
        return json(200, await status());
      } catch (error) {
        log.error({ error: messageOf(error) }, "the state cannot be read");
        return json(503, { error: "the state cannot be read now; the bridge's log says why" });
      }
    },
    "/metrics": async (accept) => ({ status: 200, ...(await metrics(accept)) }),
  };
}

const verdictPage = ({ ok, checks }: Verdict): Page => json(ok ? 200 : 503, { status: ok ? "ok" : "failing", checks });

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
const codeOf = (error: unknown): unknown => (error instanceof Error && "code" in error ? error.code : undefined);

function reasonOf(error: unknown): string {
  const code = codeOf(error);
  if (code === "EADDRINUSE") return "the port is taken by another process";
  if (code === "EACCES") return "this user may not listen there";
  return `cannot listen there (${code ?? messageOf(error)})`;
}
