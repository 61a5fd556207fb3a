import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { answerQuery, type LogApiOptions, newCursors } from "./api.ts";
import { type Answer, type Fault, sendAnswer } from "./fault.ts";
import { createLogStore, type LogStore } from "./log-store.ts";
import { createRateLimiter, type RateLimit } from "./rate-limit.ts";
import type { Millis } from "./wire.ts";

/** Every option is read again for each request: a test may change `fake.options` while the server runs. */
export interface FakeUpstashOptions extends LogApiOptions {
  /** The one bearer token that is let in. */
  token?: string;
  store?: LogStore;
  /** The API's clock (ms): what is visible, the `Date` header, the windows of the rate limit. */
  now?: () => Millis;
  rateLimit?: RateLimit;
  /** Called for each request with its number (from 1); what it returns goes wrong with the answer. */
  onRequest?: (request: RecordedRequest, n: number) => Fault | undefined;
}

export interface RecordedRequest {
  readonly n: number;
  /** By the API's clock. */
  readonly at: Millis;
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  /** As it came, path and query: its length is the URL's. */
  readonly target: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** What was answered; undefined until then, and where nothing was. */
  status?: number;
}

export interface FakeUpstash {
  /** `http://127.0.0.1:PORT`, no slash at the end. */
  readonly url: string;
  readonly token: string;
  readonly store: LogStore;
  readonly requests: readonly RecordedRequest[];
  readonly options: FakeUpstashOptions;
  /** Cuts what hangs, and resolves when the port is free. */
  close(): Promise<void>;
}

type Handler = (request: IncomingMessage) => { readonly recorded: RecordedRequest; readonly answer: Answer; readonly fault: Fault };

/** A real HTTP server on a free loopback port that answers as Upstash's log API does. */
export async function startFakeUpstash(options: FakeUpstashOptions = {}): Promise<FakeUpstash> {
  const store = options.store ?? createLogStore();
  const requests: RecordedRequest[] = [];
  const handle = requestHandler(options, store, requests);
  const server = createServer((request, response) => void respond(handle, request, response));
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get token() {
      return tokenOf(options);
    },
    store,
    requests,
    options,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const tokenOf = (options: FakeUpstashOptions) => options.token ?? "fake-upstash-token";

async function respond(handle: Handler, request: IncomingMessage, response: ServerResponse): Promise<void> {
  request.resume();
  response.on("error", () => {}); // the client has gone: its business
  const { recorded, answer, fault } = handle(request);
  const status = await sendAnswer(response, answer, fault);
  if (status !== undefined) recorded.status = status;
}

function requestHandler(options: FakeUpstashOptions, store: LogStore, requests: RecordedRequest[]): Handler {
  const limit = createRateLimiter();
  const cursors = newCursors();
  return (request) => {
    const now = (options.now ?? Date.now)();
    const recorded = record(request, now, requests.length + 1);
    requests.push(recorded);
    const fault = options.onRequest?.(recorded, recorded.n) ?? {};
    const allowance = limit(options.rateLimit ?? {}, now);
    const answer = !allowance.allowed
      ? failure(429, "Exceeded the rate limit of the log endpoints")
      : recorded.headers.authorization !== `Bearer ${tokenOf(options)}`
        ? failure(401, "unauthorized: invalid token")
        : recorded.method !== "GET"
          ? failure(405, "method not allowed")
          : answerQuery(recorded, { store, now, cursors, options });
    const headers = { Date: new Date(now).toUTCString(), ...allowance.headers, ...answer.headers };
    return { recorded, answer: { ...answer, headers }, fault };
  };
}

const failure = (status: number, error: string): Answer => ({ status, headers: {}, body: { error } });

function record(request: IncomingMessage, at: Millis, n: number): RecordedRequest {
  const target = request.url ?? "/";
  const url = new URL(`http://127.0.0.1${target}`);
  const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]));
  return { n, at, method: request.method ?? "GET", path: url.pathname, query: url.searchParams, target, headers };
}
