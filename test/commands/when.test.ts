import { expect, test } from "vitest";
import { drainTimeoutOf, parseWhen } from "../../src/commands/when.ts";

const NOW = 1_736_340_463_061;

test.each([
  ["24h", NOW - 86_400_000],
  ["500ms", NOW - 500],
  ["1736340463061", 1_736_340_463_061],
  ["2026-01-31T12:00:00Z", Date.UTC(2026, 0, 31, 12)],
  ["2026-01-31T12:00Z", Date.UTC(2026, 0, 31, 12)],
  ["2026-01-31T12:00:00.250+01:30", Date.UTC(2026, 0, 31, 10, 30, 0, 250)],
  ["2026-01-31", Date.UTC(2026, 0, 31)],
  ["2024-02-29", Date.UTC(2024, 1, 29)],
])("%s is a moment", (text, moment) => expect(parseWhen("--from", text, NOW)).toBe(moment));

test.each([
  "",
  "yesterday",
  "24",
  "-1h",
  "1e12",
  "1736340463", // seconds
  "2026-13-40",
  "2026-02-30",
  "2026-02-30T12:00:00Z",
  "2026-01-01junk",
  "2026-01-01 12:00",
  "2026-01-01T12:00:00Z ",
  "2026-01-01T25:00:00Z",
  "2026-01-01T12:00:00+99:00",
])("%j is none: the option is named, and what is understood", (text) =>
  expect(() => parseWhen("--from", text, NOW)).toThrow(/^--from: .*24h.*2026-01-31T12:00:00Z.*ms since 1970/),
);

test("--drain-timeout is a duration, half a minute if it is not given", () => {
  expect(drainTimeoutOf({})).toBe(30_000);
  expect(drainTimeoutOf({ "drain-timeout": "2s" })).toBe(2_000);
  expect(() => drainTimeoutOf({ "drain-timeout": "soon" })).toThrow("--drain-timeout");
});
