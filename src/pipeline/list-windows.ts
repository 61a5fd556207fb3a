import type { Millis } from "../model/run.ts";
import type { Purpose, RunPage, RunQuery, RunSource } from "../sources/source.ts";
import type { ServerClock } from "./clock.ts";
import { readPages } from "./paging.ts";
import type { Trouble } from "./trouble.ts";
import {
  addWindows,
  finishWindow,
  learnWidth,
  type Plan,
  RUNS_PER_WINDOW,
  shareWindow,
  splitWindow,
  takeWindow,
  type Window,
  widthOf,
} from "./windows.ts";

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
  /** The rest of it, where that has to be found out first; nothing is stored before. */
  readonly later?: Promise<readonly Window[]>;
  /** `fromDate` and `toDate` compare the time of creation, which is the order of the pages: a window can be cut between two. */
  readonly splits: () => boolean;
  /** The window that ends here is asked for without an end. */
  readonly openEnd?: () => number | undefined;
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
const WORTH_SHARING = 3;
const PAGES_PER_WINDOW = RUNS_PER_WINDOW / 10;
/** Windows that wait to be stored; whoever comes with the next one waits. */
const MOST_WAITING = 4;
/** So often one window begins again because its cursor expired. */
const RESTARTS = 3;
/** Asked for beyond both edges, in ms: should a bound not be inclusive after all, no run is lost. */
export const OVERLAP_MS = 1;

/** A window that is being listed: newest first, and so far down to `low`. */
interface Listed {
  /** Begins later once another worker has taken its older half. */
  window: Window;
  low: Millis;
  pages: number;
  runs: number;
}

/** What all workers of one listing share. */
interface Board {
  readonly listing: WindowListing;
  readonly stop: AbortController;
  plan: Plan;
  /** Nothing is added to it any more. */
  isWhole: boolean;
  readonly listed: Set<Listed>;
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
    isWhole: false,
    listed: new Set(),
    stored: Promise.resolve(),
    waiting: 0,
    changed: Promise.withResolvers(),
  };
  board.stored = completePlan(board);
  board.stored.catch(() => undefined); // told below
  try {
    await Promise.all(Array.from({ length: concurrency }, () => work(board)));
    await board.stored;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
  if (signal.aborted) return { plan: board.plan, trouble: { kind: "aborted", message: "stopped" } };
  return { plan: board.plan, ...(board.trouble && { trouble: board.trouble }) };
}

async function completePlan(board: Board): Promise<void> {
  try {
    const windows = await board.listing.later;
    board.plan = addWindows(board.plan, windows ?? []);
  } catch (error) {
    board.stop.abort();
    throw error;
  } finally {
    board.isWhole = true;
    tell(board);
  }
}

/** One worker: takes windows until there is nothing left to be had, also of the others' windows. */
async function work(board: Board): Promise<void> {
  while (!board.stop.signal.aborted) {
    const taken = takeWindow(board.plan, board.listing.concurrency) ?? takeShare(board);
    if (taken === undefined) {
      if (board.listed.size === 0 && board.isWhole) return tell(board);
      await board.changed.promise;
      continue;
    }
    board.plan = taken.plan;
    const listed = { window: taken.window, low: Number.POSITIVE_INFINITY, pages: 0, runs: 0 };
    board.listed.add(listed);
    try {
      await listWindow(board, listed);
    } catch (error) {
      board.stop.abort();
      throw error;
    } finally {
      board.listed.delete(listed);
      tell(board);
    }
  }
}

/** The older half of what another worker has left; undefined where none has enough. */
function takeShare(board: Board): { readonly plan: Plan; readonly window: Window } | undefined {
  if (!board.listing.splits()) return undefined;
  const left = (one: Listed) => pagesLeft(one, board.plan);
  const [most] = [...board.listed].sort((a, b) => left(b) - left(a));
  if (most === undefined || left(most) < WORTH_SHARING) return undefined;
  const { plan, window, shared } = shareWindow(board.plan, most.window, Math.min(most.low, most.window.to));
  most.window = window;
  return { plan, window: shared };
}

/** As far as what was listed of it tells; of one that has just begun, what the plan expects. One moment cannot be cut. */
function pagesLeft({ window, low, pages }: Listed, { width }: Plan): number {
  if (Math.min(low, window.to) <= window.from) return 0;
  return low < window.to ? (pages * (low - window.from)) / (window.to - low) : (PAGES_PER_WINDOW * widthOf(window)) / width;
}

/** Whoever waits for a window looks again. */
function tell(board: Board): void {
  board.changed.resolve();
  board.changed = Promise.withResolvers();
}

async function listWindow(board: Board, listed: Listed): Promise<void> {
  const { listing, stop } = board;
  const whole = listed.window;
  let held: RunPage[] = [];
  const { trouble } = await readPages(
    listing.source,
    {
      query: { ...listing.query, ...datesOf(listing, whole) },
      purpose: listing.purpose,
      restarts: RESTARTS,
      onRestart() {
        held = [];
        Object.assign(listed, { low: Number.POSITIVE_INFINITY, pages: 0, runs: 0 });
      },
      async visit(reply) {
        listing.server.observe(reply.serverTime);
        held.push(reply.value);
        note(listed, reply.value);
        if (reply.value.cursor === undefined || (listing.splits() && listed.low < listed.window.from)) return true;
        if (listing.splits() && isDense(listed)) {
          ({ plan: board.plan, window: listed.window } = splitWindow(board.plan, listed.window, listed.low, listed.runs));
          return true;
        }
        tell(board);
        if (held.length >= MOST_PAGES) await handOver(board, listed.window, held.splice(0), false);
        return false;
      },
    },
    stop.signal,
  );
  if (trouble !== undefined) {
    board.trouble ??= trouble;
    return stop.abort();
  }
  if (listed.window === whole) board.plan = learnWidth(board.plan, whole, listed.runs);
  board.listed.delete(listed);
  tell(board);
  await handOver(board, listed.window, held, true);
}

function note(listed: Listed, { runs }: RunPage): void {
  listed.pages += 1;
  listed.runs += runs.length;
  listed.low = runs.reduce((lowest, run) => Math.min(lowest, run.createdAt), listed.low);
}

/** Too much of it to be held: what is older is a window of its own. */
function isDense({ window, low, pages }: Listed): boolean {
  return pages >= MOST_PAGES && low >= window.from && low < window.to;
}

function datesOf({ openEnd }: WindowListing, { from, to }: Window): Pick<RunQuery, "fromDate" | "toDate"> {
  return { fromDate: from - OVERLAP_MS, ...(to !== openEnd?.() && { toDate: to + OVERLAP_MS }) };
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
