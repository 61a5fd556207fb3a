import type { Agent, IncomingMessage } from "node:http";
import type { AgentOptions } from "node:https";

/**
 * HTTP/1.1 by Node's own client, as little as sources and destinations need: no redirects, no cookies, no retries, no
 * idle timeouts (who asks has a deadline). Not by undici: that is a second HTTP stack beside the one that `/metrics` is
 * served with, its parser WebAssembly; it was a fifth of an idle bridge's memory and half of the code that is loaded.
 */
export interface HttpClient {
  /**
   * Resolves with the answer's head; the body is to be read to its end or destroyed. Rejects with what Node says, also
   * where `signal` was aborted; after the head the body's stream does.
   */
  request(request: HttpRequest): Promise<IncomingMessage>;
  /** Ends every connection and what is in flight on it. */
  close(): void;
}

export interface HttpRequest {
  readonly method: "GET" | "POST";
  /** Path and query. */
  readonly path: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** Of this request alone: something of it stays on the signal. */
  readonly signal: AbortSignal;
}

export interface HttpClientOptions {
  /** Requests in flight at most; others wait. */
  readonly connections: number;
  /** How long a connection that has nothing to do is kept, in ms; less where the server says so. */
  readonly keepAliveMs: number;
  readonly tls?: Pick<AgentOptions, "ca" | "cert" | "key" | "rejectUnauthorized">;
}

/** How a message is framed is the client's business. */
const FRAMING = ["connection", "content-length", "expect", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"];

/** @param origin whose scheme, host and port are used */
export function createHttpClient(origin: URL, { connections, keepAliveMs, tls = {} }: HttpClientOptions): HttpClient {
  const secure = origin.protocol === "https:";
  const connected = secure ? "secureConnect" : "connect";
  // not imported: telemetry/server.ts says why
  const { Agent, request } = process.getBuiltinModule(secure ? "node:https" : "node:http");
  const agent: Agent = new Agent({ keepAlive: true, maxSockets: connections, timeout: keepAliveMs, ...tls });
  const target = { host: origin.hostname.replace(/^\[|\]$/g, ""), port: origin.port, agent };
  return {
    request: ({ method, path, headers, body, signal }) =>
      new Promise((resolve, reject) => {
        const foreign = FRAMING.find((name) => Object.hasOwn(headers, name));
        if (foreign !== undefined) throw Object.assign(new Error(`the header ${foreign} is set by itself`), { code: "ERR_INVALID_HEADER" });
        const length = body === undefined ? {} : { "content-length": body.length };
        const sent = request({ ...target, method, path, headers: { ...headers, ...length }, signal });
        sent.on("response", (answer) => {
          answer.on("error", () => undefined); // whoever reads it hears of it; nobody else has to
          resolve(answer);
        });
        sent.on("error", reject);
        // one that waits for a connection would be told of it only when it gets one
        signal.addEventListener("abort", () => reject(signal.reason), { once: true });
        sent.on("close", () => reject(new Error("the connection was closed without an answer")));
        const send = () => void sent.end(body);
        // earlier, what is wrong with TLS would be told as a failed write
        sent.on("socket", (socket) => (socket.connecting ? socket.once(connected, send) : send()));
      }),
    close: () => agent.destroy(),
  };
}
