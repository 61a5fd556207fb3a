import type { Settlement } from "./store.ts";

/** What became of a part of a run for a destination, as words: stored so, shown so by `verify`. */

/** Its bytes are gone (trimmed from the quarantine, damaged): the run is asked for again. */
export const REFETCH = "refetch";

/** It was quarantined, and the user decided that it stays undelivered. */
export const DROPPED = "dropped";

export const excludedOutcome = (reason: string): string => `excluded (${reason})`;

/**
 * The outcome of a part of which a second delivery was settled (a quarantined piece that was retried).
 * @param remaining pieces of it that are still in quarantine, or were dropped from there
 */
export function mergeOutcome(before: string | undefined, settled: string, remaining: number): string {
  if (before === undefined) return settled;
  if (before === REFETCH) return REFETCH;
  if (settled === "delivered") return remaining === 0 ? "delivered" : "partial";
  if (settled === "partial" || before === "partial" || before === "delivered") return "partial";
  return settled;
}

/** Least settled first. */
export const OUTCOMES: readonly string[] = ["queued", REFETCH, "quarantined", DROPPED, "partial", "delivered"];

/** Whether it is a word of ours: one that is not was damaged on the disk. */
export const isOutcome = (word: string): boolean => OUTCOMES.includes(word) || /^excluded \(.+\)$/.test(word);

/** The outcome of a run, of its parts' in their order: the least settled (of exclusions the first); a quarantined or dropped part beside a delivered one is `partial`. */
export function combineParts(parts: readonly string[]): string {
  const first = OUTCOMES.find((outcome) => parts.includes(outcome)) ?? parts[0] ?? "queued";
  return (first === "quarantined" || first === DROPPED) && (parts.includes("delivered") || parts.includes("partial")) ? "partial" : first;
}

/**
 * What a settlement adds to its destination's counters: one run by its outcome, and its spans and bytes.
 * @param part what was settled; a failure function (1 and on) is not another run
 */
export function settledCounts(settlement: Settlement, part: number): [name: string, value: number][] {
  const { outcome, reason = "unknown", spans, bytes, refused = [], skippedSpans = 0 } = settlement;
  const runs = part === 0 ? 1 : 0;
  if (outcome === "excluded") {
    return [
      [`excluded.${reason}`, runs],
      [`excluded.${reason}.spans`, spans],
    ];
  }
  const accepted = outcome === "quarantined" ? 0 : 1;
  return [
    [outcome, runs],
    ["spans", accepted * spans],
    ["bytes", accepted * bytes],
    ["quarantined.spans", refused.reduce((total, piece) => total + piece.spans, 0)],
    ["excluded.too_old.spans", skippedSpans],
  ];
}
