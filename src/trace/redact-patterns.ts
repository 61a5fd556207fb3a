/** Secrets that can be told by their shape alone: the built-in ones, and the user's regular expressions. */

const SHAPES = new RegExp(
  [
    // What follows the word, so that the word stays.
    String.raw`(\bbearer\s+)(?:[\w.~+/=-]{8,}|(?=[a-z]*\d)[\w.~+/=-]{4,})`,
    String.raw`(\bbasic\s+)(?=[a-z]*[\d+/=])[a-z\d+/]{8,}={0,2}`,
    String.raw`(?<![\w-])(?-i:eyJ)[\w-]{5,}\.[\w-]{5,}(?:\.[\w-]*)*`, // JWT
    String.raw`(?<![\w-])(?-i:eyJVc2VySUQi)[\w+/=-]{8,}`, // a QStash token: base64 of {"UserID"…
    String.raw`(?<![a-z\d])(?-i:A(?:KIA|SIA|GPA|IDA|ROA|NPA|NVA|BIA|CCA)[A-Z\d]{16})(?![a-z\d])`, // AWS
    String.raw`(?<![a-z\d])(?:gh[pousr]_[a-z\d]{16,}|github_pat_\w{20,})`, // GitHub
    String.raw`(?<![a-z\d])(?:[sr]k_(?:live|test)_[a-z\d]{8,}|whsec_[\w+/=]{8,})`, // Stripe
    String.raw`(?<![\w-])(?:sk-[\w-]{20,}|xox[abeoprs]-[\w-]{10,}|sig_[a-z\d]{20,})`, // LLM providers, Slack, QStash's signing keys
  ].join("|"),
  "gi",
);

/** Redacts what has the shape of a secret. Linear in the text. */
export function redactShapes(s: string, mark: (value: string) => string): string {
  if (s.search(SHAPES) < 0) return s; // three times as quick as to replace nothing
  return s.replace(SHAPES, (match: string, bearer?: string, basic?: string) => {
    const word = bearer ?? basic ?? "";
    return word + mark(match.slice(word.length));
  });
}

/** Longer text loses its end before the user's patterns see it: what they may cost has a bound. */
const MAX_PATTERN_INPUT = 8_192;
/** … and then its last characters, which may be the beginning of a secret that the cut made unrecognisable. */
const MARGIN = 512;
/** Ways in which a pattern may match from one place: a backtracking matcher tries them all. */
const MAX_COST = 2 ** 18;
const MAX_LENGTH = 500;
const MARKS = /(REDACTED(?::[\da-f]{64})?)/i;

/** The user's patterns, compiled. Throws for one that `checkPattern` refuses: configurations are checked before. */
export function compilePatterns(sources: readonly string[]): (s: string, mark: (value: string) => string) => string {
  const patterns = sources.map((source) => {
    const problem = checkPattern(source);
    if (problem !== undefined) throw new Error(`redact.patterns: ${problem}`);
    return new RegExp(source, "gu");
  });
  if (patterns.length === 0) return (s) => s;
  return (s, mark) => {
    const whole = s.length <= MAX_PATTERN_INPUT;
    // What is marked already stays as it is: a pattern may match the mark itself.
    const parts = (whole ? s : s.slice(0, MAX_PATTERN_INPUT)).split(MARKS);
    const done = parts
      .map((part, i) => (i % 2 === 1 ? part : patterns.reduce((text, pattern) => text.replace(pattern, mark), part)))
      .join("");
    return whole ? done : done.slice(0, -MARGIN);
  };
}

/**
 * Why a user's regular expression (JavaScript's, with the flag u; `(?i:…)` for any case) is refused, or undefined.
 * Refused are those that are invalid, match nothing at all, refer back to a group, or could take a
 * backtracking matcher more than 2^18 steps from one place. Never quotes the pattern.
 */
export function checkPattern(source: string): string | undefined {
  if (source.length > MAX_LENGTH) return `a regular expression of at most ${MAX_LENGTH} characters`;
  try {
    if (!new RegExp(source, "u").test("")) return checkCost(source);
  } catch {
    // what cannot be compiled gets the same words
  }
  return "a regular expression (with the flag u) that does not match the empty string";
}

function checkCost(source: string): string | undefined {
  if (/\\[1-9k]/.test(source.replaceAll("\\\\", ""))) return "a regular expression without references to its own groups";
  if (alternatives({ source, at: 0 }) > MAX_COST) {
    return "a regular expression that cannot take long: no repetition inside a repetition, and lengths with a bound, such as \\S{1,200} for \\S+ (one without a bound is allowed)";
  }
  return undefined;
}

interface Cursor {
  readonly source: string;
  at: number;
}

/** Ways in which `a|b` matches: the sum. The source is known to compile. */
function alternatives(cursor: Cursor): number {
  let sum = 0;
  for (;;) {
    sum += sequence(cursor);
    if (cursor.source[cursor.at] !== "|") return sum;
    cursor.at++;
  }
}

/** Ways in which a sequence matches: the product. */
function sequence(cursor: Cursor): number {
  let product = 1;
  while (cursor.at < cursor.source.length && !/[|)]/.test(cursor.source.charAt(cursor.at))) product *= repeated(cursor, atom(cursor));
  return product;
}

const ATOM = /\\[\s\S]|\[(?:\\[\s\S]|[^\]\\])*\]|[^(]/y;
const GROUP = /\((?:\?(?:<?[=!]|<[^>]*>|[a-z-]*:))?/y;

function atom(cursor: Cursor): number {
  if (take(cursor, GROUP) === undefined) {
    take(cursor, ATOM);
    return 1;
  }
  const ways = alternatives(cursor);
  cursor.at++; // the closing parenthesis
  return ways;
}

const QUANTIFIER = /(?:([*+?])|\{(\d+)(,?)(\d*)\})\??/y;

/** Repeating what matches in one way, without a bound, can end anywhere in the text; in two ways, it is exponential. */
function repeated(cursor: Cursor, ways: number): number {
  const match = take(cursor, QUANTIFIER);
  if (match === undefined) return ways;
  const [, sign, least = "0", comma = ",", most = ""] = match;
  const min = sign === undefined ? Number(least) : 0;
  const max = sign === "?" ? 1 : comma === "" ? min : most === "" ? Number.POSITIVE_INFINITY : Number(most);
  if (max === Number.POSITIVE_INFINITY) return ways > 1 ? max : MAX_PATTERN_INPUT;
  return (max - min + 1) * ways ** max;
}

function take(cursor: Cursor, pattern: RegExp): RegExpExecArray | undefined {
  pattern.lastIndex = cursor.at;
  const match = pattern.exec(cursor.source);
  if (match === null) return undefined;
  cursor.at = pattern.lastIndex;
  return match;
}
