import type { RunKey, WorkflowRun } from "../../model/run.ts";
import type { FetchedRuns, Purpose, Reply, RunPage, UnreadableEntry } from "../source.ts";
import { type AskGrouped, decodePage, type Limits } from "./listing.ts";
import { batches, fitsBatch, keysQuery, keyText, runsQuery } from "./query.ts";
import { readLog } from "./read.ts";

/** Runs by their keys, in as few requests as the API's limits allow. */

type Refused = FetchedRuns["refused"][number];
type Failure = Exclude<Reply<never>, { kind: "ok" }>;
/** Pages of one batch: all of them, or why not. */
type Pages = { readonly kind: "ok"; readonly value: RunPage[]; readonly serverTime?: number } | Failure;

export interface FetchSettings {
  readonly purpose: Purpose;
  readonly bodies: boolean;
  readonly limits: Limits;
}

/**
 * A batch that the API refuses (400), or whose answer is over the size limit even without bodies, is
 * halved until the offender is alone; the others are fetched. A failure of another kind is the reply for
 * all, so ask for no more keys at once than may be asked for again.
 */
export async function fetchRuns(
  grouped: AskGrouped,
  keys: readonly RunKey[],
  settings: FetchSettings,
  signal: AbortSignal,
): Promise<Reply<FetchedRuns>> {
  const asked = new Set(keys.map(keyText));
  const runs = new Map<string, WorkflowRun>();
  const unreadable: UnreadableEntry[] = [];
  const unaskable = keys.filter((key) => !key.id.isWellFormed());
  const refused = unaskable.map((key): Refused => ({ key, reason: "bad_request", message: "its id cannot be written in a URL" }));
  let serverTime: number | undefined;
  const queue = batches(keys.filter((key) => key.id.isWellFormed()));

  for (let batch = queue.shift(); batch !== undefined; batch = queue.shift()) {
    const pages = await fetchBatch(grouped, batch, settings, signal);
    if (pages.kind === "ok") {
      serverTime = pages.serverTime;
      for (const run of pages.value.flatMap((page) => page.runs)) if (asked.has(keyText(run))) runs.set(keyText(run), run);
      for (const entry of pages.value.flatMap((page) => page.unreadable)) unreadable.push({ ...entry, position: unreadable.length });
      continue;
    }
    if (pages.kind !== "refused" || (pages.reason !== "bad_request" && pages.reason !== "too_large")) return pages;
    const [key] = batch;
    if (batch.length > 1) queue.unshift(batch.slice(0, batch.length / 2), batch.slice(batch.length / 2));
    else if (key !== undefined) refused.push({ key, reason: pages.reason, message: pages.message });
  }
  return { kind: "ok", value: { runs: [...runs.values()], unreadable, refused }, serverTime };
}

/** One batch as asked; where that is too large, without bodies; where a lone key is refused in a list, by its filters. */
async function fetchBatch(grouped: AskGrouped, batch: readonly RunKey[], settings: FetchSettings, signal: AbortSignal): Promise<Pages> {
  const [key, ...others] = batch;
  const alone = key !== undefined && others.length === 0;
  const inList = (bodies: boolean, cursor?: string) => keysQuery(batch, cursor, bodies);
  const byFilters = (bodies: boolean, cursor?: string) =>
    runsQuery({ workflowRunId: key?.id, workflowCreatedAt: key?.createdAt, cursor }, bodies);
  const forms = !alone ? [inList] : fitsBatch(key) ? [inList, byFilters] : [byFilters];
  let pages: Pages = { kind: "aborted" };
  for (const form of forms) {
    for (const bodies of settings.bodies ? [true, false] : [false]) {
      const leftOut = settings.bodies && !bodies;
      pages = await followPages(grouped, batch, { ...settings, leftOut, query: (cursor) => form(bodies, cursor) }, signal);
      if (pages.kind !== "refused" || pages.reason !== "too_large") break;
    }
    if (pages.kind !== "refused" || pages.reason !== "bad_request") break;
  }
  return pages;
}

/** Pages until every key was seen or there are no more; never more than there are keys, so that a cursor in a circle ends. */
async function followPages(
  grouped: AskGrouped,
  batch: readonly RunKey[],
  { purpose, limits, leftOut, query }: FetchSettings & { leftOut: boolean; query: (cursor?: string) => string },
  signal: AbortSignal,
): Promise<Pages> {
  const read = readLog(limits.maxBodyBytes, ["runs", "empty"]);
  const missing = new Set(batch.map(keyText));
  const pages: RunPage[] = [];
  let serverTime: number | undefined;
  for (let cursor: string | undefined; pages.length <= batch.length; ) {
    const reply = await grouped(query(cursor), { purpose, deadlineMs: limits.deadlineMs, read }, signal);
    if (reply.kind !== "ok") return reply;
    const page = decodePage(reply.value, leftOut);
    pages.push(page);
    serverTime = reply.serverTime;
    for (const run of page.runs) missing.delete(keyText(run));
    cursor = page.cursor;
    if (cursor === undefined || missing.size === 0) break;
  }
  return { kind: "ok", value: pages, serverTime };
}
