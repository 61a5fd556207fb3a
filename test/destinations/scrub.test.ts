import fc from "fast-check";
import { expect, it } from "vitest";
import { scrubber } from "../../src/destinations/scrub.ts";

it("leaves no secret in any text, wherever it stands", () => {
  const secret = fc.string({ unit: "grapheme", minLength: 4 }).map((text) => text.toWellFormed());
  fc.assert(
    fc.property(fc.string(), secret, fc.string(), (before, hidden, after) => {
      fc.pre(!"[REDACTED]".includes(hidden) && !before.includes(hidden) && !after.includes(hidden));
      expect(scrubber([hidden])(`${before}${hidden}${after}`)).toContain("[REDACTED]");
    }),
  );
});

it.each([
  ["Bearer abcd1234", "token abcd1234 is wrong", "token [REDACTED] is wrong"],
  ["Bearer abcd1234", "expected Bearer", "expected Bearer"],
  [`Basic ${Buffer.from("me:hunter22").toString("base64")}`, "no hunter22 for me:hunter22", "no [REDACTED] for [REDACTED]"],
  ['ab"cd', '{"x":"ab\\"cd"}', '{"x":"[REDACTED]"}'],
  ["ab/cd+", "?k=ab%2Fcd%2B", "?k=[REDACTED]"],
  ["abc", "abc", "abc"],
])("knows %j in %j", (secret, text, scrubbed) => {
  expect(scrubber([secret])(text)).toBe(scrubbed);
});
