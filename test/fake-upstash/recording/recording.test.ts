import { expect, test } from "vitest";
import { createLogStore } from "../../../src/fake-upstash/log-store.ts";
import { type Logs, pack, putLogs, unpack } from "../../../src/fake-upstash/recording/recording.ts";
import { sequential, wireRun, wireStep } from "../../support/wire-run.ts";

const T0 = 1_795_319_476_000;

function logsAt(t: number): Logs {
  const sleep = wireStep("wfr_1", {
    headers: { Date: [new Date(t).toUTCString()] },
    stepId: 1,
    stepName: "nap",
    stepType: "SleepFor",
    sleepFor: 86_400_000,
    createdAt: t + 10,
  });
  const run = wireRun("wfr_1", t, { length: 86_400_050, steps: [sequential(sleep)] });
  const { workflowRunCompletedAt: _, ...begun } = run;
  const identity = { workflowRunId: "wfr_1", workflowUrl: run.workflowUrl, workflowCreatedAt: t };
  return {
    versions: [
      { since: t + 10, run: { ...begun, workflowState: "RUN_STARTED" } },
      { since: t + 86_400_050, run },
    ],
    events: [
      { ...identity, time: t, state: "RUN_STARTED" },
      { ...identity, time: t + 10, state: "CREATED", stepInfo: sleep, nextDeliveryTime: t + 86_400_010 },
      { ...identity, time: t + 86_400_050, state: "RUN_SUCCESS" },
    ],
  };
}

test("what is unpacked is what was packed, moved so that it ends when it is told to, and nothing is scaled", () => {
  const end = T0 + 5_000 + 86_400_050;
  expect(unpack(pack(logsAt(T0)), end)).toEqual(logsAt(T0 + 5_000));
});

test("what repeats is packed once, and of versions of one moment the last", () => {
  const logs = logsAt(T0);
  const [first] = logs.versions;
  const packed = pack({ ...logs, versions: [first!, ...logs.versions] });
  expect([packed.runs.length, packed.steps.length, packed.versions.length, packed.events.length]).toEqual([1, 1, 2, 3]);
});

test("runs in a store are seen as they were at every moment", () => {
  const store = createLogStore();
  putLogs(store, logsAt(T0));
  const at = (time: number) => ({
    states: store.listRuns({ at: time, count: 10, matches: () => true }).entries.map((run) => run.workflowState),
    events: store.listEvents({ at: time, count: 10, matches: () => true }).entries.length,
  });
  expect(at(T0 + 5)).toEqual({ states: [], events: 1 });
  expect(at(T0 + 20)).toEqual({ states: ["RUN_STARTED"], events: 2 });
  expect(at(T0 + 86_400_050)).toEqual({ states: ["RUN_SUCCESS"], events: 3 });
});
