import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import type { Millis } from "../../src/fake-upstash/wire.ts";

export interface HttpServer {
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  close(): Promise<void>;
}

/** Serves a fetch handler on a free loopback port. Its `Date` headers are of the engine's clock, as all clocks in one world agree. */
export async function serveHttp(handler: (request: Request) => Promise<Response>, now: () => Millis): Promise<HttpServer> {
  const server = createServer((incoming, response) => void respond(incoming, response, handler, now));
  server.unref(); // nobody asks it any more once the engine is closed
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => close(server) };
}

async function respond(
  incoming: IncomingMessage,
  response: ServerResponse,
  handler: (request: Request) => Promise<Response>,
  now: () => Millis,
) {
  const body = await buffer(incoming);
  const headers = Object.entries(incoming.headers).map(([name, value]): [string, string] => [name, String(value)]);
  const method = incoming.method ?? "GET";
  const withBody = method !== "GET" && method !== "HEAD" ? { body } : {};
  const answer = await handler(new Request(`http://${incoming.headers.host}${incoming.url}`, { method, headers, ...withBody }));
  const bytes = Buffer.from(await answer.arrayBuffer());
  response.sendDate = false;
  response.writeHead(answer.status, { ...Object.fromEntries(answer.headers), date: new Date(now()).toUTCString() }).end(bytes);
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
