import { expect, test } from "vitest";
import { drainTimeoutOf, parseWhen } from "../../src/commands/when.ts";

const NOW = 1_736_340_463_061;

test.each([
  ["24h", NOW - 86_400_000],
  ["500ms", NOW - 500],
  ["1736340463061", 1_736_340_463_061],
  ["2026-01-31T12:00:00Z", Date.UTC(2026, 0, 31, 12)],
  ["2026-01-31", Date.UTC(2026, 0, 31)],
])("%s is a moment", (text, moment) => expect(parseWhen("--from", text, NOW)).toBe(moment));

test.each(["", "yesterday", "24", "-1h", "2026-13-40", "1e12"])("%j is none, and the option is named", (text) =>
  expect(() => parseWhen("--from", text, NOW)).toThrow(/^--from: /),
);

test("--drain-timeout is a duration, half a minute if it is not given", () => {
  expect(drainTimeoutOf({})).toBe(30_000);
  expect(drainTimeoutOf({ "drain-timeout": "2s" })).toBe(2_000);
  expect(() => drainTimeoutOf({ "drain-timeout": "soon" })).toThrow("--drain-timeout");
});
