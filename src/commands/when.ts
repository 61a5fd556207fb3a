import { parseDuration } from "../config/values.ts";
import { CommandError } from "./io.ts";

const TIME = /^(\d{4}-\d{2}-\d{2})(T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})?)?$/;
/** Shorter would be a time before 1973: seconds, most likely. */
const MILLISECONDS = /^\d{12,16}$/;

/**
 * A moment as the user writes it, in ms: how long before `now` (`24h`), ms since 1970, or an ISO 8601 time.
 * @throws CommandError (exit 2) that names the option
 */
export function parseWhen(option: string, text: string, now: number): number {
  const before = parseDuration(text);
  if (before !== undefined) return now - before;
  const day = TIME.exec(text)?.[1];
  const time = MILLISECONDS.test(text) ? Number(text) : day !== undefined && isDay(day) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(time)) {
    const forms = "a duration such as 24h, a day or time such as 2026-01-31 or 2026-01-31T12:00:00Z, or ms since 1970";
    throw new CommandError(`${option}: ${forms}; not ${JSON.stringify(text)}`);
  }
  return time;
}

/** `Date` takes the 30th of February for the 2nd of March. */
function isDay(day: string): boolean {
  const date = new Date(`${day}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(day);
}

/** For people, in ms: roughly. */
export function durationText(ms: number): string {
  const units = [
    [86_400_000, "d"],
    [3_600_000, "h"],
    [60_000, "m"],
  ] as const;
  const [size, unit] = units.find(([each]) => ms >= 2 * each || (ms >= each && ms % each === 0)) ?? [1_000, "s"];
  return `${Math.round(ms / size)}${unit}`;
}

const DEFAULT_DRAIN_MS = 30_000;

/** `--drain-timeout`: how long a destination that accepts nothing is waited for, in ms. @throws CommandError (exit 2) */
export function drainTimeoutOf({ "drain-timeout": text }: { readonly "drain-timeout"?: string | undefined }): number {
  const value = text === undefined ? DEFAULT_DRAIN_MS : parseDuration(text);
  if (value === undefined) throw new CommandError("--drain-timeout: a duration such as 30s");
  return value;
}
