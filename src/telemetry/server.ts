import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** Not imported: that would read all exports of the module, and `WebSocket` is one that loads undici a second time, 13 MiB. */
const { createServer } = process.getBuiltinModule("node:http");

/** What a path answers; `body` is text of `type`. */
export interface Page {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

/** The pages by path, e.g. `/livez`, given the `Accept` header. A page may throw: that is answered with 500, and told to `onError`. */
export type Pages = Readonly<Record<string, (accept: string) => Page | Promise<Page>>>;

export interface HttpServer {
  /** `http://host:port`, with the real port where 0 was asked for. */
  readonly url: string;
  close(): Promise<void>;
}

/** Whoever scrapes sends small requests and reads the answer at once; anybody else is not worth waiting for. */
const TIMEOUT_MS = 5_000;
const MAX_HEADER_BYTES = 8 * 1024;
const MAX_CONNECTIONS = 64;

/**
 * Serves pages over plain HTTP: GET and HEAD, nothing else.
 *
 * @param listen `host:port`, `[::1]:port`, or `:port` for every address
 * @throws the system's error (EADDRINUSE, EACCES, …) where it cannot listen there
 */
export async function startServer(listen: string, pages: Pages, onError: (error: unknown) => void): Promise<HttpServer> {
  const options = {
    requestTimeout: TIMEOUT_MS,
    headersTimeout: TIMEOUT_MS,
    keepAliveTimeout: TIMEOUT_MS,
    connectionsCheckingInterval: TIMEOUT_MS,
    maxHeaderSize: MAX_HEADER_BYTES,
  };
  const server = createServer(options, (request, response) => {
    respond(request, response, pages).catch((error: unknown) => {
      onError(error);
      send(request, response, text(500, "an error; the bridge's log has it"));
    });
  });
  server.maxConnections = MAX_CONNECTIONS;
  server.unref(); // it never keeps a program alive whose work is done
  const { host, port } = parseListen(listen);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host === "" ? undefined : host, resolve);
  });
  server.on("error", onError);
  return { url: urlOf(server, host), close: () => close(server) };
}

/** `[::1]:9477` → `{ host: "::1", port: 9477 }`. The port is after the last colon. */
export function parseListen(listen: string): { readonly host: string; readonly port: number } {
  const colon = listen.lastIndexOf(":");
  return { host: listen.slice(0, colon).replace(/^\[|\]$/g, ""), port: Number(listen.slice(colon + 1)) };
}

function urlOf(server: Server, host: string): string {
  const { port } = server.address() as AddressInfo;
  return `http://${host.includes(":") ? `[${host}]` : host || "127.0.0.1"}:${port}`;
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

async function respond(request: IncomingMessage, response: ServerResponse, pages: Pages): Promise<void> {
  request.resume(); // a body is nothing we read
  const path = (request.url ?? "/").split("?", 1)[0] ?? "/";
  const page = Object.hasOwn(pages, path) ? pages[path] : undefined;
  if (page === undefined) return send(request, response, text(404, `not found; there is ${Object.keys(pages).join(" ")}`));
  if (request.method === "GET" || request.method === "HEAD") return send(request, response, await page(request.headers.accept ?? ""));
  send(request, response, text(405, "GET or HEAD"), { allow: "GET, HEAD", connection: "close" });
}

function send(request: IncomingMessage, response: ServerResponse, page: Page, headers: Readonly<Record<string, string>> = {}): void {
  if (response.headersSent) return void response.destroy();
  const body = Buffer.from(page.body);
  response.writeHead(page.status, {
    "content-type": page.type,
    "content-length": body.length,
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    ...headers,
  });
  response.end(request.method === "HEAD" ? undefined : body);
}

function text(status: number, line: string): Page {
  return { status, type: "text/plain; charset=utf-8", body: `${line}\n` };
}

/** A page of JSON, indented: people look at it, too. */
export function json(status: number, value: unknown): Page {
  return { status, type: "application/json", body: `${JSON.stringify(value, null, 2)}\n` };
}
