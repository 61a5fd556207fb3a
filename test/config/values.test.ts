import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { duration, interval, isLoopback, parseDuration, parseSize, Secret, size } from "../../src/config/values.ts";

describe("durations and sizes", () => {
  test.each([
    ["500ms", 500],
    ["1.5h", 5_400_000],
    ["7d", 604_800_000],
    [" 10s ", 10_000],
  ])("%s is %d ms", (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  test.each([
    ["512KiB", 524_288],
    ["1MiB", 1_048_576],
    ["4MB", 4_000_000],
    ["7B", 7],
  ])("%s is %d bytes", (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  test.each(["", "10", "s", "-1s", "1e3s", "10 s", "10S", "1h30m", `${"9".repeat(30)}d`])("%j is no duration", (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });

  test.each(["", "1", "1mb", "MiB", "-1B"])("%j is no size", (text) => {
    expect(parseSize(text)).toBeUndefined();
  });

  test("0 needs no unit; other numbers do", () => {
    expect([duration().parse(0), duration().parse("0"), size().parse(0)]).toEqual([0, 0, 0]);
    expect(duration().safeParse(5).success).toBe(false);
  });

  test("an interval is never 0 and never longer than a timer can wait", () => {
    expect(["0s", "25d"].map((text) => interval().safeParse(text).success)).toEqual([false, false]);
    expect(["1ms", "24d"].map((text) => interval().parse(text))).toEqual([1, 2_073_600_000]);
  });
});

describe("Secret", () => {
  const secret = new Secret("canary");

  test("every way of turning it into text gives [REDACTED]", () => {
    expect([
      String(secret),
      `${secret}`,
      `${"" as unknown}${secret}`,
      secret.toString(),
      JSON.stringify(secret),
      inspect(secret),
      inspect({ secret }),
      [secret].join(),
    ]).toEqual([
      "[REDACTED]",
      "[REDACTED]",
      "[REDACTED]",
      "[REDACTED]",
      '"[REDACTED]"',
      "[REDACTED]",
      "{ secret: [REDACTED] }",
      "[REDACTED]",
    ]);
  });

  test("neither a clone, nor its keys, nor an error that quotes it holds the value", () => {
    expect(JSON.stringify([structuredClone(secret), { ...secret }, Object.entries(secret), Reflect.ownKeys(secret)])).not.toContain(
      "canary",
    );
    expect(inspect(new Error(`bad ${secret}`, { cause: secret }), { showHidden: true })).not.toContain("canary");
  });

  test("only reveal gives it", () => {
    expect(secret.reveal()).toBe("canary");
  });

  test("refresh keeps the old value where the new one is empty or cannot be read", () => {
    const changing = new Secret("old");
    expect(changing.refresh()).toBe(false);
    changing.bind(() => "");
    expect(changing.refresh()).toBe(false);
    changing.bind(() => {
      throw new Error("gone");
    });
    expect(changing.refresh()).toBe(false);
    changing.bind(() => "new");
    expect([changing.refresh(), changing.refresh(), changing.reveal()]).toEqual([true, false, "new"]);
  });
});

test.each([
  ["localhost", true],
  ["app.localhost", true],
  ["127.9.9.9", true],
  ["[::1]", true],
  ["127.0.0.1.example.com", false],
  ["collector", false],
  ["10.0.0.1", false],
])("%s on this machine: %j", (host, loopback) => {
  expect(isLoopback(host)).toBe(loopback);
});
