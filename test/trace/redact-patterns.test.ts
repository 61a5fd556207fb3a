import fc from "fast-check";
import { expect, test } from "vitest";
import { checkPattern, compilePatterns } from "../../src/trace/redact-patterns.ts";

test.each([
  "\\b\\d{16}\\b",
  "(?:\\d[ -]?){13,16}",
  "[ab]+c",
  "cust-[\\w-]{1,40}",
  "\\w{1,64}@\\w{1,64}\\.\\w{1,16}",
  "(?<=id: )\\d+",
  "(?<name>foo|bar)baz?",
  "(?i:secret)-x",
  "(?=a)b(?!c)(?<!d)",
  "[\\]()*+]+x",
  "(ab){3}",
  "(?:ab)+",
  "a{2,}",
  "\\(\\*\\+",
  "\\p{L}{1,10}x",
  "\\\\1",
])("accepts %s", (pattern) => expect(checkPattern(pattern)).toBeUndefined());

test.each([
  ["(", "flag u"],
  ["[z-a]", "flag u"],
  ["", "empty"],
  ["a*", "empty"],
  ["x|", "empty"],
  ["x".repeat(501), "500 characters"],
  ["(a)\\1", "references"],
  ["(?<n>a)\\k<n>", "references"],
  ["(a+)+", "repetition inside"],
  ["(a|aa)+b", "repetition inside"],
  ["(?:a?){30}b", "repetition inside"],
  ["(?:(?:a{1,9}){1,9}){1,9}", "repetition inside"],
  ["a+b*c", "with a bound"],
  ["\\w+@\\w+\\.\\w+", "with a bound"],
  [".*x.*", "with a bound"],
])("refuses %s", (pattern, words) => expect(checkPattern(pattern)).toContain(words));

test("never throws, and what it accepts compiles and reads the worst of texts", () => {
  const pattern = fc.string({ unit: fc.constantFrom(..."ab()[]{}*+?|\\d.,:=!<>-1^$"), maxLength: 14 });
  fc.assert(
    fc.property(pattern, (source) => {
      if (checkPattern(source) !== undefined) return;
      const redact = compilePatterns([source]);
      expect(typeof redact("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", () => "REDACTED")).toBe("string");
    }),
    { numRuns: 3_000 },
  );
});
