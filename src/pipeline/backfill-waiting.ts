import type { RunKey } from "../model/run.ts";
import type { WatchedRun } from "../state/store.ts";
import { type BackfillWork, collectRuns, waitForRoom } from "./backfill-page.ts";

/**
 * Runs of the range that could not be sent when they were met: an ancestor could not be asked for, a verdict on their
 * tree needed what came later, or the disk was full. Now that everything is listed they are asked for once.
 */

const PER_REQUEST = 10;
const WAITING: readonly WatchedRun["watch"]["reason"][] = ["ancestor", "verdict", "room", "refetch"];

/** How many of them go on waiting. @throws StoreError */
export async function settleWaiting(work: BackfillWork, signal: AbortSignal): Promise<number> {
  const keys = await waitingRuns(work);
  for (let from = 0; from < keys.length && !signal.aborted; from += PER_REQUEST) {
    const { context } = work.reader;
    await waitForRoom(context, signal);
    const reply = await work.source.fetch(keys.slice(from, from + PER_REQUEST), "backfill", signal);
    if (reply.kind !== "ok") break;
    context.server.observe(reply.serverTime);
    await collectRuns(work, reply.value.runs, reply.value.unreadable, context.server.now(), signal);
  }
  return keys.length === 0 ? 0 : (await waitingRuns(work)).length;
}

/** Those of the range that wait, oldest first. */
async function waitingRuns({ reader: { context }, args }: Pick<BackfillWork, "reader" | "args">): Promise<readonly RunKey[]> {
  const watched = await context.store.dueRuns(context.source.name, Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
  const waiting = watched.filter(({ key, phase, watch }) => {
    return phase === "waiting" && WAITING.includes(watch.reason) && key.createdAt >= args.from && key.createdAt <= args.to;
  });
  return waiting.map(({ key }) => key).toSorted((a, b) => a.createdAt - b.createdAt);
}
