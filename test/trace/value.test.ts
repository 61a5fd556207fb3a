import fc from "fast-check";
import { expect, test } from "vitest";
import { cut, limitValue, spanName } from "../../src/trace/value.ts";

const anyString = fc.string({ unit: "binary", maxLength: 60 });

test.each([
  ["short", 16, { value: "short", size: 5, cut: false }],
  ["exact", 5, { value: "exact", size: 5, cut: false }],
  ["äöü", 4, { value: "äö", size: 6, cut: true }],
  ["äöü", 3, { value: "ä", size: 6, cut: true }],
  ["a😀b", 4, { value: "a", size: 6, cut: true }],
  ["a😀b", 5, { value: "a😀", size: 6, cut: true }],
  ["lone \ud800 half", 100, { value: "lone \ufffd half", size: 13, cut: false }],
  ["anything", 0, { value: "", size: 8, cut: true }],
  ["", 0, { value: "", size: 0, cut: false }],
])("cuts %j at %i bytes", (text, bytes, expected) => expect(cut(text, bytes)).toEqual(expected));

test("a cut never exceeds its bytes, is well-formed, and is a prefix of whole characters", () => {
  fc.assert(
    fc.property(anyString, fc.nat(80), (text, bytes) => {
      const { value, size, cut: isCut } = cut(text, bytes);
      expect(Buffer.byteLength(value)).toBeLessThanOrEqual(bytes);
      expect(value.isWellFormed()).toBe(true);
      expect(text.toWellFormed().startsWith(value)).toBe(true);
      expect(size).toBe(Buffer.byteLength(text.toWellFormed()));
      expect(isCut).toBe(size > bytes);
      if (isCut) expect(Buffer.byteLength(value)).toBeGreaterThan(bytes - 4);
    }),
  );
});

test.each([
  ["charge card", "Run", "charge card"],
  ["", "Run", "Run"],
  [" \n\t ", "Call", "Call"],
  ["n".repeat(128), "Run", "n".repeat(128)],
  ["n".repeat(129), "Run", "n".repeat(128)],
  [`${"n".repeat(127)}😀`, "Run", "n".repeat(127)],
  [`${"n".repeat(126)}😀!`, "Run", `${"n".repeat(126)}😀`],
  ["\udc00", "Run", "\ufffd"],
  ["決済", "Run", "決済"],
])("the span name of %j is at most 128 characters, or the type", (name, fallback, expected) => {
  expect(spanName(name, fallback)).toBe(expected);
});

test("a span name never holds half a surrogate pair", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme", minLength: 100, maxLength: 300 }), (name) => {
      expect(spanName(name, "Run").isWellFormed()).toBe(true);
      expect(spanName(name, "Run").length).toBeLessThanOrEqual(128);
    }),
  );
});

test.each([
  [1.5, 1.5],
  [0, 0],
  [-(2 ** 63), -(2 ** 63)],
  [2 ** 63, undefined],
  [-(2 ** 64), undefined],
  [1e300, undefined],
  [Number.NaN, undefined],
  [Number.POSITIVE_INFINITY, undefined],
  [true, true],
  ["äöü", "äö"],
  [
    ["äöü", "b"],
    ["äö", "b"],
  ],
  [
    [1, Number.NaN, 3],
    [1, 3],
  ],
  [[false], [false]],
])("an attribute value %j within the limits of OTLP is %j", (value, expected) => expect(limitValue(value, 4)).toEqual(expected));
