import { expect, test } from "vitest";
import type { WireRun, WireStep } from "../../../src/fake-upstash/wire.ts";
import { supportAgent } from "../stories/agent.ts";
import * as office from "../stories/office.ts";
import * as shop from "../stories/shop.ts";
import { seeded } from "./random.ts";
import type { PlayedRun } from "./recording.ts";
import { endOf, happenUntil, type Scenario } from "./scenario.ts";

const scenarios: Scenario[] = [...Object.values(shop), ...Object.values(office), supportAgent];
const each = scenarios.map((scenario) => [scenario.name, scenario] as const);
const T0 = 1_795_319_476_000;

const finalOf = (run: PlayedRun): WireRun => run.versions.at(-1)!.run;
const stepsOf = (run: WireRun): WireStep[] => run.steps.flatMap((group) => group.steps);
const statesOf = (run: PlayedRun, messageId: string | undefined) =>
  run.events.filter((event) => event.stepInfo?.messageId === messageId).map((event) => event.state);

test.each(each)("%s is the same for the same seed, and another run for another", (_, { happen }) => {
  expect(happen(T0, seeded(7))).toEqual(happen(T0, seeded(7)));
  expect(finalOf(happen(T0, seeded(8))[0]!).workflowRunId).not.toBe(finalOf(happen(T0, seeded(7))[0]!).workflowRunId);
});

test.each(each)("%s ends when it is told to", (_, scenario) => {
  expect(Math.max(...happenUntil(scenario, T0, 7).map(endOf))).toBe(T0);
});

test.each(each)("%s: every version holds only what had happened by then, and only the last ones are over", (_, { happen }) => {
  for (const { versions } of happen(T0, seeded(7))) {
    for (const { since, run } of versions) {
      const times = stepsOf(run).flatMap((step) => [step.createdAt, ...(step.errors ?? []).map((error) => error.time)]);
      for (const time of times) if (time !== undefined) expect(time).toBeLessThanOrEqual(since);
      expect(run.workflowRunCompletedAt !== undefined).toBe(run.workflowState !== "RUN_STARTED");
    }
    expect(versions.map((version) => version.since)).toEqual(versions.map((version) => version.since).toSorted((a, b) => a - b));
  }
});

test.each(each)("%s: the two logs agree on every message and on the end", (_, { happen }) => {
  for (const run of happen(T0, seeded(7))) {
    const final = finalOf(run);
    for (const step of stepsOf(final).filter((each) => each.createdAt !== undefined && each.state === "STEP_SUCCESS")) {
      const created = run.events.find((event) => event.state === "CREATED" && event.stepInfo?.messageId === step.messageId);
      expect([created?.time, created?.stepInfo]).toEqual([step.createdAt, step]);
    }
    expect(run.events.at(-1)).toMatchObject({ state: final.workflowState, time: final.workflowRunCompletedAt });
    expect(new Set(run.events.map((event) => event.workflowRunId)).size).toBe(1);
  }
});

test.each(each)("%s: a step's createdAt marks its END, a sequential sleep's its START", (_, { happen }) => {
  for (const run of happen(T0, seeded(7))) {
    const groups = finalOf(run).steps.filter((group) => group.type !== "next");
    for (const group of groups) {
      for (const step of group.steps.filter((each) => each.stepType !== "Initial" && each.state === "STEP_SUCCESS")) {
        const truth = run.truth.find((each) => each.name === step.stepName)!;
        const marks = step.stepType?.startsWith("Sleep") && group.type === "sequential" ? truth.start : truth.end;
        expect(step.createdAt! - marks).toBeGreaterThanOrEqual(0);
        expect(step.createdAt! - marks).toBeLessThanOrEqual(8);
      }
    }
  }
});

test.each(each)("%s: a message is made, delivered and done, in this order", (_, { happen }) => {
  for (const run of happen(T0, seeded(7))) {
    const ids = new Set(run.events.map((event) => event.stepInfo?.messageId).filter((id) => id !== undefined));
    for (const id of ids)
      expect(statesOf(run, id).join(" ")).toMatch(/^CREATED( ACTIVE( ERROR RETRY ACTIVE)*( DELIVERED| ERROR FAILED)?| ?CANCELED)?$/);
  }
});

