import { randomBytes } from "node:crypto";
import { Agent, createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { answerQuery, type LogApiOptions, newCursors } from "../../src/fake-upstash/api.ts";
import { createLogStore, type LogStore } from "../../src/fake-upstash/log-store.ts";
import type { Millis } from "../../src/fake-upstash/wire.ts";
import { type Clock, type ClockOptions, createClock } from "./clock.ts";
import { type Core, Refused } from "./core.ts";
import { createFlowGate } from "./flow-control.ts";
import { tellInvoker } from "./invoke.ts";
import { type ApiRequest, answerPublishing } from "./routes.ts";
import type { SigningKeys } from "./signature.ts";
import { readSwitches, type Switches } from "./switches.ts";

export interface EngineOptions {
  /** Base64 of JSON with a `UserID`: createWebhook reads it. */
  readonly token?: string;
  readonly clock?: ClockOptions;
  /** Where both logs are kept; default: a store of its own. */
  readonly store?: LogStore;
  readonly switches?: Partial<Switches>;
  /** Deliveries are signed with `current`. */
  readonly signingKeys?: SigningKeys;
  /** Deliveries of more messages than this are sent empty, and the SDK fetches them. Default: never. */
  readonly lazyFetchAbove?: number;
  /** How the log API answers. */
  readonly logs?: LogApiOptions;
}

/** A QStash for programs of the official SDK. Both logs, in `store` and over HTTP, are what really happened. */
export interface Engine {
  /** `http://127.0.0.1:PORT`, for `QSTASH_URL`. */
  readonly url: string;
  readonly token: string;
  readonly store: LogStore;
  readonly switches: Switches;
  readonly signingKeys?: SigningKeys | undefined;
  /** The clock that all times in the logs are of; user code that records times must use it too. */
  readonly clock: Clock;
  now(): Millis;
  /** Public hosts that are on this machine, by name, with their addresses; none other is ever asked. */
  readonly hosts: Map<string, string>;
  /** How often the workflow's endpoint was asked in the name of a run: steps, callbacks, failure function. */
  deliveriesOf(runId: string): number;
  /** Resolves when nothing is at work and nothing is due: every run has ended, or waits for what only the outside can do. */
  idle(): Promise<void>;
  close(): Promise<void>;
}

/** The local development server's own. */
const TOKEN = Buffer.from(JSON.stringify({ UserID: "defaultUser", Password: "defaultPassword" })).toString("base64");

export async function startEngine(options: EngineOptions = {}): Promise<Engine> {
  const clock = createClock(options.clock ?? {});
  const store = options.store ?? createLogStore();
  const hosts = new Map<string, string>();
  const core: Core = {
    clock,
    store,
    switches: readSwitches(options.switches),
    agent: new Agent({ keepAlive: true }),
    hosts,
    flow: createFlowGate(clock),
    runs: new Map(),
    waiters: [],
    dead: new Map(),
    signingKeys: options.signingKeys,
    lazyFetchAbove: options.lazyFetchAbove ?? Number.POSITIVE_INFINITY,
    deliveries: new Map(),
    newId: (prefix) => `${prefix}_${randomBytes(12).toString("hex")}`,
    onEnd: (run) => tellInvoker(core, run),
  };
  const token = options.token ?? TOKEN;
  const answer = answerer(core, token, options.logs ?? {});
  const server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    token,
    store,
    switches: core.switches,
    signingKeys: options.signingKeys,
    clock,
    hosts,
    now: clock.now,
    deliveriesOf: (runId) => core.deliveries.get(runId) ?? 0,
    idle: clock.idle,
    close: () => {
      clock.close();
      core.agent.destroy();
      return new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}

/** Publishing routes first, as work; reading the logs is none, so that a poller does not slow the clock down. */
function answerer(core: Core, token: string, options: LogApiOptions) {
  const cursors = newCursors();
  return async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    response.sendDate = false;
    const request = await readRequest(incoming);
    const isLog = incoming.method === "GET" && /^\/v2\/workflows\/(logs|events|messageLogs)/.test(incoming.url ?? "");
    const reply = await (isLog ? logs(request) : core.clock.hold(async () => publishing(request)));
    const headers = { "Content-Type": "application/json", Date: new Date(core.clock.now()).toUTCString(), ...reply.headers };
    response.writeHead(reply.status, headers).end(JSON.stringify(reply.body));
  };

  async function logs(request: ApiRequest) {
    if (!isAllowed(request)) return { status: 401, headers: {}, body: { error: "unauthorized: invalid token" } };
    const path = `/v2/${request.path.join("/")}`;
    return answerQuery({ path, query: request.query }, { store: core.store, now: core.clock.now(), cursors, options });
  }

  function publishing(request: ApiRequest): { status: number; headers: Record<string, string>; body: unknown } {
    try {
      if (!isAllowed(request)) throw new Refused(401, "unauthorized: invalid token");
      const answer = answerPublishing(core, request);
      if (answer === undefined) throw new Refused(404, "not found");
      return { status: 200, headers: {}, body: answer.json };
    } catch (error) {
      const status = error instanceof Refused ? error.status : 500;
      return { status, headers: {}, body: { error: error instanceof Error ? error.message : String(error) } };
    }
  }

  function isAllowed({ path, incoming }: ApiRequest): boolean {
    return path[1] === "hooks" || incoming.headers.authorization === `Bearer ${token}`;
  }
}

async function readRequest(incoming: IncomingMessage): Promise<ApiRequest> {
  const target = (incoming.url ?? "/").replace(/^\/v2\//, "");
  const [path = "", query = ""] = target.split(/\?(.*)/s);
  return {
    method: incoming.method ?? "GET",
    path: path.split("/").map(decoded),
    target,
    query: new URLSearchParams(query),
    body: await text(incoming),
    incoming,
  };
}

/** A published URL is raw: its escapes may be anything. */
function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
