import { glob } from "./glob.ts";

/** What a value is replaced by: OpenTelemetry's own word for it in URLs, and legal in each of the formats. */
export const MARK = "REDACTED";
/** What the API shows in place of a value that the user hid when the run was started. */
const HASHED = /^REDACTED:[\da-f]{64}$/i;

/** Keys of URL queries, forms and JSON objects; written without `_` and `-`, as `normalize` gives them. */
const KEYS = new Set(["token", "key", "apikey", "accesstoken", "secret", "password", "sig", "signature", "code", "awsaccesskeyid"]);
for (const key of ["xgoogsignature", "qstashtoken", "authorization", "proxyauthorization", "cookie", "setcookie", "xapikey"]) KEYS.add(key);
for (const key of ["xhoneycombteam", "passwd", "pwd"]) KEYS.add(key);
/** `client_secret`, `refreshToken`, `aws_secret_access_key`: longer names of the same things. `max_tokens` is none. */
const KEY_ENDINGS = /(?:token|secret|password|apikey|accesskey|secretkey|privatekey)$/;
const KEY_PREFIXES = /^xamz/;

const HEADERS = /(?:^|-)(?:authorization|cookie|set-cookie|api-key|x-honeycomb-team)$|token|secret/;

export interface KeyRules {
  /** A key of a query, a form or a JSON object, whose value is a secret. */
  key(name: string): boolean;
  header(name: string): boolean;
}

/** The built-in lists and the user's own keys: whole names, in any case, with `*` for anything. */
export function keyRules(own: readonly string[]): KeyRules {
  const globs = own.map((key) => glob(normalize(key)));
  const isOwn = (name: string) => globs.some((matches) => matches(name));
  const key = memo((name) => {
    const short = normalize(name);
    return KEYS.has(short) || KEY_ENDINGS.test(short) || KEY_PREFIXES.test(short) || isOwn(short);
  });
  const header = memo((name) => HEADERS.test(name.toLowerCase()) || isOwn(normalize(name)));
  return { key, header };
}

/** A value that is gone already: ours or the API's. */
export function isMarked(value: string): boolean {
  return value === MARK || (value.startsWith(MARK) && HASHED.test(value));
}

/** The last part of `user[token]`, `config.token` or `/callback?token`, decoded, in lower case, without `_`, `-` and spaces. */
function normalize(name: string): string {
  const parts = decodePercent(name).split(/[.[\]?/&;]+/);
  return (parts.findLast((part) => part !== "") ?? "").toLowerCase().replace(/[-_\s]+/g, "");
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
