import type { Headers, Millis, SleepLength } from "../../model/run.ts";
import { type Oddities, objectAt } from "./repair.ts";

/** The wire's scalars that say one thing in several ways, each turned into the model's one way. */

/** Where a number stands for a time in s or in ms: as seconds this is the last that OTLP can carry (2554), as ms it is August 1970. */
const SECONDS_UP_TO = 18_446_744_073;

const DURATION_UNITS_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3, // micro sign, as Go prints it
  μs: 1e-3, // Greek mu, as Go reads it too
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};
const DURATION_PART = /(\d+(?:\.\d+)?)(ns|us|µs|μs|ms|s|m|h|d|w)/g;
const DURATION = /^(?:\d+(?:\.\d+)?(?:ns|us|µs|μs|ms|s|m|h|d|w))+$/;

type Missing = null | undefined;

/** Milliseconds since the epoch; 0 and nothing are the same: not set. */
export function millis(value: number | Missing): Millis | undefined {
  return value === undefined || value === null || value < 1 ? undefined : Math.trunc(value);
}

/** A time that is written in seconds or in milliseconds. */
export function millisOrSeconds(value: number | Missing): Millis | undefined {
  const time = value ?? 0;
  return millis(time <= SECONDS_UP_TO ? time * 1_000 : time);
}

/** A whole number, 0 included. */
export function whole(value: number | Missing): number | undefined {
  return value === undefined || value === null ? undefined : Math.trunc(value);
}

/** An HTTP status; 0 means that there was no answer. */
export function httpStatus(value: number | Missing): number | undefined {
  return value === 0 ? undefined : whole(value);
}

/** Text that is there: the API leaves out what is empty, or writes it empty. */
export function filled(value: string | Missing): string | undefined {
  return value === "" || value === null ? undefined : value;
}

/** A body as text; what came as parsed JSON is written as JSON again. */
export function payloadText(value: unknown, field: string, oddities: Oddities): string | undefined {
  if (value === undefined || value === null || value === "") return undefined;
  if (typeof value === "string") return value;
  oddities.add(`${field}:${typeof value}`);
  try {
    return JSON.stringify(value);
  } catch {
    oddities.add(`${field}:dropped`); // nested too deeply to be written
    return undefined;
  }
}

/** Headers with every value a list; values that are neither text nor a list of it are dropped and noted. */
export function headerLists(value: unknown, field: string, oddities: Oddities): Headers | undefined {
  const map = objectAt(value, field, oddities);
  if (map === undefined) return undefined;
  const headers: Record<string, readonly string[]> = {};
  for (const [name, entry] of Object.entries(map)) {
    const values = (Array.isArray(entry) ? entry : [entry]).filter((one) => typeof one === "string");
    if (values.length === 0 || name === "__proto__") oddities.add(`${field}:dropped`);
    else headers[name] = values;
  }
  return headers;
}

/** Durations such as `120s`, `1h30m`, `168h0m0s`, `3d`; milliseconds, or undefined for anything else. */
function durationMs(text: string): number | undefined {
  if (!DURATION.test(text)) return undefined;
  let total = 0;
  for (const [, amount, unit] of text.matchAll(DURATION_PART)) total += Number(amount) * (DURATION_UNITS_MS[unit ?? ""] ?? 0);
  return Number.isSafeInteger(Math.round(total)) ? Math.round(total) : undefined;
}

/** A sleep's length: a duration says its unit, a bare number does not. */
export function sleepLength(value: number | string | Missing, field: string, oddities: Oddities): SleepLength | undefined {
  if (value === undefined || value === null || value === "") return undefined;
  const bare = bareNumber(value);
  if (bare !== undefined) return { value: bare, unit: "unknown" };
  const duration = durationMs(String(value).trim());
  if (duration !== undefined) return { value: duration, unit: "ms" };
  oddities.add(`${field}:dropped`);
  return undefined;
}

/** A wait's timeout in milliseconds; a bare number is seconds, as the SDK sends it. */
export function timeoutMs(value: number | string | Missing, field: string, oddities: Oddities): number | undefined {
  const length = sleepLength(value, field, oddities);
  return length?.unit === "unknown" ? Math.round(length.value * 1_000) : length?.value;
}

function bareNumber(value: number | string): number | undefined {
  const number = typeof value === "number" || /^\s*\d{1,16}(\.\d+)?\s*$/.test(value) ? Number(value) : Number.NaN;
  return number <= Number.MAX_SAFE_INTEGER / 1_000 ? number : undefined;
}
