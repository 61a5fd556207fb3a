import { inspect } from "node:util";
import * as z from "zod";

/**
 * The scalar types of the YAML that need more than zod has: durations, sizes and secrets. A leaf:
 * every component's own `config.ts` may import it.
 */

const REDACTED = "[REDACTED]";

/**
 * A value that must never be printed. Every way of turning it into text gives `[REDACTED]`; only
 * `reveal()` gives the value, at the place that sends it. Where it came from a `${file:}` reference
 * the loader binds a reader to it, so that a rotated secret is picked up by `refresh()`.
 */
export class Secret {
  #value: string;
  #read: (() => string) | undefined;
  constructor(value: string, read?: () => string) {
    this.#value = value;
    this.#read = read;
  }
  reveal(): string {
    return this.#value;
  }
  /** Called by the loader, once, where the value came from a reference that can change. */
  bind(read: () => string): void {
    this.#read = read;
  }
  /** Reads the reference again; true if the value changed. A reference that cannot be read keeps the old value. */
  refresh(): boolean {
    if (this.#read === undefined) return false;
    let value: string;
    try {
      value = this.#read();
    } catch {
      return false; // the file is being swapped: the next refresh sees it
    }
    if (value === "" || value === this.#value) return false;
    this.#value = value;
    return true;
  }
  toString(): string {
    return REDACTED;
  }
  toJSON(): string {
    return REDACTED;
  }
  [inspect.custom](): string {
    return REDACTED;
  }
}

const DURATION_UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const SIZE_UNITS = { B: 1, KB: 1e3, MB: 1e6, GB: 1e9, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 } as const;

const DURATION = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/;
const SIZE = /^(\d+(?:\.\d+)?)(B|KB|MB|GB|KiB|MiB|GiB)$/;

/** `1.5h` → 5400000; undefined for anything that is no duration. */
export function parseDuration(text: string): number | undefined {
  return measure(text, DURATION, DURATION_UNITS);
}

/** `1MiB` → 1048576; undefined for anything that is no size. */
export function parseSize(text: string): number | undefined {
  return measure(text, SIZE, SIZE_UNITS);
}

function measure(text: string, form: RegExp, units: Readonly<Record<string, number>>): number | undefined {
  const match = form.exec(text.trim());
  if (match === null) return undefined;
  const value = Math.round(Number(match[1]) * (units[match[2] ?? ""] ?? Number.NaN));
  return Number.isSafeInteger(value) ? value : undefined;
}

/** setTimeout's own limit: what a timer cannot wait for would fire at once. */
const MAX_TIMER = 24 * DURATION_UNITS.d;

/** A duration such as `500ms 10s 5m 24h 7d`; milliseconds after parsing. A bare 0 is allowed. */
export const duration = () => scalar(parseDuration, DURATION, "a duration such as 500ms, 10s, 5m, 24h or 7d");

/** A duration that something waits for again and again: never 0, never more than a timer can wait. */
export const interval = () =>
  duration()
    .refine((ms) => ms >= 1 && ms <= MAX_TIMER, "a duration from 1ms to 24d")
    .meta({ description: "a duration from 1ms to 24d" });

/** A size such as `512KiB 1MiB 4MB`; bytes after parsing. */
export const size = () => scalar(parseSize, SIZE, "a size such as 512KiB, 1MiB or 4MB");

function scalar(parse: (text: string) => number | undefined, form: RegExp, expected: string) {
  return z
    .union([z.string().meta({ pattern: `${form.source}|^0$` }), z.literal(0)], { error: expected })
    .transform((value, context) => {
      const parsed = value === 0 || value === "0" ? 0 : parse(value);
      if (parsed !== undefined) return parsed;
      context.issues.push({ code: "custom", message: expected, input: value });
      return z.NEVER;
    })
    .meta({ description: expected });
}

/** A string that is a secret: `Secret` after parsing, never shown in an error. */
export const secret = () =>
  z
    .string({ error: "a secret, best as ${env:NAME} or ${file:PATH}" })
    .min(1, "a secret that is not empty")
    .transform((value) => new Secret(value))
    .meta({ description: "a secret: ${env:NAME} or ${file:PATH}", "x-secret": true });

/** A file that is read: relative to the file it is written in, and readable. Absolute after loading. */
export const inputPath = () => z.string().min(1).meta({ "x-path": "input" });

/** A file that is written: relative to the file it is written in. Absolute after loading. */
export const outputPath = () => z.string().min(1).meta({ "x-path": "output" });

/** An http:// or https:// URL without a user name or password in it: those belong in headers, as secrets. */
export const httpUrl = () =>
  z.url({ protocol: /^https?$/, error: "an http:// or https:// URL" }).refine((text) => {
    const url = URL.parse(text);
    return url === null || (url.username === "" && url.password === "");
  }, "a URL without a user name or password in it (they belong in headers, as references)");

/** Whether a URL's host is this machine: what goes there stays off the network. */
export function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname.endsWith(".localhost") || /^127\.\d+\.\d+\.\d+$/.test(hostname) || hostname === "[::1]";
}

/** What names an entry of a list in state, metrics and logs. */
export const entryName = () =>
  z
    .string()
    .min(1)
    .max(64)
    .refine((name) => !/\p{C}/u.test(name), "a name without control characters");
