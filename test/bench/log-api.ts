import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Story } from "./story.ts";

/** The log API over a history of thousands of runs, at next to no cost to itself: what is measured is who asks. */

export interface History {
  /** Ascending by `createdAt`. */
  readonly runs: readonly HistoryRun[];
}

export interface HistoryRun {
  readonly id: string;
  readonly createdAt: number;
  readonly story: Story;
}

export interface LogApiOptions {
  readonly history: History;
  /** Before each answer, in ms. */
  readonly latencyMs?: number;
  /** Without it every path of the message log answers 404. */
  readonly messageLog?: boolean;
  /** Answers nothing but 503 while it is true. */
  readonly isDown?: () => boolean;
  readonly onRequest?: (path: string, query: URLSearchParams) => void;
}

export interface LogApi {
  readonly url: string;
  readonly token: string;
  /** Answered so far: pages of the grouped log that were listed, runs asked for by id, pages of the message log. */
  readonly requests: { listed: number; byId: number; events: number };
  readonly bytes: () => number;
  close(): Promise<void>;
}

const RUNS_PER_PAGE = 10;
const EVENTS_PER_PAGE = 1_000;
export const TOKEN = "bench-token";

export const endsAt = ({ createdAt, story }: HistoryRun): number => createdAt + story.durationMs;

/** `count` runs, one every `everyMs`, the last created at `newest`; their stories in turn. */
export function historyOf(count: number, everyMs: number, newest: number, stories: readonly Story[]): History {
  const runs = Array.from({ length: count }, (_, index) => ({
    id: `wfr_${String(index).padStart(21, "0")}`,
    createdAt: Math.floor(newest - (count - 1 - index) * everyMs),
    story: stories[index % stories.length] as Story,
  }));
  return { runs };
}

export async function startLogApi(options: LogApiOptions): Promise<LogApi> {
  const requests = { listed: 0, byId: 0, events: 0 };
  let bytes = 0;
  const answer = answers(options, requests);
  const server = createServer((request, response) => void respond(request, response));

  async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    request.resume();
    const url = new URL(request.url ?? "/", "http://127.0.0.1");
    options.onRequest?.(url.pathname, url.searchParams);
    if (options.latencyMs) await sleep(options.latencyMs);
    const body = options.isDown?.() ? undefined : answer(url.pathname, url.searchParams, Date.now());
    bytes += body?.length ?? 0;
    response.writeHead(body === undefined ? (options.isDown?.() ? 503 : 404) : 200, { "content-type": "application/json" });
    response.end(body ?? '{"error":"not found"}');
  }

  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    token: TOKEN,
    requests,
    bytes: () => bytes,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** The body of an answer, or undefined where there is nothing at that path. */
function answers({ history: { runs }, messageLog = false }: LogApiOptions, requests: LogApi["requests"]) {
  const places = new Map(runs.map(({ id }, index) => [id, index]));
  const events = messageLog ? allEvents(runs) : [];
  return (path: string, query: URLSearchParams, now: number): string | undefined => {
    const grouped = path === "/v2/workflows/logs" || query.get("groupBy") === "workflowRunId";
    if (grouped && query.has("workflowRuns")) {
      requests.byId += 1;
      return byId(runs, places, query.get("workflowRuns") ?? "", now);
    }
    if (grouped) {
      requests.listed += 1;
      return listed(runs, query, now);
    }
    if (!messageLog || path !== "/v2/workflows/messageLogs") return undefined;
    requests.events += 1;
    const run = query.get("workflowRunId");
    return run === null ? eventPage(runs, events, query, now) : eventsOf(runs[places.get(run) ?? -1], now);
  };
}

const runText = ({ id, createdAt, story }: HistoryRun, now: number) => story.run(id, createdAt, now - createdAt);

function byId(runs: readonly HistoryRun[], places: ReadonlyMap<string, number>, wanted: string, now: number): string {
  const found = wanted.split(",").flatMap((key) => runs[places.get(key.slice(0, key.lastIndexOf("@"))) ?? -1] ?? []);
  return `{"runs":[${found.map((run) => runText(run, now)).join(",")}]}`;
}

/** Under the reading by creation. The cursor is the place of the last run of the page before. */
function listed(runs: readonly HistoryRun[], query: URLSearchParams, now: number): string {
  const count = Math.min(RUNS_PER_PAGE, Number(query.get("count") ?? RUNS_PER_PAGE));
  const from = Number(query.get("fromDate") ?? 0);
  const to = Math.min(now, Number(query.get("toDate") ?? now));
  const state = query.get("state");
  let index = query.get("cursor") ? Number(query.get("cursor")) : countUntil(runs, (run) => run.createdAt <= to);
  const page: string[] = [];
  while (index > 0 && page.length < count) {
    index -= 1;
    const run = runs[index];
    if (run === undefined || run.createdAt < from) {
      index = 0;
    } else if (state === null || (state === "RUN_STARTED") === endsAt(run) > now) {
      page.push(runText(run, now));
    }
  }
  const more = index > 0 && (runs[index - 1]?.createdAt ?? 0) >= from;
  return `{${more ? `"cursor":"${index}",` : ""}"runs":[${page.join(",")}]}`;
}

interface Place {
  readonly time: number;
  readonly run: number;
  readonly event: number;
}

function allEvents(runs: readonly HistoryRun[]): Place[] {
  const all = runs.flatMap(({ createdAt, story }, run) =>
    story.events.map(({ offset }, event) => ({ time: createdAt + offset, run, event })),
  );
  return all.sort((a, b) => a.time - b.time || a.run - b.run || a.event - b.event);
}

function eventPage(runs: readonly HistoryRun[], events: readonly Place[], query: URLSearchParams, now: number): string {
  const count = Math.min(EVENTS_PER_PAGE, Number(query.get("count") ?? EVENTS_PER_PAGE));
  const from = countUntil(events, (event) => event.time < Number(query.get("fromDate") ?? 0));
  const to = Math.min(now, Number(query.get("toDate") ?? now));
  const end = query.get("cursor") ? Number(query.get("cursor")) : countUntil(events, (event) => event.time <= to);
  const start = Math.max(from, end - count);
  const texts = events.slice(start, end).map(({ run, event }) => {
    const { id, createdAt, story } = runs[run] as HistoryRun;
    return story.events[event]?.text(id, createdAt);
  });
  return `{${start > from ? `"cursor":"${start}",` : ""}"events":[${texts.reverse().join(",")}]}`;
}

/** All of one run, as far as it has come: fewer than a page. */
function eventsOf(run: HistoryRun | undefined, now: number): string {
  const past = run?.story.events.filter(({ offset }) => run.createdAt + offset <= now) ?? [];
  return `{"events":[${past
    .map(({ text }) => run && text(run.id, run.createdAt))
    .reverse()
    .join(",")}]}`;
}

/** How many of the first are so (binary search). */
function countUntil<T>(items: readonly T[], isSo: (item: T) => boolean): number {
  let [low, high] = [0, items.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isSo(items[middle] as T)) low = middle + 1;
    else high = middle;
  }
  return low;
}
