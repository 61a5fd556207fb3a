import { isTerminal, type Millis, type WorkflowRun } from "../model/run.ts";

/**
 * How long the API keeps a run after its end, where nobody configured it: what is still shown was kept that long, at
 * least, and nothing shows more. So what is learnt is never longer than the truth, but in a log that is younger than
 * its retention, or had nothing to keep, it is shorter; below what any plan keeps it says nothing.
 */

/**
 * The free plan keeps logs for 3 days, and kept them for 1 day once (Upstash's QStash pricing pages). A log that is cut
 * by its number of entries may keep less than that: then `retention` has to be configured.
 */
const SHORTEST_MS = 86_400_000;
/** Three months: the longest that a plan with a price names (for its dead letters; of its logs it says nothing). */
const LONGEST_MS = 92 * 86_400_000;

/**
 * The longest that a run of a sweep was still shown after its end, in ms; 0 where none says so. Not counted are runs that
 * go on, which are kept as long as they run; those that do not say when they ended, which may have slept for long; and
 * times that no plan keeps, which are mistaken.
 * @param now on the API's clock, when the runs were shown. @param before of the sweep's other pages
 */
export function longestShown(runs: readonly WorkflowRun[], now: Millis, before = 0): number {
  let longest = before;
  for (const run of runs) {
    if (!isTerminal(run) || run.completedAt === undefined) continue;
    const shown = now - Math.max(run.completedAt, run.createdAt);
    if (shown > longest && shown <= LONGEST_MS) longest = shown;
  }
  return longest;
}

/** What a complete sweep says of the retention, in ms; undefined where that is too little to say anything. */
export function learnedRetention(longest: number): number | undefined {
  return longest >= SHORTEST_MS ? longest : undefined;
}

/** What to count on, in ms, where a run must be read before the API forgets it: rather too short than too long. */
export function waitRetention(configured: number | undefined, learned: number | undefined): number {
  return configured ?? learned ?? SHORTEST_MS;
}
