import { parseDuration } from "../config/values.ts";
import { CommandError } from "./io.ts";

/**
 * A moment as the user writes it, in ms: how long before `now` (`24h`), ms since 1970, or an ISO 8601 time.
 * @throws CommandError (exit 2) that names the option
 */
export function parseWhen(option: string, text: string, now: number): number {
  const before = parseDuration(text);
  if (before !== undefined) return now - before;
  const time = /^\d{10,16}$/.test(text) ? Number(text) : /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(time))
    throw new CommandError(`${option}: a duration such as 24h, a time such as 2026-01-31T12:00:00Z, or ms since 1970`);
  return time;
}

const DEFAULT_DRAIN_MS = 30_000;

/** `--drain-timeout`: how long a destination that accepts nothing is waited for, in ms. @throws CommandError (exit 2) */
export function drainTimeoutOf({ "drain-timeout": text }: { readonly "drain-timeout"?: string | undefined }): number {
  const value = text === undefined ? DEFAULT_DRAIN_MS : parseDuration(text);
  if (value === undefined) throw new CommandError("--drain-timeout: a duration such as 30s");
  return value;
}
