import { setTimeout as timer } from "node:timers/promises";
import { createHttpClient } from "../../http/client.ts";
import type { BudgetSnapshot, RunSource } from "../source.ts";
import { createBudget } from "./budget.ts";
import type { UpstashSourceConfig } from "./config.ts";
import { fetchRuns } from "./fetch-runs.ts";
import { createGrouped, type Limits, listRuns } from "./listing.ts";
import { createMessageLog } from "./message-log.ts";
import type { Channel } from "./request.ts";
import { createServerClock } from "./server-clock.ts";
import { createTurns } from "./turns.ts";

export interface UpstashDeps extends Partial<Pick<Channel, "now" | "monotonic" | "random" | "sleep" | "observe">> {
  /** Ask for payloads too; without, the API leaves them out. */
  readonly bodies: boolean;
  readonly userAgent: string;
  readonly limits?: Limits;
}

/** 30 s is what the slowest page took elsewhere several times over; 32 MiB is 10 runs of 3 MiB each. */
const LIMITS: Limits = { deadlineMs: 30_000, maxBodyBytes: 32 * 1024 * 1024 };

const MAX_CONNECTIONS = 64;
/** Longer than the usual poll interval: an idle source does not begin anew each time. */
const KEEP_ALIVE_MS = 30_000;

/** A source that reads Upstash's log API. The contract, and what each method does, stands in source.ts. */
export function createUpstashSource(config: UpstashSourceConfig, deps: UpstashDeps): RunSource {
  const { bodies, limits = LIMITS } = deps;
  const channel = openChannel(config, deps);
  const { http, budget, turns, now, monotonic } = channel;
  const grouped = createGrouped(channel);

  return {
    name: config.name,
    list: (query, purpose, signal) => listRuns(grouped, query, { purpose, bodies, limits }, signal),
    fetch: (keys, purpose, signal) => fetchRuns(grouped, keys, { purpose, bodies, limits }, signal),
    events: createMessageLog(channel, limits),
    budget(): BudgetSnapshot {
      const at = monotonic();
      const paused = budget.paused(at);
      return { ...budget.snapshot(at), pausedUntil: paused > 0 ? now() + paused : undefined };
    },
    refreshSecrets: () => config.token.refresh(),
    async close() {
      turns.close();
      http.close();
    },
  };
}

function openChannel(config: UpstashSourceConfig, deps: UpstashDeps): Channel {
  const { now = Date.now, monotonic = () => performance.now(), random = Math.random, sleep = pause, observe = () => undefined } = deps;
  const budget = createBudget(config.max_requests_per_second);
  const base = new URL(config.url);
  return {
    http: createHttpClient(base, { connections: MAX_CONNECTIONS, keepAliveMs: KEEP_ALIVE_MS }),
    base,
    token: config.token,
    userAgent: deps.userAgent,
    budget,
    turns: createTurns(budget, monotonic, sleep),
    clock: createServerClock(),
    now,
    monotonic,
    random,
    sleep,
    observe,
  };
}

/** Ends early, and without an error, on abort. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await timer(Math.ceil(ms), undefined, { signal }).catch(() => undefined);
}
