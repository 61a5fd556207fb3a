import type { Purpose, RunPage, RunQuery, RunSource } from "../sources/source.ts";
import type { ServerClock } from "./clock.ts";
import { readPages } from "./paging.ts";
import type { Trouble } from "./trouble.ts";
import { finishWindow, learnWidth, type Plan, splitWindow, takeWindow, type Window } from "./windows.ts";

/**
 * Lists windows of the grouped log, several at once, under the source's budget. Their runs are handed over oldest
 * first, as far as that goes: windows begin in the order of time, and a window's pages are held until it is listed.
 * What is handed over is stored by one after the other, while the next windows are being listed.
 */
export interface WindowListing {
  readonly source: Pick<RunSource, "list">;
  readonly server: Pick<ServerClock, "observe">;
  readonly query: Omit<RunQuery, "cursor" | "fromDate" | "toDate">;
  readonly purpose: Purpose;
  /** Windows listed at once. */
  readonly concurrency: number;
  readonly plan: Plan;
  /** `fromDate` and `toDate` compare the time of creation, which is the order of the pages: a window can be cut between two. */
  readonly splits: boolean;
  /** The window that ends here is asked for without an end. */
  readonly openEnd?: number | undefined;
  /** Pages of a window, oldest first; a dense window may come in several parts. One call at a time. */
  readonly store: (window: Window, pages: readonly RunPage[], signal: AbortSignal) => Promise<void>;
  /** Called after everything of a window is stored. */
  readonly onPlan: (plan: Plan) => Promise<void>;
}

export interface WindowsListed {
  readonly plan: Plan;
  readonly trouble?: Trouble;
}

/** A window's pages are held in memory up to so many. */
const MOST_PAGES = 16;
/** A window is shared with a worker that has none if it has so many pages left. */
const WORTH_SHARING = 4;
/** Windows that wait to be stored; whoever comes with the next one waits. */
const MOST_WAITING = 4;
/** So often one window begins again because its cursor expired. */
const RESTARTS = 3;
/** Asked for beyond both edges, in ms: should a bound not be inclusive after all, no run is lost. */
const OVERLAP_MS = 1;

/** What all workers of one listing share. */
interface Board {
  readonly listing: WindowListing;
  readonly stop: AbortController;
  plan: Plan;
  /** Workers that list a window, and those that have none. */
  listed: number;
  idle: number;
  /** The last hand-over, and how many wait. */
  stored: Promise<void>;
  waiting: number;
  trouble?: Trouble;
  changed: PromiseWithResolvers<void>;
}

/** Ends with a trouble where something could not be listed; `plan` then has what is left. Throws what `store` throws. */
export async function listWindows(listing: WindowListing, signal: AbortSignal): Promise<WindowsListed> {
  const { plan, concurrency } = listing;
  const stop = new AbortController();
  const onAbort = () => stop.abort();
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort, { once: true });
  const board: Board = {
    listing,
    stop,
    plan,
    listed: 0,
    idle: 0,
    stored: Promise.resolve(),
    waiting: 0,
    changed: Promise.withResolvers(),
  };
  try {
    await Promise.all(Array.from({ length: concurrency }, () => work(board)));
    await board.stored;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
  if (signal.aborted) return { plan: board.plan, trouble: { kind: "aborted", message: "stopped" } };
  return { plan: board.plan, ...(board.trouble && { trouble: board.trouble }) };
}

/** One worker: takes windows until there is nothing left to be had, also of the others' windows. */
async function work(board: Board): Promise<void> {
  while (!board.stop.signal.aborted) {
    const taken = takeWindow(board.plan, board.listing.concurrency);
    if (taken === undefined) {
      if (board.listed === 0) return tell(board);
      board.idle += 1;
      await board.changed.promise;
      board.idle -= 1;
      continue;
    }
    board.plan = taken.plan;
    board.listed += 1;
    try {
      await listWindow(board, taken.window);
    } catch (error) {
      board.stop.abort();
      throw error;
    } finally {
      board.listed -= 1;
      tell(board);
    }
  }
}

/** Whoever waits for a window looks again. */
function tell(board: Board): void {
  board.changed.resolve();
  board.changed = Promise.withResolvers();
}

async function listWindow(board: Board, whole: Window): Promise<void> {
  const { listing, stop } = board;
  let window = whole;
  let held: RunPage[] = [];
  let pages = 0;
  let runs = 0;
  const { trouble } = await readPages(
    listing.source,
    {
      query: { ...listing.query, ...datesOf(listing, whole) },
      purpose: listing.purpose,
      restarts: RESTARTS,
      onRestart() {
        held = [];
        pages = 0;
        runs = 0;
      },
      async visit(reply) {
        listing.server.observe(reply.serverTime);
        held.push(reply.value);
        pages += 1;
        runs += reply.value.runs.length;
        if (reply.value.cursor === undefined) return true;
        const low = reply.value.runs.reduce((lowest, run) => Math.min(lowest, run.createdAt), Number.POSITIVE_INFINITY);
        if (listing.splits && isWorthSplitting(board, window, low, pages)) {
          ({ plan: board.plan, window } = splitWindow(board.plan, window, low, runs));
          return true;
        }
        if (held.length >= MOST_PAGES) await handOver(board, window, held.splice(0), false);
        return false;
      },
    },
    stop.signal,
  );
  if (trouble !== undefined) {
    board.trouble ??= trouble;
    return stop.abort();
  }
  if (window === whole) board.plan = learnWidth(board.plan, window, runs);
  else tell(board);
  await handOver(board, window, held, true);
}

/** @param low creation of the oldest run seen so far */
function isWorthSplitting({ idle }: Board, window: Window, low: number, pages: number): boolean {
  if (!(low >= window.from && low < window.to)) return false;
  const left = (pages * (low - window.from)) / (window.to - low);
  return pages >= MOST_PAGES || (idle > 0 && left >= WORTH_SHARING);
}

function datesOf({ openEnd }: WindowListing, { from, to }: Window): Pick<RunQuery, "fromDate" | "toDate"> {
  return { fromDate: from - OVERLAP_MS, ...(to !== openEnd && { toDate: to + OVERLAP_MS }) };
}

/** Behind what others have handed over; at most so many wait. */
async function handOver(board: Board, window: Window, pages: readonly RunPage[], isWhole: boolean): Promise<void> {
  const { listing, stop } = board;
  board.waiting += 1;
  const turn = board.stored.then(async () => {
    await listing.store(window, pages.toReversed(), stop.signal);
    board.waiting -= 1;
    if (!isWhole || stop.signal.aborted) return;
    board.plan = finishWindow(board.plan, window);
    await listing.onPlan(board.plan);
  });
  board.stored = turn;
  turn.catch(() => stop.abort()); // told by whoever waits for it, in the end by the listing itself
  if (board.waiting > MOST_WAITING) await turn;
}
