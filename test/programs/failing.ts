import { type WorkflowContext, WorkflowNonRetryableError, WorkflowRetryAfterError } from "@upstash/workflow";
import { createWorkflow } from "@upstash/workflow/cloudflare";
import { failing } from "./plain.ts";
import type { Program, World } from "./program.ts";

type Context = WorkflowContext;

const tells = (world: World) => ({
  failureFunction: async (told: { context: { workflowRunId: string }; failResponse: string }) => {
    await world.told(told.context.workflowRunId, 40);
    return `heard: ${told.failResponse}`;
  },
});

/** Deliveries: the payload, "fine" with its two attempts at "bad", and the failure function. */
export const retriesExhausted: Program = {
  name: "retries-exhausted",
  workflows: (world) => ({
    "retries-exhausted": createWorkflow(async (context: Context) => {
      await world.run(context, "fine", 30);
      await world.run(context, "bad", 20, failing(9));
    }, tells(world)),
  }),
  trigger: () => ({ retries: 1, retryDelay: "5000 * pow(2, retried)", label: "doomed", body: { p: "ay" } }),
  ends: "RUN_FAILED",
  deliveries: 1 + 2 + 1,
};

/** Deliveries: the payload, one of "bad", and a failure call to an endpoint that has no such function. */
export const nonRetryable: Program = {
  name: "non-retryable",
  workflows: (world) => ({
    "non-retryable": createWorkflow(async (context: Context) => {
      await world.run(context, "fine", 30);
      await world.run(
        context,
        "bad",
        20,
        failing(9, () => new WorkflowNonRetryableError("never again")),
      );
    }),
  }),
  ends: "RUN_FAILED",
  deliveries: 1 + 1 + 1,
};

/** A step that asks for its own pause. */
export const retryAfter: Program = {
  name: "retry-after",
  workflows: (world) => ({
    "retry-after": createWorkflow(async (context: Context) => {
      await world.run(context, "fine", 30);
      await world.run(
        context,
        "patient",
        20,
        failing(2, () => new WorkflowRetryAfterError("busy", 600)),
      );
      await world.run(context, "after", 20);
    }),
  }),
  ends: "RUN_SUCCESS",
  deliveries: 1 + 3 + 1 + 1,
};

/** A sibling gives up while another is still at work: payload, "before", two plans, the failed one's retry, failure function. */
export const parallelFails: Program = {
  name: "parallel-fails",
  workflows: (world) => ({
    "parallel-fails": createWorkflow(async (context: Context) => {
      await world.run(context, "before", 20);
      await Promise.all([world.run(context, "bad", 30, failing(9)), context.sleep("pending", "3d")]);
    }, tells(world)),
  }),
  trigger: () => ({ retries: 1 }),
  ends: "RUN_FAILED",
  // The sleeping sibling's plan is never delivered.
  deliveries: 1 + 1 + 2 + 1,
};

/** Three levels; the innermost of them fails, and its parent goes on. */
export const invokes: Program = {
  name: "invoke-3",
  workflows: (world) => {
    const leaf = createWorkflow<{ fail: boolean }, string>(async (context) => {
      const input = context.requestPayload;
      await world.run(context, "leaf work", 50, () => {
        if (input.fail) throw new WorkflowNonRetryableError("leaf fell");
      });
      return "leaf";
    });
    const branch = createWorkflow<{ from: string }, string>(async (context) => {
      await world.run(context, "branch work", 30);
      const good = await context.invoke("grow", { workflow: leaf, body: { fail: false } });
      const bad = await context.invoke("fall", { workflow: leaf, body: { fail: true }, retries: 0 });
      await world.run(context, "branch rest", 20);
      return `${good.body} ${good.isFailed} ${bad.isFailed}`;
    });
    const root = createWorkflow(async (context: Context) => {
      await world.run(context, "root work", 40);
      const { body } = await context.invoke("branch out", { workflow: branch, body: { from: "root" }, label: "child" });
      await world.run(context, "root rest", 20);
      return body;
    });
    return { root, branch, leaf };
  },
  ends: "RUN_SUCCESS",
  // Root: payload and three results. Branch: payload and four results. Leaves: payload and a result; payload and the failure call.
  deliveries: 4 + 5 + 2 + 2,
};

/** All kinds of steps side by side, each with an end of its own. */
export const parallelMixed: Program = {
  name: "parallel-mixed",
  workflows: (world) => {
    const child = createWorkflow<undefined, string>(async (context) => {
      await context.sleep("child sleep", 20);
      return world.run(context, "child work", 30, () => "child");
    });
    const mixed = createWorkflow(async (context: Context) => {
      await world.run(context, "before", 20);
      await Promise.all([
        world.run(context, "function", 70),
        context.call("call", { url: world.third(context, "call", { ms: 120, failures: 1 }), retries: 1, retryDelay: "3000" }),
        context.sleep("sleep", 10),
        context.waitForEvent("event", `mixed-${context.workflowRunId}`, { timeout: 40 }),
        context.invoke("child", { workflow: child }),
      ]);
      await world.run(context, "after", 20);
    });
    return { mixed, child };
  },
  outside: (world, runId) =>
    world.after({ runId, step: "event" }, 15_000, () => world.client.notify({ eventId: `mixed-${runId}`, eventData: "now" })),
  ends: "RUN_SUCCESS",
  // Payload, "before", five plans, five results and the call's callback, "after"; the child's payload and two results.
  deliveries: 1 + 1 + 5 + 5 + 1 + 1 + 3,
  sleeps: { sleep: 10_000, "child sleep": 20_000 },
};
