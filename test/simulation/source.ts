import type { Clock } from "../../src/pipeline/clock.ts";
import type { EventPage, FetchedRuns, Purpose, Reply, RunPage, RunSource } from "../../src/sources/source.ts";
import { createBudget } from "../../src/sources/upstash/budget.ts";
import { createTurns } from "../../src/sources/upstash/turns.ts";
import { runOf } from "../support/log-api.ts";
import { EVENTS_PER_RUN, indexOf, type NumberedEvent, RETENTION_MS, type Stream } from "./stream.ts";

/** The log API over a stream of runs, behind the source's real request budget, on virtual time. */
export interface SimulatedSource extends RunSource {
  /** Requests sent so far, by purpose. */
  readonly requests: Partial<Record<Purpose, number>>;
}

const RUNS_PER_PAGE = 10;
const EVENTS_PER_PAGE = 1_000;

export function simulatedSource(
  stream: Stream,
  clock: Clock,
  { requestsPerSecond, latency, feed }: { requestsPerSecond: number; latency: number; feed: boolean },
): SimulatedSource {
  const budget = createBudget(requestsPerSecond);
  const turns = createTurns(budget, clock.monotonic, clock.sleep);
  const requests: Partial<Record<Purpose, number>> = {};

  async function answer<T>(purpose: Purpose, signal: AbortSignal, page: (now: number) => T | undefined): Promise<Reply<T>> {
    const turn = await turns.take(purpose, signal);
    if (turn.kind !== "granted") return { kind: "aborted" };
    requests[purpose] = (requests[purpose] ?? 0) + 1;
    await clock.sleep(latency, signal);
    if (signal.aborted) return { kind: "aborted" };
    const value = page(clock.now());
    if (value === undefined) return { kind: "refused", reason: "not_found", message: "not found" };
    return { kind: "ok", value, serverTime: Math.floor(clock.now() / 1_000) * 1_000 };
  }

  return {
    name: "eu",
    requests,
    list: ({ cursor, state }, purpose, signal) => answer(purpose, signal, (now) => listed(stream, now, cursor, state)),
    fetch: (keys, purpose, signal) =>
      answer<FetchedRuns>(purpose, signal, (now) => {
        if (keys.length > RUNS_PER_PAGE) throw new Error("more runs than one request takes");
        return { runs: keys.map((key) => runOf(stream.program(indexOf(key.id)), now)), unreadable: [], refused: [] };
      }),
    events: ({ cursor }, purpose, signal) => answer(purpose, signal, (now) => (feed ? eventPage(stream, now, cursor) : undefined)),
    budget: () => budget.snapshot(clock.monotonic()),
    refreshSecrets: () => false,
    close: async () => turns.close(),
  };
}

/** The cursor is the number of the last run of the page before. */
function listed(stream: Stream, now: number, cursor: string | undefined, state: string | undefined): RunPage {
  const oldest = stream.indexAt(now - RETENTION_MS);
  const runs: RunPage["runs"][number][] = [];
  let index = cursor === undefined ? Math.min(stream.count, stream.indexAt(now + 1)) : Number(cursor);
  while (index > oldest && runs.length < RUNS_PER_PAGE) {
    index -= 1;
    const run = runOf(stream.program(index), now);
    if (state === undefined || run.state === state) runs.push(run);
  }
  return { runs, unreadable: [], ...(index > oldest && { cursor: String(index) }) };
}

/** The cursor is the place of the last event of the page before. */
function eventPage(stream: Stream, now: number, cursor: string | undefined): EventPage {
  const [to = now, index = 0, position = 0] = cursor?.split("-").map(Number) ?? [];
  const after = { time: to, index, position };
  const oldest = now - RETENTION_MS;
  for (let span = (1_100 * EVENTS_PER_PAGE) / (stream.rate * EVENTS_PER_RUN); ; span *= 2) {
    const from = Math.max(oldest, Math.floor(to - span));
    const all = stream.events(from, to).filter((event) => cursor === undefined || order(after, event) < 0);
    if (all.length <= EVENTS_PER_PAGE && from > oldest) continue;
    const events = all.sort(order).slice(0, EVENTS_PER_PAGE);
    const last = events.at(-1);
    const next = last && `${last.time}-${last.index}-${last.position}`;
    return { events, unreadable: [], ...(next !== undefined && all.length > events.length && { cursor: next }) };
  }
}

type Place = Pick<NumberedEvent, "time" | "index" | "position">;

const order = (a: Place, b: Place): number => b.time - a.time || b.index - a.index || b.position - a.position;
