import { expect, test } from "vitest";
import { cells, formatDuration, pad, shorten, terminalText } from "../../src/trace/waterfall-text.ts";

test.each([
  [0, "0 ms"],
  [999, "999 ms"],
  [1_000, "1.00 s"],
  [1_623, "1.62 s"],
  [59_999, "59.99 s"],
  [60_000, "1m 00s"],
  [125_000, "2m 05s"],
  [3_599_999, "59m 59s"],
  [86_340_000, "23h 59m"],
  [273_600_000, "3d 04h"],
])("%i ms is written %s", (ms, text) => expect(formatDuration(ms)).toBe(text));

test.each([
  ["abc", 3],
  ["äöü", 3],
  ["e\u0301", 1],
  ["決済", 4],
  ["한글", 4],
  ["（）", 4],
  ["🚀", 2],
  ["🇩🇪", 2],
  ["─┼█≈", 4],
])("%s takes %i cells", (text, width) => expect(cells(text)).toBe(width));

test("text is cut by cells, with an ellipsis", () => {
  expect(shorten("abcdef", 6)).toBe("abcdef");
  expect(shorten("abcdef", 5)).toBe("abcd…");
  expect(shorten("決済決済", 6)).toBe("決済…");
  expect(shorten("決済決済", 4)).toBe("決…");
});

test("padding fills the cells that are left, and keeps what follows right-to-left text in its place", () => {
  expect(pad("ab", 4)).toBe("ab  ");
  expect(pad("決済決済", 6)).toBe("決済… ");
  expect(pad("שלום", 6)).toBe("שלום\u200E  ");
  expect(cells(pad("שלום", 6))).toBe(6);
});

test("nothing in a text moves the cursor", () => {
  expect(terminalText("a\u001B[31mb\u202Ec\u200Bd\ne\ud800")).toBe("a·[31mbcd·e\ufffd");
});
