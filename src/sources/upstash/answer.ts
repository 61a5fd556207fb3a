import type { IncomingHttpHeaders } from "node:http";
import type { Millis } from "../../model/run.ts";
import type { Reply } from "../source.ts";
import type { RateFacts } from "./budget.ts";
import type { ServerClock } from "./server-clock.ts";

/** What an answer's status and headers mean, as data and as words that name the fix. */

type Failure = Exclude<Reply<never>, { kind: "ok" } | { kind: "aborted" }>;

export interface Words {
  /** Host and port of the API. */
  readonly host: string;
  /** Path below the source's URL, without its query, which may hold a user's names. */
  readonly path: string;
  /** Secrets that no text may hold. */
  readonly secrets: readonly string[];
}

/** An HTTP status that is no 200. `text` is the answer's body, of which only `{"error"}` is ever quoted. */
export function refusalOf(status: number, text: string, { host, path, secrets }: Words): Failure {
  const said = errorIn(text, secrets);
  const answered = `${host} answered ${status}${said === "" ? "" : ` (${said})`}`;
  const refused = (reason: "bad_request" | "unauthorized" | "not_found" | "unexpected", hint: string): Failure => ({
    kind: "refused",
    reason,
    status,
    message: `${answered}${hint}`,
  });
  if (status === 429) return { kind: "unavailable", reason: "rate_limited", message: answered };
  if (status >= 500 || status === 408 || status === 425) return { kind: "unavailable", reason: "server_error", message: answered };
  if (status === 400 || status === 414 || status === 431) return refused("bad_request", `: it does not understand the query of ${path}`);
  if (status === 401 || status === 403) {
    const hint = "tokens belong to one region, so `url` and `token` must be of the same one; a read-only token is enough";
    return refused("unauthorized", `: it does not accept the token: ${hint}`);
  }
  if (status === 404)
    return refused("not_found", `: it has no ${path}; \`url\` must be QStash's base URL, such as https://qstash.upstash.io`);
  if (status >= 300 && status < 400) return refused("unexpected", ": a redirect, which is not followed; set `url` to where it leads");
  return refused("unexpected", `: not an answer that ${path} is known to give`);
}

/** The server's own words, if they are `{"error": "…"}`: one line of at most 300 characters, without any of `secrets`. */
function errorIn(text: string, secrets: readonly string[]): string {
  let error: unknown;
  try {
    error = JSON.parse(text)?.error;
  } catch {
    return "";
  }
  if (typeof error !== "string") return "";
  const hidden = secrets.filter((secret) => secret !== "").reduce((words, secret) => words.replaceAll(secret, "[REDACTED]"), error);
  const bearerless = hidden.replace(/bearer\s+\S+/gi, "Bearer [REDACTED]");
  return bearerless
    .replace(/\p{C}+/gu, " ")
    .trim()
    .slice(0, 300)
    .toWellFormed();
}

/** The `Date` header in ms, if it is one. */
export function dateOf(headers: IncomingHttpHeaders): Millis | undefined {
  const time = Date.parse(String(headers.date));
  return Number.isFinite(time) ? time : undefined;
}

/** `reset` is unix seconds. */
export function rateFactsOf(status: number, headers: IncomingHttpHeaders): RateFacts {
  return {
    limit: numberAt(headers, "burst-ratelimit-limit"),
    remaining: numberAt(headers, "burst-ratelimit-remaining"),
    reset: numberAt(headers, "burst-ratelimit-reset"),
    rateLimited: status === 429,
  };
}

/** A header that asks for more than a day is taken for broken: asking once a day then does no harm. */
const LONGEST_PAUSE_MS = 86_400_000;

/**
 * How long the API asks to be left alone, in ms from `at` (monotonic): until its burst limit resets, where
 * nothing of it is left, or as `Retry-After` says. Compared on the API's own clock; `wall` is ours, for
 * answers without a `Date`.
 */
export function pauseAsked(status: number, headers: IncomingHttpHeaders, clock: ServerClock, at: number, wall: Millis): number {
  const until = (time: Millis) => clock.until(time, at) ?? Math.max(0, time - wall);
  const { remaining, reset } = rateFactsOf(status, headers);
  const exhausted = reset !== undefined && (status === 429 || remaining === 0);
  const untilReset = exhausted ? until(reset * 1_000) : 0;
  const untilRetry = status === 429 || status >= 500 ? retryAfter(headers["retry-after"], until) : 0;
  return Math.min(LONGEST_PAUSE_MS, Math.max(untilReset, untilRetry));
}

/** `Retry-After` in seconds or as a date. */
function retryAfter(value: string | undefined, until: (time: Millis) => number): number {
  if (value === undefined) return 0;
  if (/^\s*\d{1,9}(\.\d+)?\s*$/.test(value)) return Number(value) * 1_000;
  const date = Date.parse(value);
  return Number.isFinite(date) ? until(date) : 0;
}

function numberAt(headers: IncomingHttpHeaders, name: string): number | undefined {
  const value = headers[name];
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : Number.NaN;
  return Number.isFinite(number) && number >= 0 ? number : undefined;
}
