import type { Headers } from "../model/run.ts";
import { decodeBase64 } from "./base64.ts";
import type { TracesConfig } from "./config.ts";
import { type JsonRules, redactJson } from "./redact-json.ts";
import { isMarked, keyRules, MARK } from "./redact-keys.ts";
import { type PairRules, redactPairs } from "./redact-pairs.ts";
import { compilePatterns, redactShapes } from "./redact-patterns.ts";
import { redactUrl } from "./redact-url.ts";

/**
 * Takes secrets out of everything that leaves the mapper. Redacting twice changes nothing more, and a
 * `REDACTED:<sha256>` of the API's passes through.
 */
export interface Redactor {
  /** Free text: names, error messages. URLs in it, `key=value`, and what has the shape of a secret. */
  text(s: string): string;
  /** One URL. */
  url(s: string): string;
  /** The same names, secret ones with their values replaced. */
  headers(h: Headers): Headers;
  /** A body: as text, and inside JSON, base64, forms and strings that hold one of these. */
  payload(s: string): string;
  /** How many values it has taken out so far. */
  count(): number;
}

/** Longer strings are cut before they are read (no value of a megabyte or more is exported) … */
const MAX_INPUT = 2 ** 21;
/** … and lose their last characters after, which may be half a secret. */
const MARGIN = 4_096;
/** A URL in a query in a URL, JSON in a string of JSON in base64 …: deeper is hostile, and goes as a whole. */
const MAX_DEPTH = 8;
const FORM = /^[^\s=&?#]+=\S*$/;
const URLS = /:\/\/[^\s"<>\\`]+/g;

/** Made once for each configuration. Throws for a pattern that `checkPattern` refuses. */
export function createRedactor(config: TracesConfig["redact"]): Redactor {
  const keys = keyRules(config.keys);
  const patterns = compilePatterns(config.patterns);
  let taken = 0;
  const mark = (value: string): string => {
    if (isMarked(value)) return value;
    taken++;
    return MARK;
  };

  const pairs: PairRules = { key: keys.key, mark };
  const bareUrl = (s: string, depth: number): string =>
    redactUrl(s, { key: keys.key, mark, value: (value) => plain(value, false, depth + 1) });
  const plain = (s: string, everyKey: boolean, depth: number): string => {
    if (isMarked(s)) return s;
    if (depth > MAX_DEPTH) return mark(s);
    const urls = s.includes("://") ? s.replace(URLS, (url) => bareUrl(url, depth)) : s;
    return patterns(redactPairs(redactShapes(urls, mark), pairs, everyKey), mark);
  };
  const text = unlessClean(MAX_CLEAN_TEXT, (s) => plain(s, false, 0));
  const url = unlessClean(MAX_CLEAN_URL, (s) =>
    isMarked(s) ? s : patterns(redactShapes(withoutUserinfo(bareUrl(s, 0), mark), mark), mark),
  );

  const payload = (s: string, depth: number): string => {
    if (s === "" || isMarked(s)) return s;
    if (depth > MAX_DEPTH) return mark(s);
    if (/^\s*["{[]/.test(s)) {
      const rules: JsonRules = { ...keys, mark, leaf: (value) => payload(value, depth + 1) };
      const redacted = redactJson(s, rules);
      return redacted.json ? redacted.text : plain(redacted.text, true, depth);
    }
    const decoded = decodeBase64(s);
    // As in a URL's query, the values of a form are encoded, and may hold a URL or JSON.
    if (decoded === undefined) return plain(FORM.test(s) ? bareUrl(`?${s}`, depth).slice(1) : s, true, depth);
    const inner = payload(decoded, depth + 1);
    return inner === decoded ? s : Buffer.from(inner).toString("base64");
  };

  const header = (name: string, values: readonly string[]): readonly string[] =>
    values.map((value) => (value === "" ? value : keys.header(name) ? mark(value) : text(value)));

  return {
    text: (s) => bounded(s, text),
    url: (s) => bounded(s, url),
    headers: (h) => Object.fromEntries(Object.entries(h).map(([name, values]) => [name, header(name, values)])),
    payload: (s) => bounded(s, (body) => patterns(payload(body, 0), mark)),
    count: () => taken,
  };
}

/** `https:/user:pw@host` and the like: no URL by its text, but one for those who parse it. */
function withoutUserinfo(url: string, mark: (value: string) => string): string {
  if (!url.includes("@") || !URL.canParse(url)) return url;
  const parsed = new URL(url);
  if ((parsed.username === "" || isMarked(parsed.username)) && (parsed.password === "" || isMarked(parsed.password))) return url;
  mark(parsed.username + parsed.password);
  if (parsed.username !== "") parsed.username = MARK;
  if (parsed.password !== "") parsed.password = MARK;
  return parsed.href;
}

/** States, types, names and URLs come again with every run; ids do not, and are longer than most of these. */
const MAX_CLEAN_TEXT = 24;
const MAX_CLEAN_URL = 256;
const MAX_CLEAN = 2_000;

/** Remembers short strings in which there was nothing to redact. */
function unlessClean(maxLength: number, redact: (s: string) => string): (s: string) => string {
  const clean = new Set<string>();
  return (s) => {
    const short = s.length <= maxLength;
    if (short && clean.has(s)) return s;
    const redacted = redact(s);
    if (short && redacted === s) {
      if (clean.size >= MAX_CLEAN) clean.clear();
      clean.add(s);
    }
    return redacted;
  };
}

function bounded(s: string, redact: (s: string) => string): string {
  return s.length <= MAX_INPUT ? redact(s) : redact(s.slice(0, MAX_INPUT)).slice(0, -MARGIN);
}
