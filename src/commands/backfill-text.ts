import type { Config } from "../config/schema.ts";
import type { BackfillArgs } from "../pipeline/backfill.ts";
import type { SourceBackfill } from "../pipeline/backfill-progress.ts";
import { isRead } from "../pipeline/job-handlers.ts";
import { terminalText } from "../trace/waterfall-text.ts";
import { durationText } from "./when.ts";

/** What `wfotel backfill` says: warnings before, and the summary. Progress meanwhile is progress-bar.ts. */

export interface Backfilled {
  readonly sources: readonly SourceBackfill[];
  /** Deliveries that are still in a queue. */
  readonly left: number;
  /** Deliveries that stood in a queue before this command, where it works that off itself. */
  readonly queuedBefore: number;
  /** Runs of the range that a destination refused, or that could not be read. */
  readonly quarantined: number;
  /** Of the runs that it queued itself, how many a destination refused; by source. */
  readonly refused: ReadonlyMap<string, number>;
}

const TOO_OLD = {
  send: "they are sent all the same and may be refused",
  skip_spans: "they are left out",
  skip_run: "runs that hold one are left out",
};

/** Destinations that do not take spans as old as the range. */
export function ageWarnings(destinations: Config["destinations"], { from }: Pick<BackfillArgs, "from">, now: number): string[] {
  return destinations.flatMap((one) => {
    if (one.type !== "otlp-http" || one.max_span_age === undefined || now - from <= one.max_span_age) return [];
    const age = `destination ${one.name} accepts spans that ended within ${durationText(one.max_span_age)}, and the range begins ${durationText(now - from)} ago`;
    return [`${age}; of older ones: ${TOO_OLD[one.too_old]} (too_old: ${one.too_old})`];
  });
}

/** For people: what was found, what became of it, and whether that is all. */
export function backfillText(done: Backfilled, args: BackfillArgs): string {
  const { sources, left, queuedBefore, quarantined, refused } = done;
  const word = args.dryRun ? "to be sent" : left > 0 ? "collected" : "sent";
  const lines = [
    `runs created from ${iso(args.from)} to ${iso(args.to)}`,
    ...sources.flatMap((source) => sourceLines(source, word, refused.get(source.source) ?? 0)),
    ...(quarantined > 0
      ? [`${quarantined} ${quarantined === 1 ? "run of that time is" : "runs of that time are"} quarantined: wfotel quarantine list`]
      : []),
    ...(left > 0 ? [`${left} ${left === 1 ? "delivery is" : "deliveries are"} still queued`] : []),
    ...(left === 0 && queuedBefore > 0
      ? [
          `${queuedBefore} ${queuedBefore === 1 ? "delivery" : "deliveries"} of before, still queued at the start, ${queuedBefore === 1 ? "is" : "are"} settled now`,
        ]
      : []),
    "",
    conclusion(done, args.dryRun),
  ];
  return `${lines.map(terminalText).join("\n")}\n`;
}

/** @param word what became of those that were queued and not refused */
function sourceLines({ source, counts, requests, took, trouble }: SourceBackfill, word: string, refused: number): string[] {
  const { runs, queued, known, running, excluded, waiting, unreadable, lost, spans } = counts;
  const words = [
    `${queued - refused} ${word}`,
    ...(refused > 0 ? [`${refused} quarantined`] : []),
    ...(known > 0 ? [`${known} known before`] : []),
    ...(running > 0 ? [`${running} running`] : []),
    ...(excluded > 0 ? [`${excluded} excluded by your rules`] : []),
    ...(waiting > 0 ? [`${waiting} waiting for another run`] : []),
    ...(unreadable > 0 ? [`${unreadable} UNREADABLE`] : []),
    ...(lost > 0 ? [`${lost} NOT given by the API`] : []),
  ];
  return [
    `source ${source}: ${runs} runs: ${words.join(", ")}`,
    `  ${spans === 0 ? "" : `${spans} spans collected, `}${requests} requests in ${durationText(took)}`,
    ...(trouble === undefined ? [] : [`  NOT ALL could be listed: ${trouble}`]),
  ];
}

function conclusion({ sources, left, quarantined }: Backfilled, dryRun: boolean): string {
  if (!sources.every(isRead)) return "something is missing; the same command tries it again";
  if (left + quarantined > 0) return "not everything was delivered";
  const waiting = sources.reduce((sum, { counts }) => sum + counts.waiting, 0);
  if (waiting === 1) return "1 run waits for another; the bridge follows it (wfotel run)";
  if (waiting > 1) return `${waiting} runs wait for others; the bridge follows them (wfotel run)`;
  return dryRun ? "nothing was written" : "nothing is missing";
}

/** Times of the user's may lie outside what a date can say. */
function iso(time: number): string {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? String(time) : date.toISOString();
}
