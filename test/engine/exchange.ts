import { type Agent, type IncomingMessage, request } from "node:http";
import { buffer } from "node:stream/consumers";
import type { Millis, WireHeaders } from "../../src/fake-upstash/wire.ts";

export interface Outgoing {
  readonly url: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
  readonly timeoutMs?: Millis | undefined;
}

/** What came of a request; no status where there was no answer. */
export interface Reply {
  readonly status?: number;
  /** Go canonical names, as the log shows them. */
  readonly headers: WireHeaders;
  readonly body: Buffer;
  /** What the log says: "500 Internal Server Error", or why there was no answer. */
  readonly message: string;
}

/** Those that belong to one connection, and what the request itself says. */
const OWN_HEADERS = new Set(["host", "content-length", "connection", "keep-alive", "transfer-encoding"]);

/** Who carries requests, and where those to public hosts go: by host name, the address (`http://127.0.0.1:PORT`) that stands in for it. */
export interface Network {
  readonly agent: Agent;
  readonly hosts: ReadonlyMap<string, string>;
}

/** Sends one request; failures are replies too. Only loopback is ever asked; a stand-in gets the public `Host`, as behind a proxy. */
export async function exchange({ url, method, headers, body, timeoutMs }: Outgoing, { agent, hosts }: Network): Promise<Reply> {
  const asked = new URL(url);
  const target = new URL(asked.pathname + asked.search, hosts.get(asked.hostname) ?? asked);
  if (target.protocol !== "http:" || !["127.0.0.1", "localhost"].includes(target.hostname)) return noReply(`${url} is not on this machine`);
  const sent = Object.fromEntries(Object.entries(headers).filter(([name]) => !OWN_HEADERS.has(name.toLowerCase())));
  sent.host = asked.host;
  if (body !== undefined) sent["content-length"] = String(Buffer.byteLength(body));
  try {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const signal = timeoutMs === undefined ? {} : { signal: AbortSignal.timeout(timeoutMs) };
      request(target, { method, headers: sent, agent, ...signal }, resolve)
        .on("error", reject)
        .end(body);
    });
    const { statusCode: status = 0, statusMessage = "" } = response;
    return { status, headers: canonicalHeaders(response), body: await buffer(response), message: `${status} ${statusMessage}`.trim() };
  } catch (error) {
    return noReply(error instanceof Error ? error.message : String(error));
  }
}

const noReply = (message: string): Reply => ({ headers: {}, body: Buffer.alloc(0), message });

export function canonicalHeaders({ rawHeaders }: Pick<IncomingMessage, "rawHeaders">): WireHeaders {
  const headers: Record<string, string[]> = {};
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = canonicalName(rawHeaders[at] ?? "");
    headers[name] = [...(headers[name] ?? []), rawHeaders[at + 1] ?? ""];
  }
  return headers;
}

/** `content-type` → `Content-Type`, as Go writes them. */
export function canonicalName(name: string): string {
  return name.toLowerCase().replace(/(^|-)[a-z]/g, (letter) => letter.toUpperCase());
}

export function replyHeader({ headers }: Reply, name: string): string | undefined {
  return headers[canonicalName(name)]?.[0];
}