test("parallel siblings share their group, and each shows as in progress until its result is there", () => {
  const [run] = shop.orderFulfilment.happen(T0, seeded(7));
  const group = finalOf(run!).steps[2]!;
  expect(group.type).toBe("parallel");
  expect(group.steps.map((step) => [step.stepId, step.stepName, step.concurrent, step.state])).toEqual([
    [2, "reserve stock", 3, "STEP_SUCCESS"],
    [3, "charge card", 3, "STEP_SUCCESS"],
    [4, "fraud check", 3, "STEP_SUCCESS"],
  ]);
  const forked = run!.versions.find((version) => version.run.steps[2]?.type === "parallel")!.run;
  expect(forked.steps[2]!.steps.map((step) => step.state)).toEqual(["STEP_PROGRESS", "STEP_PROGRESS", "STEP_PROGRESS"]);
});

test("a failed run shows its attempts in a `next` group, and its failure function settles after its end", () => {
  const [run] = shop.paymentFails.happen(T0, seeded(7));
  const final = finalOf(run!);
  const next = final.steps.at(-1)!;
  expect([next.type, next.steps[0]?.stepName, next.steps[0]?.state, next.steps[0]?.errors?.length]).toEqual([
    "next",
    "collect payment",
    "STEP_FAILED",
    4,
  ]);
  expect(next.steps[0]?.messageId).toBe(final.steps.at(-2)?.steps[0]?.messageId);
  expect(next.steps[0]?.errors?.at(-1)?.time).toBe(final.workflowRunCompletedAt);
  const failureStates = run!.versions.map((version) => version.run.failureFunction?.state).filter((state) => state !== undefined);
  expect(failureStates).toEqual(["CALLBACK_INPROGRESS", "CALLBACK_SUCCESS"]);
  expect(run!.versions.at(-1)!.since).toBeGreaterThan(final.workflowRunCompletedAt!);
});

test("a canceled run cuts its sleep, whose message is canceled", () => {
  const [run] = office.canceledCampaign.happen(T0, seeded(7));
  const final = finalOf(run!);
  expect([final.workflowState, final.steps.at(-1)?.steps[0]?.state]).toEqual(["RUN_CANCELED", "STEP_CANCELED"]);
  const sleep = final.steps.at(-2)!.steps[0]!;
  expect(final.workflowRunCompletedAt).toBeLessThan(sleep.createdAt! + sleep.sleepFor!);
  expect(statesOf(run!, sleep.messageId)).toEqual(["CREATED", "CANCELED"]);
});

test("each level of an invocation names the run that invoked it, and ends before it", () => {
  const [parent, child, grandchild] = office.onboarding.happen(T0, seeded(7)).map(finalOf);
  for (const [outer, inner] of [
    [parent!, child!],
    [child!, grandchild!],
  ] as const) {
    expect(inner.invoker?.workflowRunId).toBe(outer.workflowRunId);
    const invoke = stepsOf(outer).find((step) => step.stepType === "Invoke")!;
    expect([invoke.invokedWorkflowRunId, invoke.invokedWorkflowCreatedAt]).toEqual([inner.workflowRunId, inner.workflowRunCreatedAt]);
    expect(invoke.createdAt).toBeGreaterThanOrEqual(inner.workflowRunCompletedAt!);
  }
});

test("the notify ends when the wait does, and names the run that waited", () => {
  const [waiting, deciding] = office.expenseApproval.happen(T0, seeded(7));
  const notified = deciding!.truth.find((step) => step.name === "notify requester")!.end;
  expect(Math.abs(notified - waiting!.truth.find((step) => step.name === "manager decides")!.end)).toBeLessThan(60);
  expect(stepsOf(finalOf(deciding!)).find((step) => step.stepType === "Notify")?.out).toContain(finalOf(waiting!).workflowRunId);
});

test("a wait that timed out says so, at its deadline", () => {
  const [run] = office.confirmationTimesOut.happen(T0, seeded(7));
  const wait = stepsOf(finalOf(run!)).find((step) => step.stepType === "Wait")!;
  expect(wait).toMatchObject({ waitTimeout: true, waitTimeoutDuration: "259200s" });
  expect(wait.createdAt! - wait.waitTimeoutDeadline!).toBeLessThan(5);
  expect("out" in wait).toBe(false);
});
