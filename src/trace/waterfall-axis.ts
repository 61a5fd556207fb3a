import { cells, formatDuration } from "./waterfall-text.ts";

/**
 * The time axis of a waterfall, in columns. Stretches in which nothing worked (everything slept or waited)
 * and that are longer than all the work together are left out, visibly: an axis break.
 */
export interface Interval {
  readonly start: number;
  readonly end: number;
  /** Something ran in it; a sleep, a wait or what merely contains others does not count. */
  readonly works: boolean;
}

export interface Axis {
  /** Column of a time, 0 … width, not rounded. */
  column(time: number): number;
  /** Columns at which time is left out. */
  readonly breaks: readonly number[];
  /** The line of labels above the bars, `width` cells. */
  readonly labels: string;
}

export const BREAK = "≈";
const BREAK_COLUMNS = 3;

interface Segment {
  readonly start: number;
  readonly end: number;
  readonly broken: boolean;
}

interface Placed extends Segment {
  /** Columns at which it begins, and that it takes. */
  readonly from: number;
  readonly columns: number;
}

export function createAxis(intervals: readonly Interval[], width: number): Axis {
  const segments = place(segmentsOf(intervals), width);
  const column = (time: number): number => {
    const segment = segments.findLast(({ start }) => start <= time);
    if (segment === undefined) return 0;
    const { start, end, from, columns } = segment;
    return from + ((Math.min(time, end) - start) / (end - start)) * columns;
  };
  const breaks = segments.filter((segment) => segment.broken).map(({ from, columns }) => Math.floor(from + columns / 2));
  return { column, breaks, labels: labels(segments, breaks, width) };
}

function place(segments: readonly Segment[], width: number): readonly Placed[] {
  const broken = segments.filter((segment) => segment.broken).length;
  const perBreak = Math.min(BREAK_COLUMNS, width / 2 / Math.max(1, broken));
  const shown = segments.reduce((sum, { start, end, broken }) => sum + (broken ? 0 : end - start), 0);
  const perMilli = (width - perBreak * broken) / shown;
  let from = 0;
  return segments.map((segment) => {
    const columns = segment.broken ? perBreak : (segment.end - segment.start) * perMilli;
    const placed = { ...segment, from, columns };
    from += columns;
    return placed;
  });
}

/** What lies between every two moments at which something starts or ends; neighbours alike are one. */
function segmentsOf(intervals: readonly Interval[]): readonly Segment[] {
  const times = [...new Set(intervals.flatMap(({ start, end }) => [start, end]))].sort((a, b) => a - b);
  const working = intervals.filter((interval) => interval.works && interval.end > interval.start).sort((a, b) => a.start - b.start);
  const raw: { start: number; end: number; works: boolean }[] = [];
  let started = 0;
  let busyUntil = Number.NEGATIVE_INFINITY;
  let [start = 0, ...ends] = times;
  for (const end of ends) {
    for (let next = working[started]; next !== undefined && next.start <= start; next = working[++started]) {
      busyUntil = Math.max(busyUntil, next.end);
    }
    const works = busyUntil > start;
    const last = raw.at(-1);
    if (last?.works === works) last.end = end;
    else raw.push({ start, end, works });
    start = end;
  }
  const work = raw.reduce((sum, segment) => sum + (segment.works ? segment.end - segment.start : 0), 0);
  return raw.map(({ start, end, works }) => ({ start, end, broken: !works && work > 0 && end - start > work }));
}

/** `0` at the left, the whole at the right, and at each break what it leaves out, where there is room. */
function labels(segments: readonly Placed[], breaks: readonly number[], width: number): string {
  const line: string[] = Array.from({ length: width }, () => " ");
  write(line, "0", 0);
  const total = formatDuration(segments.reduce((sum, { start, end }) => sum + end - start, 0));
  write(line, total, width - cells(total));
  for (const [i, { start, end }] of segments.filter((segment) => segment.broken).entries()) {
    const at = breaks[i] ?? 0;
    const label = `${BREAK} ${formatDuration(end - start)}`;
    if (!write(line, label, at - Math.floor(cells(label) / 2))) write(line, BREAK, at);
  }
  return line.join("");
}

/** Writes a label with a blank on both sides, if nothing stands there yet. */
function write(line: string[], label: string, at: number): boolean {
  const around = line.slice(Math.max(0, at - 1), at + label.length + 1);
  if (at < 0 || at + label.length > line.length || around.some((c) => c !== " ")) return false;
  line.splice(at, label.length, ...label);
  return true;
}
