import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { recordedStage } from "../../../src/fake-upstash/recording/stage.ts";

const NOW = 1_795_319_476_000;

test("the recorded runs are partly over when the demo starts, and all over, failure function and all, 18 seconds later", () => {
  const { store, title } = recordedStage(NOW);
  const at = (time: number) => {
    const { entries } = store.listRuns({ at: time, count: 100, matches: () => true });
    const events = store.listEvents({ at: time, count: 10_000, matches: () => true }).entries;
    return {
      ended: entries.filter((run) => (run.workflowRunCompletedAt ?? time + 1) <= time).length,
      endEvents: events.filter((event) => /^RUN_(SUCCESS|FAILED|CANCELED)$/.test(event.state)).length,
      settled: entries.filter((run) => run.failureFunction?.state === "CALLBACK_SUCCESS").length,
    };
  };
  expect(title).toBe("12 recorded programs, 16 runs, 7 of them over already");
  expect(at(NOW)).toEqual({ ended: 7, endEvents: 7, settled: 0 });
  expect(at(NOW + 18_000)).toEqual({ ended: 16, endEvents: 16, settled: 1 });
});

test("every message and run of the recording has an id of its own", () => {
  const { store } = recordedStage(NOW);
  const created = store.allEvents().filter((event) => event.state === "CREATED");
  expect(new Set(created.map((event) => event.stepInfo?.messageId)).size).toBe(created.length);
  expect(new Set(store.allRuns().map((run) => run.workflowRunId)).size).toBe(16);
});

test("every time in the recording was moved: none is left that counts from the end", () => {
  const { store } = recordedStage(NOW);
  const times = [store.allRuns(), store.allEvents()]
    .map((logs) => JSON.stringify(logs))
    .join()
    .matchAll(/"(\w*(?:At|Time|Until|Deadline|time))":(-?\d+)/g);
  const found = [...times].map(([, name, time]) => [name, Math.abs(NOW - Number(time)) < 11 * 86_400_000]);
  expect(found.length).toBeGreaterThan(1_000);
  expect(found.filter(([, isNear]) => !isNear)).toEqual([]);
});

test("the recording holds the planted secret, and neither a token nor a path of the machine that made it", () => {
  const file = new URL("../../../src/fake-upstash/recording/demo.recorded.json", import.meta.url);
  const text = readFileSync(file, "utf8");
  const root = new URL("../../..", import.meta.url).pathname.replace(/\/$/, "");
  expect(text).toContain("demo-secret-that-no-trace-may-show");
  expect(text).not.toContain(root);
  expect(text.match(/file:\/\/\/(?!app\/)/g)).toBeNull();
  expect(text.match(/127\.0\.0\.1:\d|Bearer (?!demo-secret)/g)).toBeNull();
});
