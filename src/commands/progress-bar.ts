import type { SourceBackfill } from "../pipeline/backfill-progress.ts";
import { GIVE_UP_AFTER_MS } from "../pipeline/patience.ts";
import { totalWidth, widthOf } from "../pipeline/windows.ts";
import { terminalText } from "../trace/waterfall-text.ts";
import type { CommandIo } from "./io.ts";
import { columnsOf } from "./terminal.ts";
import { durationText } from "./when.ts";

/** How far a backfill is: a bar that is drawn over itself on a terminal, else a line now and then. */
export interface Progress {
  /** Shows it, where it is time to. */
  readonly show: (sources: readonly SourceBackfill[]) => void;
  /** The same for who writes lines himself; undefined where it was shown or is not time to. */
  readonly line: (sources: readonly SourceBackfill[]) => string | undefined;
  /** Nothing more will be shown. @param last how far it came */
  readonly end: (last?: readonly SourceBackfill[]) => void;
}

const LINE_EVERY_MS = 5_000;
const BAR_EVERY_MS = 200;
const LONGEST_BAR = 24;
const SHORTEST_BAR = 8;
/** Of a terminal that does not say. */
const COLUMNS = 80;
/** Before that a rate says nothing: what may be sent at once is sent at once. */
const RATE_AFTER_MS = 5_000;

export function createProgress({ stderr, env }: Pick<CommandIo, "stderr" | "env">): Progress {
  const isTerminal = "isTTY" in stderr && stderr.isTTY === true && env.TERM !== "dumb";
  let shownAt = Number.NEGATIVE_INFINITY;
  let drawn = false;
  const first = new Map<string, SourceBackfill>();
  const stalled = new Set<string>();
  const parts = (sources: readonly SourceBackfill[]) => progressParts(sources, [...first.values()]);
  const draw = (sources: readonly SourceBackfill[]) => {
    drawn = true;
    // the last column stays empty: a terminal that is full to its edge begins a new line
    stderr.write(`\r\u001b[K${barLine(doneOf(sources), parts(sources), (columnsOf(stderr) ?? COLUMNS) - 1)}`);
  };
  const line = (sources: readonly SourceBackfill[]): string | undefined => {
    for (const one of sources) if (!first.has(one.source)) first.set(one.source, one);
    const lines = silences(sources, stalled);
    if (isTerminal && lines.length > 0) stderr.write(`\r\u001b[K${lines.join("\n")}\n`);
    const isTime = performance.now() - shownAt >= (isTerminal ? BAR_EVERY_MS : LINE_EVERY_MS);
    if (isTime) shownAt = performance.now();
    if (isTerminal && (isTime || lines.length > 0)) draw(sources);
    if (!isTerminal && isTime) lines.push(textOf(parts(sources)));
    return isTerminal || lines.length === 0 ? undefined : lines.join("\n");
  };
  return {
    line,
    show(sources) {
      const text = line(sources);
      if (text !== undefined) stderr.write(`${text}\n`);
    },
    end(last = []) {
      if (isTerminal && last.length > 0) draw(last);
      if (drawn) stderr.write("\n");
      drawn = false;
    },
  };
}

/** Said once when an API falls silent, and once when it answers again. @param stalled sources of which it was said */
function silences(sources: readonly SourceBackfill[], stalled: Set<string>): string[] {
  return sources.flatMap(({ source, stalled: reason, complete, trouble }) => {
    const name = terminalText(source);
    if (reason === undefined) {
      const again = stalled.delete(source) && !complete && trouble === undefined;
      return again ? [`source ${name}: the API answers again`] : [];
    }
    if (stalled.has(source)) return [];
    stalled.add(source);
    return [
      `source ${name}: the API gives no answer (${terminalText(reason)}); it is asked again for up to ${durationText(GIVE_UP_AFTER_MS)}`,
    ];
  });
}

/** Of the time to be listed, in 0…1. */
function doneOf(sources: readonly SourceBackfill[]): number {
  const whole = sources.reduce((sum, { range }) => sum + widthOf(range), 0);
  return whole === 0 ? 1 : 1 - sources.reduce((sum, { left }) => sum + totalWidth(left), 0) / whole;
}

interface Part {
  readonly text: string;
  /** Where there is no room for all, the highest goes first. */
  readonly rank: number;
  /** Belongs to what stands before it. */
  readonly joined?: boolean;
}

/** @param first what was shown first: one that goes on with an earlier one begins with what that had done */
function progressParts(sources: readonly SourceBackfill[], first: readonly SourceBackfill[]): Part[] {
  const sum = (of: (source: SourceBackfill) => number, over = sources) => over.reduce((total, source) => total + of(source), 0);
  const since = (of: (source: SourceBackfill) => number) => sum(of) - sum(of, first);
  const took = Math.max(...sources.map((source) => source.took)) - Math.max(...first.map((source) => source.took));
  const requests = (source: SourceBackfill) => source.requests;
  const runs = ({ counts }: SourceBackfill) => counts.runs;
  const done = doneOf(sources);
  const gained = done - doneOf(first);
  const isSettled = took >= RATE_AFTER_MS;
  const rate = `(${(since(requests) / (took / 1_000)).toFixed(1)}/s of ${sum(({ allowed }) => allowed).toFixed(1)})`;
  const rest = `about ${durationText((took / gained) * (1 - done))} left`;
  return [
    { text: `${Math.floor(done * 100)} %`, rank: 0 },
    { text: `${sum(runs)} runs`, rank: 1 },
    { text: `${sum(({ counts }) => counts.spans)} spans`, rank: 5 },
    { text: `${sum(requests)} requests`, rank: 4 },
    ...(isSettled ? [{ text: rate, rank: 6, joined: true }] : []),
    ...(isSettled ? [{ text: `${Math.round(since(runs) / (took / 1_000))} runs/s`, rank: 3 }] : []),
    ...(isSettled && gained > 0.01 && done < 1 ? [{ text: rest, rank: 2 }] : []),
  ];
}

const textOf = (parts: readonly Part[]): string =>
  parts.map(({ text, joined }, index) => (index === 0 ? text : `${joined ? " " : " · "}${text}`)).join("");

/** The bar with as many of the parts as fit `width` columns. */
function barLine(done: number, parts: readonly Part[], width: number): string {
  let shown = parts;
  while (shown.length > 1 && textOf(shown).length + 1 + SHORTEST_BAR > width) {
    const least = Math.max(...shown.map(({ rank }) => rank));
    shown = shown.filter(({ rank }) => rank !== least);
  }
  const text = textOf(shown);
  const columns = Math.min(LONGEST_BAR, width - text.length - 1);
  return `${columns < SHORTEST_BAR ? "" : `${bar(done, columns)} `}${text}`.slice(0, Math.max(0, width));
}

function bar(done: number, columns: number): string {
  const full = Math.round(done * columns);
  return `${"█".repeat(full)}${"░".repeat(columns - full)}`;
}
