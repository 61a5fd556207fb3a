import fc from "fast-check";
import { expect, test } from "vitest";
import { glob } from "../../src/trace/glob.ts";

test.each([
  ["https://app.example.com/api/*", "https://app.example.com/api/orders/1", true],
  ["https://app.example.com/api/*", "https://app.example.com/api/", true],
  ["https://app.example.com/api/*", "https://app.example.com/api", false],
  ["https://*/internal/*", "https://a.b/x/internal/y", true],
  ["https://*/internal/*", "https://a.b/internals", false],
  ["charge-*", "charge-1", true],
  ["*", "", true],
  ["**", "anything", true],
  ["a*a", "a", false],
  ["a*b*a", "aba", true],
  ["a*b*b*a", "aba", false],
  ["exact", "exact", true],
  ["exact", "exactly", false],
  ["a.c", "abc", false],
  ["", "", true],
  ["", "x", false],
])("%j on %j: %s", (pattern, text, expected) => expect(glob(pattern)(text)).toBe(expected));

test("agrees with a regular expression on every pattern", () => {
  const word = fc.array(fc.constantFrom("a", "b", "*", "."), { maxLength: 8 }).map((parts) => parts.join(""));
  fc.assert(
    fc.property(word, word, (pattern, text) => {
      const source = pattern.split("*").map((part) => part.replaceAll(".", "\\."));
      expect(glob(pattern)(text)).toBe(new RegExp(`^${source.join(".*")}$`, "s").test(text));
    }),
  );
});
