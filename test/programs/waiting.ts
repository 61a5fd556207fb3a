import type { WorkflowContext } from "@upstash/workflow";
import { createWorkflow } from "@upstash/workflow/cloudflare";
import type { Program } from "./program.ts";

type Context = WorkflowContext;
const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** One delivery a step, sleeps too. */
export const sleeps: Program = {
  name: "sleeps",
  workflows: (world) => ({
    sleeps: createWorkflow(async (context: WorkflowContext<{ until: number }>) => {
      await world.run(context, "before", 30);
      await context.sleep("nap", 1);
      await world.run(context, "mid", 30);
      await context.sleep("long sleep", "1d");
      await world.run(context, "late", 30);
      await context.sleepUntil("until", context.requestPayload.until / SECOND);
      await world.run(context, "after", 30);
    }),
  }),
  trigger: (world) => ({ body: { until: Math.ceil((world.now() + 2 * DAY) / SECOND) * SECOND } }),
  ends: "RUN_SUCCESS",
  deliveries: 1 + 7,
  sleeps: { nap: SECOND, "long sleep": DAY },
};

/** Each of the three is a plan and a result. */
export const parallelSleeps: Program = {
  name: "parallel-sleeps",
  workflows: (world) => ({
    "parallel-sleeps": createWorkflow(async (context: Context) => {
      await world.run(context, "before", 30);
      await Promise.all([context.sleep("two hours", 7_200), context.sleep("three hours", "3h"), world.run(context, "meanwhile", 60)]);
      await world.run(context, "after", 30);
    }),
  }),
  ends: "RUN_SUCCESS",
  deliveries: 1 + 1 + 3 * 2 + 1,
  sleeps: { "two hours": 2 * HOUR, "three hours": 3 * HOUR },
};

export const waitNotified: Program = {
  name: "wait-notified",
  workflows: (world) => ({
    "wait-notified": createWorkflow(async (context: Context) => {
      await world.run(context, "before", 30);
      const { eventData, timeout } = await context.waitForEvent<{ by: string }>("approval", `approve-${context.workflowRunId}`, {
        timeout: "2d",
      });
      await world.run(context, "after", 30);
      return [eventData, timeout];
    }),
  }),
  outside: (world, runId) =>
    world.after({ runId, step: "approval" }, 5 * HOUR, () =>
      world.client.notify({ eventId: `approve-${runId}`, eventData: { by: "Ada" } }),
    ),
  ends: "RUN_SUCCESS",
  deliveries: 1 + 3,
};

export const waitTimesOut: Program = {
  name: "wait-times-out",
  workflows: (world) => ({
    "wait-times-out": createWorkflow(async (context: Context) => {
      await world.run(context, "before", 30);
      const { timeout } = await context.waitForEvent("nobody comes", `never-${context.workflowRunId}`, { timeout: 90 });
      await world.run(context, "after", 30);
      return timeout;
    }),
  }),
  ends: "RUN_SUCCESS",
  deliveries: 1 + 3,
  sleeps: { "nobody comes": 90 * SECOND },
};

/** The event comes before anybody waits for it, and is kept, since it names its run. */
export const waitTooLate: Program = {
  name: "wait-too-late",
  workflows: (world) => ({
    "wait-too-late": createWorkflow(async (context: Context) => {
      await context.sleep("asleep", 60);
      const { eventData } = await context.waitForEvent<string>("kept", `early-${context.workflowRunId}`, { timeout: "1h" });
      await world.run(context, "after", 30);
      return eventData;
    }),
  }),
  outside: (world, runId) =>
    world.after({ runId, step: "kept" }, 30 * SECOND, () =>
      world.client.notify({ eventId: `early-${runId}`, eventData: "came early", workflowRunId: runId }),
    ),
  ends: "RUN_SUCCESS",
  deliveries: 1 + 3,
  sleeps: { asleep: 60 * SECOND },
};

/** Two workflows: one waits, the other is invoked beside it and notifies. */
export const notifyFromInside: Program = {
  name: "notify",
  workflows: (world) => {
    const notifier = createWorkflow<{ event: string }, string>(async (context) => {
      await context.sleep("wait for the waiter", 5);
      const { notifyResponse } = await context.notify("tell", context.requestPayload.event, { from: "notifier" });
      return `told ${notifyResponse.length}`;
    });
    const notify = createWorkflow(async (context: Context) => {
      const event = `inside-${context.workflowRunId}`;
      const [waited, told] = await Promise.all([
        context.waitForEvent("told", event, { timeout: "10m" }),
        context.invoke("send", { workflow: notifier, body: { event } }),
      ]);
      await world.run(context, "after", 30);
      return [waited.eventData, told.body];
    });
    return { notify, notifier };
  },
  ends: "RUN_SUCCESS",
  // The parent: payload, two plans, two results, "after". The child: payload, sleep, notify.
  deliveries: 1 + 2 * 2 + 1 + 3,
};

export const webhook: Program = {
  name: "webhook",
  workflows: (world) => ({
    webhook: createWorkflow(async (context: Context) => {
      const hook = await context.createWebhook("create");
      await world.run(context, "give away", 20, () => void given.set(context.workflowRunId, hook.webhookUrl));
      const { request, timeout } = await context.waitForWebhook("called back", hook, "1d");
      const text = await request?.text();
      await world.run(context, "after", 20);
      return [timeout, request?.method, text];
    }),
  }),
  outside: (world, runId) =>
    world.after({ runId, step: "called back" }, 45 * MINUTE, async () => {
      const url = given.get(runId) ?? "";
      given.delete(runId);
      await fetch(url, { method: "PUT", body: "paid" });
    }),
  ends: "RUN_SUCCESS",
  deliveries: 1 + 4,
};

/** Webhooks that were given to somebody outside, by run. */
const given = new Map<string, string>();

/** Cancelled in the middle of its sleep: the payload's delivery, and that of "before". */
export const cancelInSleep: Program = {
  name: "cancel-in-sleep",
  workflows: (world) => ({
    "cancel-in-sleep": createWorkflow(async (context: Context) => {
      await world.run(context, "before", 30);
      await context.sleep("never finished", "10d");
      await world.run(context, "after", 30);
    }),
  }),
  outside: (world, runId) => world.after({ runId, step: "never finished" }, 3 * HOUR, () => world.client.cancel(runId)),
  ends: "RUN_CANCELED",
  deliveries: 1 + 1,
};

export const delayedStart: Program = {
  name: "delayed-start",
  workflows: (world) => ({
    "delayed-start": createWorkflow(async (context: Context) => {
      await world.run(context, "first", 40);
      await world.run(context, "second", 20);
    }),
  }),
  trigger: () => ({ delay: "2h", label: ["late", "shift"] }),
  ends: "RUN_SUCCESS",
  deliveries: 1 + 2,
};

/** A second run of the same key, triggered at once, may not be delivered while the first one is. */
export const flowControlled: Program = {
  name: "flow-control",
  workflows: (world) => ({
    "flow-control": createWorkflow(async (context: Context) => {
      await world.run(context, "alone", 120);
    }),
  }),
  trigger: () => ({ flowControl: { key: "one-at-a-time", parallelism: 1 } }),
  outside: (world) => world.client.trigger({ url: world.url("flow-control"), flowControl: { key: "one-at-a-time", parallelism: 1 } }),
  ends: "RUN_SUCCESS",
  deliveries: 2 * (1 + 1),
};
