import type { RunKey } from "../model/run.ts";
import type { WatchedRun } from "../state/store.ts";
import { type BackfillWork, collectRuns, isWanted, waitForRoom } from "./backfill-page.ts";

/**
 * Runs of the range that could not be sent when they were met: an ancestor could not be asked for, a verdict on their
 * tree needed what came later, or the disk was full. Now that everything is listed they are asked for once.
 */

const PER_REQUEST = 10;
const WAITING: readonly WatchedRun["watch"]["reason"][] = ["ancestor", "verdict", "room", "refetch"];

/** Afterwards `counts.waiting` says how many go on waiting. @throws StoreError */
export async function settleWaiting(work: BackfillWork, signal: AbortSignal): Promise<void> {
  const { reader, counter, args } = work;
  const { context } = reader;
  const keys = await waitingRuns(work);
  let waiting = 0;
  for (let from = 0; from < keys.length; from += PER_REQUEST) {
    await waitForRoom(context, signal);
    const batch = keys.slice(from, from + PER_REQUEST);
    const reply = await work.source.fetch(batch, "backfill", signal);
    if (reply.kind !== "ok") return; // those that are not asked for wait, as was counted when they were met
    context.server.observe(reply.serverTime);
    const runs = reply.value.runs.filter((run) => isWanted(args, run));
    const { waiting: again, ...settled } = await collectRuns(work, runs, reply.value.unreadable, context.server.now(), signal);
    waiting += again + batch.length - reply.value.runs.length;
    counter.add({ ...settled, waiting: again - runs.length });
  }
  // the rest was collected meanwhile: by the running bridge, or before this was stopped and begun again
  const rest = counter.total().waiting - waiting;
  counter.add(rest > 0 ? { waiting: -rest, queued: rest } : { waiting: -rest, runs: -rest });
}

/** Those of the range that wait, oldest first. */
async function waitingRuns({ reader: { context }, args }: Pick<BackfillWork, "reader" | "args">): Promise<readonly RunKey[]> {
  const watched = await context.store.dueRuns(context.source.name, Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
  const waiting = watched.filter(({ key, phase, watch }) => {
    return phase === "waiting" && WAITING.includes(watch.reason) && key.createdAt >= args.from && key.createdAt <= args.to;
  });
  return waiting.map(({ key }) => key).toSorted((a, b) => a.createdAt - b.createdAt);
}
