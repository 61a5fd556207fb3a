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

export function createAxis(intervals: readonly Interval[], width: number): Axis {
  const segments = segmentsOf(intervals);
  const broken = segments.filter((segment) => segment.broken).length;
  const perBreak = Math.min(BREAK_COLUMNS, broken === 0 ? 0 : width / 2 / broken);
  const shown = segments.reduce((sum, segment) => sum + (segment.broken ? 0 : segment.end - segment.start), 0);
  const perMilli = shown === 0 ? 0 : (width - perBreak * broken) / shown;
  const starts: number[] = [];
  let at = 0;
  for (const segment of segments) {
    starts.push(at);
    at += segment.broken ? perBreak : (segment.end - segment.start) * perMilli;
  }
  const column = (time: number): number => {
    const index = segments.findLastIndex((segment) => segment.start <= time);
    const segment = segments[index];
    const start = starts[index];
    if (segment === undefined || start === undefined) return 0;
    const within = Math.min(time, segment.end) - segment.start;
    return start + (segment.broken ? (within / (segment.end - segment.start)) * perBreak : within * perMilli);
  };
  const breaks = segments.flatMap((segment, i) => (segment.broken ? [Math.floor((starts[i] ?? 0) + perBreak / 2)] : []));
  return { column, breaks, labels: labels(segments, breaks, width) };
}

/** Between every two moments at which something starts or ends. */
function segmentsOf(intervals: readonly Interval[]): readonly Segment[] {
  const times = [...new Set(intervals.flatMap(({ start, end }) => [start, end]))].sort((a, b) => a - b);
  const working = intervals.filter((interval) => interval.works && interval.end > interval.start).sort((a, b) => a.start - b.start);
  const raw: { start: number; end: number; works: boolean }[] = [];
  let next = 0;
  let busyUntil = Number.NEGATIVE_INFINITY;
  times.slice(0, -1).forEach((start, i) => {
    for (let interval = working[next]; interval !== undefined && interval.start <= start; interval = working[++next]) {
      busyUntil = Math.max(busyUntil, interval.end);
    }
    const last = raw.at(-1);
    const works = busyUntil > start;
    const end = times[i + 1] ?? start;
    if (last !== undefined && last.works === works) last.end = end;
    else raw.push({ start, end, works });
  });
  const work = raw.reduce((sum, segment) => sum + (segment.works ? segment.end - segment.start : 0), 0);
  return raw.map(({ start, end, works }) => ({ start, end, broken: !works && work > 0 && end - start > work }));
}

/** `0` at the left, the whole at the right, and at each break what it leaves out, where there is room. */
function labels(segments: readonly Segment[], breaks: readonly number[], width: number): string {
  const line: string[] = Array.from({ length: width }, () => " ");
  const start = segments[0]?.start ?? 0;
  place(line, "0", 0);
  const total = formatDuration((segments.at(-1)?.end ?? start) - start);
  place(line, total, width - cells(total));
  segments
    .filter((segment) => segment.broken)
    .forEach((segment, i) => {
      const label = `${BREAK} ${formatDuration(segment.end - segment.start)}`;
      if (!place(line, label, (breaks[i] ?? 0) - Math.floor(cells(label) / 2))) place(line, BREAK, breaks[i] ?? 0);
    });
  return line.join("");
}

/** Writes a label with a blank on both sides, if nothing stands there yet. */
function place(line: string[], label: string, at: number): boolean {
  const around = line.slice(Math.max(0, at - 1), at + label.length + 1);
  if (at < 0 || at + label.length > line.length || around.some((c) => c !== " ")) return false;
  line.splice(at, label.length, ...label);
  return true;
}
