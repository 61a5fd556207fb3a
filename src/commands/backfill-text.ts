import type { Config } from "../config/schema.ts";
import type { BackfillArgs, SourceBackfill } from "../pipeline/backfill.ts";
import { isBackfilled } from "../pipeline/job-handlers.ts";
import { totalWidth, widthOf } from "../pipeline/windows.ts";
import { terminalText } from "../trace/waterfall-text.ts";
import type { CommandIo } from "./io.ts";

/** What `wfotel backfill` says: warnings before, progress meanwhile, and the summary. */

export interface Backfilled {
  readonly sources: readonly SourceBackfill[];
  /** Deliveries that are still in a queue. */
  readonly left: number;
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
    const age = `destination ${one.name} accepts spans that ended within ${duration(one.max_span_age)}, and the range begins ${duration(now - from)} ago`;
    return [`${age}; of older ones: ${TOO_OLD[one.too_old]} (too_old: ${one.too_old})`];
  });
}

export interface Progress {
  /** Shows it, where it is time to. */
  readonly show: (sources: readonly SourceBackfill[]) => void;
  /** The same for who writes lines himself; undefined where it was shown or is not time to. */
  readonly line: (sources: readonly SourceBackfill[]) => string | undefined;
  readonly end: () => void;
}

const LINE_EVERY_MS = 5_000;
const BAR_EVERY_MS = 200;
const BAR_WIDTH = 24;
/** Before that a rate says nothing: what may be sent at once is sent at once. */
const RATE_AFTER_MS = 5_000;

/** A bar that is drawn over itself on a terminal, else a line now and then. */
export function createProgress({ stderr, env }: Pick<CommandIo, "stderr" | "env">): Progress {
  const isTerminal = "isTTY" in stderr && stderr.isTTY === true && env.TERM !== "dumb";
  let shownAt = Number.NEGATIVE_INFINITY;
  let drawn = false;
  const first = new Map<string, SourceBackfill>();
  const line = (sources: readonly SourceBackfill[]): string | undefined => {
    for (const one of sources) if (!first.has(one.source)) first.set(one.source, one);
    if (performance.now() - shownAt < (isTerminal ? BAR_EVERY_MS : LINE_EVERY_MS)) return undefined;
    shownAt = performance.now();
    if (!isTerminal) return progressText(sources, [...first.values()]);
    drawn = true;
    stderr.write(`\r\u001b[K${bar(doneOf(sources))} ${progressText(sources, [...first.values()])}`);
    return undefined;
  };
  return {
    line,
    show(sources) {
      const text = line(sources);
      if (text !== undefined) stderr.write(`${text}\n`);
    },
    end() {
      if (drawn) stderr.write("\n");
      drawn = false;
    },
  };
}

function bar(done: number): string {
  const full = Math.round(done * BAR_WIDTH);
  return `${"█".repeat(full)}${"░".repeat(BAR_WIDTH - full)}`;
}

/** Of the time to be listed, in 0…1. */
function doneOf(sources: readonly SourceBackfill[]): number {
  const whole = sources.reduce((sum, { range }) => sum + widthOf(range), 0);
  return whole === 0 ? 1 : 1 - sources.reduce((sum, { left }) => sum + totalWidth(left), 0) / whole;
}

/** @param first what was shown first: one that goes on with an earlier one begins with what that had done */
function progressText(sources: readonly SourceBackfill[], first: readonly SourceBackfill[]): string {
  const sum = (of: (source: SourceBackfill) => number, over = sources) => over.reduce((total, source) => total + of(source), 0);
  const since = (of: (source: SourceBackfill) => number) => sum(of) - sum(of, first);
  const took = Math.max(...sources.map((source) => source.took)) - Math.max(...first.map((source) => source.took));
  const requests = (source: SourceBackfill) => source.requests;
  const runs = ({ counts }: SourceBackfill) => counts.runs;
  const done = doneOf(sources);
  const gained = done - doneOf(first);
  const rest = gained > 0.01 && done < 1 ? ` · about ${duration((took / gained) * (1 - done))} left` : "";
  const isSettled = took >= RATE_AFTER_MS;
  const rate = isSettled ? ` (${(since(requests) / (took / 1_000)).toFixed(1)}/s of ${sum(({ allowed }) => allowed).toFixed(1)})` : "";
  return [
    `${Math.floor(done * 100)} %`,
    `${sum(runs)} runs`,
    `${sum(({ counts }) => counts.spans)} spans`,
    `${sum(requests)} requests${rate}`,
    ...(isSettled ? [`${Math.round(since(runs) / (took / 1_000))} runs/s${rest}`] : []),
  ].join(" · ");
}

/** For people: what was found, what became of it, and whether that is all. */
export function backfillText(done: Backfilled, args: BackfillArgs): string {
  const { sources, left, quarantined, refused } = done;
  const word = args.dryRun ? "to be sent" : left > 0 ? "collected" : "sent";
  const lines = [
    `runs created from ${iso(args.from)} to ${iso(args.to)}`,
    ...sources.flatMap((source) => sourceLines(source, word, refused.get(source.source) ?? 0)),
    ...(quarantined > 0
      ? [`${quarantined} ${quarantined === 1 ? "run of that time is" : "runs of that time are"} quarantined: wfotel quarantine list`]
      : []),
    ...(left > 0 ? [`${left} ${left === 1 ? "delivery is" : "deliveries are"} still queued`] : []),
    "",
    conclusion(done, args.dryRun),
  ];
  return `${lines.map(terminalText).join("\n")}\n`;
}

/** @param word what became of those that were queued and not refused */
function sourceLines({ source, counts, requests, took, waiting = 0, trouble }: SourceBackfill, word: string, refused: number): string[] {
  const { runs, queued, known, running, excluded, unreadable, lost, spans } = counts;
  const words = [
    `${queued - refused} ${word}`,
    ...(refused > 0 ? [`${refused} quarantined`] : []),
    ...(known > 0 ? [`${known} sent before`] : []),
    ...(running > 0 ? [`${running} running`] : []),
    ...(excluded > 0 ? [`${excluded} excluded by your rules`] : []),
    ...(waiting > 0 ? [`${waiting} waiting for another run`] : []),
    ...(unreadable > 0 ? [`${unreadable} UNREADABLE`] : []),
    ...(lost > 0 ? [`${lost} NOT given by the API`] : []),
  ];
  return [
    `source ${source}: ${runs} runs: ${words.join(", ")}`,
    `  ${spans === 0 ? "" : `${spans} spans collected, `}${requests} requests in ${duration(took)}`,
    ...(trouble === undefined ? [] : [`  NOT ALL could be listed: ${trouble}`]),
  ];
}

function conclusion({ sources, left, quarantined }: Backfilled, dryRun: boolean): string {
  if (!sources.every(isBackfilled)) return "something is missing; the same command tries it again";
  if (left + quarantined > 0) return "not everything was delivered";
  return dryRun ? "nothing was written" : "nothing is missing";
}

function duration(ms: number): string {
  const units = [
    [86_400_000, "d"],
    [3_600_000, "h"],
    [60_000, "m"],
  ] as const;
  const [size, unit] = units.find(([each]) => ms >= 2 * each || (ms >= each && ms % each === 0)) ?? [1_000, "s"];
  return `${Math.round(ms / size)}${unit}`;
}

/** Times of the user's may lie outside what a date can say. */
function iso(time: number): string {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? String(time) : date.toISOString();
}
