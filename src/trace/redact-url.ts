import { decodePercent, isMarked, MARK } from "./redact-keys.ts";

export interface UrlRules {
  key(name: string): boolean;
  /** What replaces a secret. */
  mark(value: string): string;
  /** Redacts the (decoded) value of a harmless key, which may hold a URL itself. */
  value(value: string): string;
}

const FIELD = /([?#&;])([^?#&;=]*)=([^#&;]*)/g;
const PATH_FIELD = /(;)([^/;=]*)=([^/;]*)/g;
/** A URL in the path of another. */
const NESTED = /(:\/\/)([^/?#\\]*)@/g;

/**
 * A URL without its secrets: userinfo, and the values of secret keys in path (`;key=value`), query and fragment. Works on the
 * text, not on a parsed URL: what cannot be parsed must be safe as well, and what is harmless stays as written.
 */
export function redactUrl(url: string, rules: UrlRules): string {
  const bare = redactUserinfo(url, rules);
  const found = bare.search(/[?#]/);
  const start = found < 0 ? bare.length : found;
  const field = (_: string, sign: string, key: string, value: string) => `${sign}${key}=${redactValue(key, value, rules)}`;
  return bare.slice(0, start).replace(PATH_FIELD, field) + bare.slice(start).replace(FIELD, field);
}

function redactValue(key: string, value: string, rules: UrlRules): string {
  if (value === "") return value;
  if (rules.key(key)) return rules.mark(value);
  const decoded = decodePercent(value);
  const redacted = rules.value(decoded);
  if (redacted === decoded) return value;
  return decoded === value ? redacted : encodeURIComponent(redacted);
}

function redactUserinfo(url: string, rules: UrlRules): string {
  const start = url.startsWith("//") ? 2 : url.indexOf("://") + 3;
  if (start < 3 && !url.startsWith("//")) return url;
  const rest = url.slice(start);
  const length = rest.search(/[/?#\\]/);
  const authority = length < 0 ? rest : rest.slice(0, length);
  let at = authority.lastIndexOf("@");
  // `user:pa/ss@host`: what looks like a port but is none was a password with a `/`, `?` or `#` in it.
  if (at < 0 && /^[^[].*:(?!\d*$)/.test(authority)) at = rest.lastIndexOf("@");
  const tail = rest
    .slice(at + 1)
    .replace(NESTED, (_, slashes: string, userinfo: string) => `${slashes}${redactCredentials(userinfo, rules)}@`);
  if (at < 0) return url.slice(0, start) + tail;
  return `${url.slice(0, start)}${redactCredentials(rest.slice(0, at), rules)}@${tail}`;
}

/** `REDACTED:REDACTED`, as OpenTelemetry's `url.full` has it. */
function redactCredentials(userinfo: string, rules: UrlRules): string {
  if (userinfo === "" || userinfo.split(":").every(isMarked)) return userinfo;
  rules.mark(userinfo);
  return userinfo.includes(":") ? `${MARK}:${MARK}` : MARK;
}
