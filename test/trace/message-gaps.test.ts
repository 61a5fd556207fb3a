import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { decodeEventsBody, decodeRunsBody } from "../../src/sources/upstash/decode.ts";
import { hasGaps } from "../../src/trace/message-gaps.ts";
import { event, info, init, message } from "../support/message-log.ts";
import { aRun, group, next, step } from "../support/run-builder.ts";

const fixture = (name: string) => JSON.parse(readFileSync(new URL(`../fixtures/${name}.json`, import.meta.url), "utf8"));
const EVENTS = decodeEventsBody(fixture("engine-events")).events;

test.each(decodeRunsBody(fixture("engine-runs")).runs)("the log of $url has none; without one event of a step's message it may", (run) => {
  const own = EVENTS.filter(({ id }) => id === run.id);
  expect(hasGaps(run, own, 1_000)).toBe(false);
  const made = own.filter(({ state }) => state === "CREATED");
  expect(made.length).toBeGreaterThan(1);
  for (const missing of made) {
    const left = own.filter((one) => one !== missing);
    expect(hasGaps(run, left, 1_000), `without CREATED of ${missing.step?.name}`).toBe(true);
  }
});

test("a log of starts and ends alone has none", () => {
  const run = aRun(1_000, [group(step("Run", "a", 900))]);
  expect(hasGaps(run, [event(0, "RUN_STARTED"), event(1_000, "RUN_SUCCESS")], 1_000)).toBe(false);
});

test("what a cancel cut is not missing", () => {
  const run = aRun(5_000, [group(step("Run", "a", 100, { messageId: "m1" })), next({ messageId: "m1", state: "STEP_CANCELED" })], {
    state: "RUN_CANCELED",
  });
  const log = [
    ...init(),
    ...message("m1", info("Run", "a", { id: 1 }), [100, "CREATED"], [5_000, "CANCELED"]),
    event(5_000, "RUN_CANCELED"),
  ];
  expect(hasGaps(run, log, 1_000)).toBe(false);
  expect(hasGaps(run, log.slice(0, -2), 1_000)).toBe(false);
  expect(hasGaps(run, log.slice(3), 1_000), "nobody knows how the first step was executed").toBe(true);
});
