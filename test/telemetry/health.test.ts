import { beforeEach, expect, test } from "vitest";
import { createHealth, type Health } from "../../src/telemetry/health.ts";

let now: number;
let health: Health;
beforeEach(() => {
  now = 1_000;
  health = createHealth(() => now);
});

test("a loop is alive as long as its last sign of life is not older than its timeout", () => {
  const heartbeat = health.loop("source eu", 5_000);
  now += 5_000;
  expect(health.live()).toEqual({ ok: true, checks: { "source eu": "ok" } });
  now += 1;
  expect(health.live()).toEqual({ ok: false, checks: { "source eu": "no sign of life for 5 s" } });
  heartbeat.beat();
  expect(health.live().ok).toBe(true);
});

test("a loop that sleeps has its timeout after the sleep, and no sleep is longer than the last one", () => {
  const heartbeat = health.loop("poll", 1_000);
  heartbeat.beat(60_000);
  now += 61_000;
  expect(health.live().ok).toBe(true);
  now += 1;
  expect(health.live().ok).toBe(false);
  heartbeat.beat();
  now += 1_001;
  expect(health.live().ok).toBe(false);
});

test("one stuck loop is enough, and is named beside those that are well", () => {
  health.loop("a", 10);
  const b = health.loop("b", 10);
  now += 11;
  b.beat();
  expect(health.live()).toEqual({ ok: false, checks: { a: "no sign of life for 0 s", b: "ok" } });
});

test("a loop that is held up from outside is not stuck, nor right after", () => {
  let held = true;
  health.loop("source eu", 1_000, () => held);
  now += 3_600_000;
  expect(health.live().ok).toBe(true);
  held = false;
  now += 1_000;
  expect(health.live().ok).toBe(true);
  now += 1;
  expect(health.live().ok).toBe(false);
});

test("ready once nothing is missing any more; a condition may be asked each time", () => {
  let missing: string | undefined = "the disk is gone";
  health.condition("state", "another process works on it");
  health.condition("first poll", "not done yet");
  expect(health.ready()).toEqual({ ok: false, checks: { state: "another process works on it", "first poll": "not done yet" } });
  health.condition("first poll", undefined);
  health.condition("state", () => missing);
  expect(health.ready()).toEqual({ ok: false, checks: { state: "the disk is gone", "first poll": "ok" } });
  missing = undefined;
  expect(health.ready().ok).toBe(true);
  expect(health.live()).toEqual({ ok: true, checks: {} });
});
