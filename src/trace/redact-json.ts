/**
 * Redaction inside JSON, token by token and in place: what is not redacted keeps its every byte (number
 * formats, spaces), keys that occur twice are both seen, several documents may follow each other, and a
 * text that was cut off (`trimBody`) is read as far as it goes. Depth costs nothing.
 */
export interface JsonRules {
  key(name: string): boolean;
  header(name: string): boolean;
  /** What replaces a secret. */
  mark(value: string): string;
  /** Redacts a string that is not a secret by its key. */
  leaf(value: string): string;
}

export interface RedactedJson {
  readonly text: string;
  /** False if there was something that JSON does not know: the text wants another reading as well. */
  readonly json: boolean;
}

interface Frame {
  readonly object: boolean;
  /** The members are headers: an object under a key such as `header` or `requestHeaders`. */
  readonly headers: boolean;
}

const COLON = /\s*:/y;
const WORD = /[^\s"{}[\],:]+/y;
const LITERAL = /^(?:-?\d[\d.eE+-]*|true|false|null)$/;
const HEADERS_KEY = /headers?$/i;

export function redactJson(text: string, rules: JsonRules): RedactedJson {
  const frames: Frame[] = [];
  const out: string[] = [];
  let key: string | undefined;
  let json = true;
  let at = 0;
  const secret = () => key !== undefined && (rules.key(key) || (frames.at(-1)?.headers === true && rules.header(key)));
  while (at < text.length) {
    const from = at;
    const c = text.charAt(at);
    if (c === '"') {
      at = endOfString(text, at);
      const token = text.slice(from, at);
      COLON.lastIndex = at;
      const isKey = key === undefined && frames.at(-1)?.object === true && COLON.test(text);
      out.push(redactString(token, !isKey && secret(), rules));
      if (isKey) key = decode(token);
    } else if ((c === "{" || c === "[") && secret()) {
      at = endOfNested(text, at);
      out.push(JSON.stringify(rules.mark(text.slice(from, at))));
    } else if (c === "{" || c === "[") {
      const parent = frames.at(-1);
      frames.push({ object: c === "{", headers: key === undefined ? parent?.headers === true && !parent.object : HEADERS_KEY.test(key) });
      key = undefined;
      out.push(text.charAt(at++));
    } else if (c === "}" || c === "]" || c === ",") {
      if (c !== ",") frames.pop();
      key = undefined;
      out.push(text.charAt(at++));
    } else if (c === ":") {
      json &&= frames.at(-1)?.object === true;
      out.push(c);
      at++;
    } else {
      WORD.lastIndex = at;
      const word = WORD.exec(text)?.[0];
      at += word?.length ?? 1;
      json &&= word === undefined || LITERAL.test(word);
      out.push(word === undefined ? c : redactWord(word, secret(), rules));
    }
  }
  return { text: out.join(""), json };
}

/** A string with its quotes; the closing one may be missing at the text's end. */
function redactString(token: string, secret: boolean, rules: JsonRules): string {
  const value = decode(token);
  if (value === "") return token;
  const redacted = secret ? rules.mark(value) : rules.leaf(value);
  if (redacted === value) return token;
  const quoted = JSON.stringify(redacted);
  return isClosed(token) ? quoted : quoted.slice(0, -1);
}

function redactWord(word: string, secret: boolean, rules: JsonRules): string {
  if (!/^-?\d/.test(word)) return word; // null, true and false are no secrets; what else it is, is no JSON
  const redacted = secret ? rules.mark(word) : rules.leaf(word);
  return redacted === word ? word : JSON.stringify(redacted);
}

/** The string that a token stands for; as it is written where it is no legal JSON. */
function decode(token: string): string {
  const inner = isClosed(token) ? token.slice(1, -1) : token.slice(1);
  if (!inner.includes("\\")) return inner;
  for (const candidate of [inner, inner.replace(/\\(?:u[\da-f]{0,3})?$/i, "")]) {
    try {
      return JSON.parse(`"${candidate}"`) as string;
    } catch {
      // the next candidate is the one without an escape that was cut off
    }
  }
  return inner;
}

function isClosed(token: string): boolean {
  if (token.length < 2 || !token.endsWith('"')) return false;
  let backslashes = 0; // before the last quote: an odd number escapes it
  for (let i = token.length - 2; token.charAt(i) === "\\"; i--) backslashes++;
  return backslashes % 2 === 0;
}

/** Index after the string that begins at `at` with its quote (either kind), or the text's end. */
export function endOfString(text: string, at: number): number {
  const quote = text.charCodeAt(at);
  for (let i = at + 1; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 92) i++;
    else if (code === quote) return i + 1;
  }
  return text.length;
}

/** Index after the object or array that begins at `at`, or the text's end. */
export function endOfNested(text: string, at: number): number {
  let depth = 0;
  for (let i = at; i < text.length; i++) {
    const c = text.charAt(i);
    if (c === '"') i = endOfString(text, i) - 1;
    else if (c === "{" || c === "[") depth++;
    else if ((c === "}" || c === "]") && --depth === 0) return i + 1;
  }
  return text.length;
}
