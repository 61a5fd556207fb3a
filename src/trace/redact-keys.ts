import { glob } from "./glob.ts";

/** What a value is replaced by: OpenTelemetry's own word for it in URLs, and legal in each of the formats. */
export const MARK = "REDACTED";
/** What the API shows in place of a value that the user hid when the run was started. */
const HASHED = /^REDACTED:[\da-f]{64}$/i;

/** Keys of URL queries, forms and JSON objects; written without `_` and `-`, as `normalize` gives them. */
const KEYS = new Set(
  (
    "token key apikey accesstoken secret password passwd pwd sig signature code awsaccesskeyid xgoogsignature qstashtoken " +
    "authorization proxyauthorization cookie setcookie xapikey xhoneycombteam"
  ).split(" "),
);
/** `client_secret`, `refreshToken`, `aws_secret_access_key`: longer names of the same things. `max_tokens` is none. */
const KEY_ENDINGS = /(?:token|secret|password|apikey|accesskey|secretkey|privatekey)$/;
const KEY_PREFIXES = /^xamz/;

const HEADERS = /(?:^|-)(?:authorization|cookie|set-cookie|api-key|x-honeycomb-team)$|token|secret/;

export interface KeyRules {
  /** A key of a query, a form or a JSON object, whose value is a secret. */
  key(name: string): boolean;
  header(name: string): boolean;
}

/** The built-in lists and the user's own keys: in any case, with or without `-` and `_`; with `*` for anything, to the letter. */
export function keyRules(own: readonly string[]): KeyRules {
  const names = new Set(own.filter((key) => !key.includes("*")).map(normalize));
  const globs = own.filter((key) => key.includes("*")).map((key) => glob(key.toLowerCase()));
  const isOwn = (name: string) => names.has(normalize(name)) || globs.some((matches) => matches(lastPart(name)));
  const key = memo((name) => {
    const short = normalize(name);
    return KEYS.has(short) || KEY_ENDINGS.test(short) || KEY_PREFIXES.test(short) || isOwn(name);
  });
  const header = memo((name) => HEADERS.test(name.toLowerCase()) || isOwn(name));
  return { key, header };
}

/** A value that is gone already: ours or the API's. */
export function isMarked(value: string): boolean {
  return value === MARK || (value.startsWith(MARK) && HASHED.test(value));
}

function normalize(name: string): string {
  return lastPart(name).replace(/[-_\s]+/g, "");
}

/** `token` of `user[token]`, `config.token` or `/callback?token`: decoded, in lower case. */
function lastPart(name: string): string {
  const parts = decodePercent(name).split(/[.[\]?/&;]+/);
  return (parts.findLast((part) => part !== "") ?? "").toLowerCase();
}

/** Percent-decoded where that can be done, else as it is. */
export function decodePercent(s: string): string {
  if (!s.includes("%")) return s;
  try {
    return decodeURIComponent(s);
  } catch {
    return s;
  }
}

/** Keys repeat in their thousands; the memo is bounded, for they are the users' own. */
function memo(test: (name: string) => boolean): (name: string) => boolean {
  const known = new Map<string, boolean>();
  return (name) => {
    const answer = known.get(name);
    if (answer !== undefined) return answer;
    const made = test(name);
    if (known.size < 2_000 && name.length <= 64) known.set(name, made);
    return made;
  };
}
