import type { Purpose, Reply, RunPage, RunQuery } from "../source.ts";
import { decodeRunsBody } from "./decode.ts";
import { RUNS_PER_PAGE, runsQuery } from "./query.ts";
import { readIdentities, readLog } from "./read.ts";
import { type Ask, ask, type Channel } from "./request.ts";

/** The grouped log: which of its two paths this API has, and pages that are too large. */

export interface Limits {
  /** Of one request, in ms. */
  readonly deadlineMs: number;
  /** Of one body, decompressed. */
  readonly maxBodyBytes: number;
}

/** Asks the grouped log by a query string, on the path that this API has. */
export type AskGrouped = <Value>(query: string, ask: Omit<Ask<Value>, "path">, signal: AbortSignal) => Promise<Reply<Value>>;

/** The documented path, and the one the official JS client asks. */
const PATHS = ["/v2/workflows/logs?", "/v2/workflows/events?groupBy=workflowRunId&"] as const;

/** A run over the limit takes as long as it takes, within this many deadlines. */
const DEADLINES_OF_A_SCAN = 10;

/** Where a path answers 404 the other one is tried, and stays if it answers. */
export function createGrouped(channel: Channel): AskGrouped {
  let known = 0;
  return async (query, request, signal) => {
    const reply = await ask(channel, { ...request, path: `${PATHS[known]}${query}` }, signal);
    if (reply.kind !== "refused" || reply.reason !== "not_found") return reply;
    const other = 1 - known;
    const second = await ask(channel, { ...request, path: `${PATHS[other]}${query}` }, signal);
    if (second.kind === "refused" && second.reason === "not_found") return reply;
    if (second.kind === "ok") known = other;
    return second;
  };
}

/**
 * One page. Where it is over the size limit it is asked for without bodies, then with fewer runs: the
 * shorter page starts at the same place and its cursor goes on right behind it, so no run is skipped. A
 * lone run over the limit is reported in `unreadable` by its key.
 */
export async function listRuns(
  grouped: AskGrouped,
  query: RunQuery,
  { purpose, bodies, limits }: { purpose: Purpose; bodies: boolean; limits: Limits },
  signal: AbortSignal,
): Promise<Reply<RunPage>> {
  const read = readLog(limits.maxBodyBytes, ["runs", "empty"]);
  for (const smaller of smallerForms(query.count ?? RUNS_PER_PAGE, bodies)) {
    const text = runsQuery({ ...query, count: smaller.count }, smaller.bodies);
    const reply = await grouped(text, { purpose, deadlineMs: limits.deadlineMs, read }, signal);
    if (reply.kind === "ok") return { ...reply, value: decodePage(reply.value, bodies && !smaller.bodies) };
    if (reply.kind !== "refused" || reply.reason !== "too_large") return reply;
  }
  const scan = { purpose, deadlineMs: limits.deadlineMs * DEADLINES_OF_A_SCAN, read: readIdentities(limits.maxBodyBytes) };
  const reply = await grouped(runsQuery({ ...query, count: 1 }, false), scan, signal);
  return reply.kind === "ok" ? { ...reply, value: { runs: [], ...reply.value } } : reply;
}

/** A page that had to be asked for without the bodies that are wanted says so in each run's oddities. */
export function decodePage(body: unknown, bodiesLeftOut: boolean): RunPage {
  const page = decodeRunsBody(body);
  if (!bodiesLeftOut) return page;
  return { ...page, runs: page.runs.map((run) => ({ ...run, oddities: [...run.oddities, "bodies:dropped"] })) };
}

function smallerForms(count: number, bodies: boolean): { count: number; bodies: boolean }[] {
  const counts = [count, ...[5, 2, 1].filter((fewer) => fewer < count)].map((fewer) => ({ count: fewer, bodies: false }));
  return bodies ? [{ count, bodies: true }, ...counts] : counts;
}
