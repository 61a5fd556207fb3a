/** Text for a terminal: nothing in a name may move the cursor, and every cell is counted. */

/** Controls and separators become visible; format characters (bidirectional, joiners) and variation selectors go. */
export function terminalText(s: string): string {
  return s
    .toWellFormed()
    .replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, "·")
    .replace(/\p{Cf}|\p{Emoji_Modifier}|\p{Variation_Selector}/gu, "");
}

const ZERO = /^[\p{M}]$/u;
const REGIONAL = /^[\u{1F1E6}-\u{1F1FF}]$/u;
const WIDE =
  /^[\p{Emoji_Presentation}\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Bopomofo}\p{Script=Yi}\u3000-\u303E\uFF01-\uFF60\uFFE0-\uFFE6]$/u;
const RIGHT_TO_LEFT = /[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}]/u;
/** After right-to-left text: what follows on the line stays where it is. Takes no cell. */
const LEFT_TO_RIGHT_MARK = "\u200E";

/** Terminal cells that a text takes. */
export function cells(s: string): number {
  let sum = 0;
  for (const c of s) sum += cellsOf(c);
  return sum;
}

function cellsOf(c: string): number {
  if (c < "\u0300") return 1;
  if (ZERO.test(c) || c === LEFT_TO_RIGHT_MARK) return 0;
  return WIDE.test(c) && !REGIONAL.test(c) ? 2 : 1;
}

/** Exactly `width` cells: cut with `…`, or filled with blanks. */
export function pad(s: string, width: number): string {
  const text = shorten(s, width);
  const mark = RIGHT_TO_LEFT.test(text) ? LEFT_TO_RIGHT_MARK : "";
  return text + mark + " ".repeat(width - cells(text));
}

/** At most `width` cells, cut with `…`. */
export function shorten(s: string, width: number): string {
  if (cells(s) <= width) return s;
  let out = "";
  let used = 1; // the ellipsis
  for (const c of s) {
    used += cellsOf(c);
    if (used > width) break;
    out += c;
  }
  return `${out}…`;
}

const UNITS = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
] as const;

/** `320 ms`, `1.62 s`, `2m 05s`, `23h 59m`, `3d 04h`. */
export function formatDuration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(Math.floor(ms / 10) / 100).toFixed(2)} s`;
  const at = UNITS.findIndex(([, size]) => ms >= size);
  const [unit, size] = UNITS[at] ?? UNITS[2];
  const [smaller, smallerSize] = UNITS[at + 1] ?? ["s", 1_000];
  const rest = Math.floor((ms % size) / smallerSize);
  return `${Math.floor(ms / size)}${unit} ${String(rest).padStart(2, "0")}${smaller}`;
}
