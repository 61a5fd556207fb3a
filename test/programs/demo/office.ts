import type { WorkflowContext } from "@upstash/workflow";
import { createWorkflow } from "@upstash/workflow/cloudflare";
import { PLANTED_SECRET } from "../../../src/fake-upstash/recording/secret.ts";
import { type Context, DAY, type DemoProgram, HOUR, MINUTE, SECOND } from "./demo-program.ts";

const publicUrl = "https://office.example.com/api/workflows";

/** An approval that waits for hours, and the run whose notify ends the wait. */
const expense: DemoProgram = {
  name: "expense",
  publicUrl,
  waits: [2 * HOUR + 11 * MINUTE],
  workflows: (world) => ({
    expense: createWorkflow(async (context: WorkflowContext<{ expense: number }>) => {
      await world.run(context, "check policy", 130, () => ({ needsApproval: true }));
      const { eventData } = await context.waitForEvent("manager decides", "expense-311", { timeout: "7d" });
      await world.run(context, "book expense", 260);
      return eventData;
    }),
    "expense-decision": createWorkflow(async (context: Context) => {
      await world.run(context, "record decision", 60);
      await context.notify("notify requester", "expense-311", { approved: true });
    }),
  }),
  trigger: () => ({ body: { expense: 311, amount: 480 }, label: "approvals" }),
  outside: (world, runId) =>
    world.after({ runId, step: "manager decides" }, 2 * HOUR + 11 * MINUTE, () =>
      world.client.trigger({ url: world.url("expense-decision") }),
    ),
  ends: "RUN_SUCCESS",
  deliveries: 1 + 3 + (1 + 2),
};

/** A wait that nobody answers for three days. */
const signUp: DemoProgram = {
  name: "sign-up",
  publicUrl,
  waits: [3 * DAY],
  workflows: (world) => ({
    "sign-up": createWorkflow(async (context: Context) => {
      await world.run(context, "send confirmation mail", 190);
      const { timeout } = await context.waitForEvent("address confirmed", "confirm-9", { timeout: "3d" });
      await world.run(context, "remove sign-up", 80);
      return timeout ? "expired" : "welcome";
    }),
  }),
  ends: "RUN_SUCCESS",
  deliveries: 1 + 3,
};

/** A nightly job that sleeps for a day between its two halves. */
const nightlyReport: DemoProgram = {
  name: "nightly-report",
  publicUrl,
  waits: [DAY - 1_700, MINUTE - 1_450],
  workflows: (world) => ({
    "nightly-report": createWorkflow(async (context: WorkflowContext<{ until: number }>) => {
      await world.run(context, "collect figures", 1_700, () => ({ rows: 81_412 }));
      await context.sleepUntil("until tomorrow night", context.requestPayload.until / SECOND);
      await Promise.all([
        world.run(context, "render pdf", 1_450),
        world.run(context, "render csv", 300),
        context.sleep("quiet minute", MINUTE / SECOND),
      ]);
      await world.run(context, "mail report", 240);
    }),
  }),
  trigger: (world) => ({ body: { until: world.now() + DAY }, label: "cron" }),
  ends: "RUN_SUCCESS",
  deliveries: 1 + 2 + 3 * 2 + 1,
};

/** A campaign that is canceled in mid-sleep. */
const campaign: DemoProgram = {
  name: "campaign",
  publicUrl,
  waits: [47 * MINUTE],
  workflows: (world) => ({
    campaign: createWorkflow(async (context: Context) => {
      await world.run(context, "choose audience", 450, () => ({ people: 1_200 }));
      await context.sleep("until the launch", "2d");
      await world.run(context, "launch", 200);
    }),
  }),
  outside: (world, runId) => world.after({ runId, step: "until the launch" }, 47 * MINUTE, () => world.client.cancel(runId)),
  ends: "RUN_CANCELED",
  deliveries: 1 + 1,
};

/** A start that was scheduled ten minutes ahead. */
const reminder: DemoProgram = {
  name: "reminder",
  publicUrl,
  waits: [10 * MINUTE],
  workflows: (world) => ({
    reminder: createWorkflow(async (context: Context) => {
      await world.run(context, "load appointment", 90);
      await world.run(context, "send reminder", 210);
    }),
  }),
  trigger: () => ({ delay: "10m" }),
  ends: "RUN_SUCCESS",
  deliveries: 1 + 2,
};

/** A parent with three levels of children below it. */
const onboarding: DemoProgram = {
  name: "onboarding",
  publicUrl,
  waits: [2 * SECOND],
  workflows: (world) => {
    const allocateVolume = createWorkflow<{ tenant: string }, { volume: string }>(async (context) => {
      await world.run(context, "pick node", 210);
      await world.run(context, "format", 430);
      return { volume: "vol-17" };
    });
    const createDatabase = createWorkflow<{ tenant: string }, { dsn: string }>(async (context) => {
      await context.invoke("allocate volume", { workflow: allocateVolume, body: { tenant: "acme" } });
      await context.sleep("let it boot", 2);
      await world.run(context, "migrate", 1_150);
      return { dsn: `postgres://acme:${PLANTED_SECRET}@db.example.net/acme` };
    });
    const provisionTenant = createWorkflow<{ tenant: string }, { ready: boolean }>(async (context) => {
      await world.run(context, "reserve name", 110);
      await context.invoke("create database", { workflow: createDatabase, body: { tenant: "acme" } });
      await world.run(context, "create admin", 170);
      return { ready: true };
    });
    const onboarding = createWorkflow(async (context: Context) => {
      await world.run(context, "open account", 240);
      await context.invoke("provision tenant", { workflow: provisionTenant, body: { tenant: "acme" } });
      await world.run(context, "send welcome", 180);
      return "welcome";
    });
    return {
      onboarding,
      "provision-tenant": provisionTenant,
      "create-database": createDatabase,
      "allocate-volume": allocateVolume,
    };
  },
  trigger: () => ({ body: { customer: "acme" } }),
  ends: "RUN_SUCCESS",
  // Each level: its payload and three results, the innermost two.
  deliveries: 3 * (1 + 3) + (1 + 2),
};

export const office = { expense, signUp, nightlyReport, campaign, reminder, onboarding };
