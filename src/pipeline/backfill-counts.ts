import { endOf, isTerminal, keyOf, type WorkflowRun } from "../model/run.ts";
import type { DateReading } from "../state/source-state.ts";
import { OVERLAP_MS } from "./list-windows.ts";
import type { Plan, Window } from "./windows.ts";

/**
 * What a backfill has seen and done. It is counted by window, and a window's counts are added to the total when all of
 * it is stored: whoever goes on after a kill lists the other windows again, and counts them then.
 */

/** `runs` is the sum of `running`, `known`, `queued`, `excluded` and `waiting`: each run of the range counts once. */
export interface BackfillCounts {
  /** In the range, and as the user asked for. */
  readonly runs: number;
  /** Of those: not ended yet. */
  readonly running: number;
  /** Had been collected before, and is not sent again. */
  readonly known: number;
  /** Put into the queue. */
  readonly queued: number;
  /** By a rule of the user's. */
  readonly excluded: number;
  /** For another run, or for room: not sent yet. */
  readonly waiting: number;
  /** Entries that are no run; runs that the API shows and does not give. */
  readonly unreadable: number;
  readonly lost: number;
  /** Spans that were queued, with those of runs that were fetched because they invoked others. */
  readonly spans: number;
}

export const NO_COUNTS: BackfillCounts = {
  runs: 0,
  running: 0,
  known: 0,
  queued: 0,
  excluded: 0,
  waiting: 0,
  unreadable: 0,
  lost: 0,
  spans: 0,
};

export interface Counter {
  /** Of all windows that are finished. */
  readonly total: () => BackfillCounts;
  /** The counts of a window, whose pages may come in several parts. */
  readonly of: (window: Window) => WindowCounts;
  /** All is stored of windows that are no longer active. */
  readonly finish: (active: Plan["active"]) => void;
  readonly add: (counts: Partial<BackfillCounts>) => void;
}

export interface WindowCounts {
  readonly add: (counts: Partial<BackfillCounts>) => void;
  /** Counts these runs, and gives those of them that were not dealt with before: a page may come twice, and a run in several windows. */
  readonly fresh: (runs: readonly WorkflowRun[]) => WorkflowRun[];
}

/** By key, whether it had ended. */
type Seen = Map<string, boolean>;

interface Tally {
  counts: BackfillCounts;
  readonly seen: Seen;
}

/** @param begun what was counted before this process */
export function createCounter(dates: DateReading | undefined, begun: Partial<BackfillCounts> = {}): Counter {
  let total = sumOf(NO_COUNTS, begun);
  /** By the window's end, which stays when its older part is given to others. */
  const open = new Map<number, Tally>();
  const elsewhere: Seen = new Map();
  return {
    total: () => total,
    add(counts) {
      total = sumOf(total, counts);
    },
    of(window) {
      const tally = open.get(window.to) ?? { counts: NO_COUNTS, seen: new Map() };
      open.set(window.to, tally);
      const add = (counts: Partial<BackfillCounts>) => {
        tally.counts = sumOf(tally.counts, counts);
      };
      return {
        add,
        fresh(runs) {
          const before = (run: WorkflowRun) => tally.seen.get(keyOf(run)) ?? elsewhere.get(keyOf(run));
          const fresh = runs.filter((run) => before(run) === undefined || (before(run) === false && isTerminal(run)));
          const ended = fresh.filter((run) => before(run) === false).length; // meanwhile
          add({ runs: fresh.length - ended, running: fresh.filter((run) => !isTerminal(run)).length - ended });
          for (const run of fresh) (isShownOnce(dates, window, run) ? tally.seen : elsewhere).set(keyOf(run), isTerminal(run));
          return fresh;
        },
      };
    },
    finish(active) {
      for (const [to, { counts }] of open) {
        if (active.some((window) => window.to === to)) continue;
        open.delete(to);
        total = sumOf(total, counts);
      }
    },
  };
}

function sumOf(a: BackfillCounts, b: Partial<BackfillCounts>): BackfillCounts {
  const names = Object.keys(NO_COUNTS) as (keyof BackfillCounts)[];
  return Object.fromEntries(names.map((name) => [name, a[name] + (b[name] ?? 0)])) as Record<keyof BackfillCounts, number>;
}

/** No other window shows it, or it is not counted there. Where that is not sure, its key is remembered to the end. */
function isShownOnce(dates: DateReading | undefined, { from, to }: Window, run: WorkflowRun): boolean {
  if (dates === "creation" || dates === "event") return true; // it is that window's in which it was created
  const last = endOf(run);
  return (
    dates === "last-event" && isTerminal(run) && run.failureFunction === undefined && last > from + OVERLAP_MS && last < to - OVERLAP_MS
  );
}
