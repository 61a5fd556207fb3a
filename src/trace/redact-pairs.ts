import { endOfNested, endOfString } from "./redact-json.ts";

/** `key=value`, `key: value` and `"key":"value"` anywhere in a text: forms, logs, JSON inside of prose. */
export interface PairRules {
  key(name: string): boolean;
  /** What replaces a secret. */
  mark(value: string): string;
}

/** A key, the quote after it (escaped where JSON lies in a string), and the sign. Linear: each word is tried once. */
const KEY = /(?<![\w.%[-])([\w.%[\]-]+)(\\*["'])?\s*([:=])[^\S\r\n]*/g;
const AMBIGUOUS = /(?:^|[.[])(?:code|key)\]?$/i;
/** These hold blanks, so they end with their line. */
const WHOLE_LINE = /(?:authorization|cookie)$/i;
/** Gone already; what closes around it stays. */
const MARKED = /REDACTED(?::[\da-f]{64})?(?=[\s"'<>&,;)}\]]|$)/y;
const HARMLESS = /^(?:null|true|false|undefined|none)$/i;

/** Without `everyKey`, `code` and `key` are words of prose, and secrets only in `?code=…`, `&code=…` or at the text's beginning. */
export function redactPairs(text: string, rules: PairRules, everyKey: boolean): string {
  if (!text.includes("=") && !text.includes(":")) return text;
  const out: string[] = [];
  let done = 0;
  KEY.lastIndex = 0;
  for (let match = KEY.exec(text); match !== null; match = KEY.exec(text)) {
    const [whole, key = "", quote = "", sign] = match;
    if (!rules.key(key) || (!everyKey && AMBIGUOUS.test(key) && !isFormField(text, match.index, sign))) continue;
    const next = match.index + whole.length;
    const [from, to] = WHOLE_LINE.test(key) ? line(text, next) : value(text, next);
    const secret = text.slice(from, to);
    if (secret === "" || HARMLESS.test(secret)) continue;
    const nested = /^[{[]/.test(secret) && text.charAt(from - 1) !== quote ? quote : "";
    out.push(text.slice(done, from), nested, rules.mark(secret), nested);
    done = to;
    KEY.lastIndex = to;
  }
  return done === 0 ? text : out.join("") + text.slice(done);
}

function isFormField(text: string, at: number, sign: string | undefined): boolean {
  return sign === "=" && (at === 0 || /[?&;]/.test(text.charAt(at - 1)));
}

type Range = readonly [from: number, to: number];

/** Where the value that begins at `at` lies, without its quotes. */
function value(text: string, at: number): Range {
  const quote = /^\\*["']/.exec(text.slice(at, at + 32))?.[0];
  if (quote !== undefined) return quoted(text, at, quote);
  MARKED.lastIndex = at;
  if (MARKED.test(text)) return [at, MARKED.lastIndex];
  if (/[{[]/.test(text.charAt(at))) return [at, endOfNested(text, at)];
  let to = at;
  while (to < text.length && !isEnd(text, to)) to++;
  return [at, to];
}

function quoted(text: string, at: number, quote: string): Range {
  const from = at + quote.length;
  if (quote.length > 1) {
    const end = text.indexOf(quote, from);
    return [from, end < 0 ? text.length : end];
  }
  const end = endOfString(text, at);
  return [from, end > from && text.charAt(end - 1) === quote ? end - 1 : end];
}

/** A comma or semicolon ends a value only if a blank follows: passwords may hold them. */
function isEnd(text: string, at: number): boolean {
  const c = text.charAt(at);
  return /[\s&"'<>]/.test(c) || (/[,;]/.test(c) && /^(?:\s|$)/.test(text.charAt(at + 1)));
}

/** To the line's end, or to the quote that the line stands in (`curl -H 'Cookie: …'`). */
function line(text: string, at: number): Range {
  const [from] = value(text, at);
  if (from > at) return value(text, at);
  let to = at;
  while (to < text.length && !/[\r\n']/.test(text.charAt(to))) to++;
  return [at, to];
}
