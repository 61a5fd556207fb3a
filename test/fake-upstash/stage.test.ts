import { expect, test } from "vitest";
import { createLogStore } from "../../src/fake-upstash/log-store.ts";
import { stage } from "../../src/fake-upstash/scenarios/stage.ts";

const NOW = 1_795_319_476_000;

test("the demo's runs are partly over when it starts, and all over, failure function and all, 18 seconds later", () => {
  const store = createLogStore();
  const staged = stage(store, NOW);
  const at = (time: number) => {
    const { entries } = store.listRuns({ at: time, count: 100, matches: () => true });
    const events = store.listEvents({ at: time, count: 10_000, matches: () => true }).entries;
    return {
      runs: entries.length,
      ended: entries.filter((run) => run.workflowRunCompletedAt !== undefined).length,
      endEvents: events.filter((event) => /^RUN_(SUCCESS|FAILED|CANCELED)$/.test(event.state)).length,
      settled: entries.filter((run) => run.failureFunction?.state === "CALLBACK_SUCCESS").length,
    };
  };
  expect(at(NOW)).toMatchObject({ ended: staged.endedBefore, endEvents: staged.endedBefore, settled: 0 });
  expect(at(NOW + 18_000)).toEqual({ runs: staged.runs, ended: staged.runs, endEvents: staged.runs, settled: staged.failureFunctions });
  expect([staged.scenarios, staged.runs, staged.endedBefore, staged.failureFunctions]).toEqual([12, 15, 6, 1]);
});

test("every message and run of the demo has an id of its own", () => {
  const store = createLogStore();
  stage(store, NOW);
  const created = store
    .allEvents()
    .filter((event) => event.state === "CREATED")
    .map((event) => event.stepInfo?.messageId);
  expect(new Set(created).size).toBe(created.length);
  expect(new Set(store.allRuns().map((run) => run.workflowRunId)).size).toBe(15);
});
