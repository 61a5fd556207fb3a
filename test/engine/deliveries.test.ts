import { type WorkflowContext, WorkflowNonRetryableError } from "@upstash/workflow";
import { createWorkflow } from "@upstash/workflow/cloudflare";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Program, World } from "../programs/program.ts";
import { runProgram } from "../programs/run-program.ts";
import { type Engine, startEngine } from "./engine.ts";

/**
 * The programs of the SDK's own end-to-end tests (upstash/workflow-js, examples/ci), as far as deliveries go; the
 * numbers are what those tests expect of the real service, direct start included.
 */
type Context = WorkflowContext;
let engine: Engine;
beforeEach(async () => {
  vi.spyOn(console, "error").mockImplementation(() => {}); // the SDK reports every error of a step there
  vi.spyOn(console, "warn").mockImplementation(() => {}); // and there that a route threw before its first step
  engine = await startEngine();
});
afterEach(async () => {
  await engine.close();
  vi.restoreAllMocks();
});

type Route = (context: Context, world: World) => Promise<unknown>;
const nothing = async () => "";

function single(route: Route, more: Partial<Program> = {}, failureFunction = nothing): Program {
  const workflows = (world: World) => ({ one: createWorkflow((context: Context) => route(context, world), { failureFunction }) });
  return { name: "one", workflows, ends: "RUN_SUCCESS", deliveries: 0, ...more };
}

/** How often the app was asked, and how the run ended. */
async function outcomeOf(program: Program): Promise<[number, string]> {
  const { runId, deliveries } = await runProgram(engine, program);
  const run = engine.store.allRuns().find((each) => each.workflowRunId === runId);
  return [deliveries, run!.workflowState];
}

test("sleep: 7", async () => {
  const route: Route = async (context, world) => {
    await context.run("step1", () => 1);
    await context.sleepUntil("sleep1", world.now() / 1_000 + 3);
    await context.run("step2", () => 2);
    await context.sleep("sleep2", 2);
    await context.run("step3", () => 3);
  };
  expect(await outcomeOf(single(route, { direct: true }))).toEqual([7, "RUN_SUCCESS"]);
});

test("sleepWithoutAwait: 13", async () => {
  let charges = 0;
  const route: Route = async (context) => {
    for (let round = 0; round < 3; round++) {
      if (await context.run("attemptCharge", () => ++charges === 3)) {
        await Promise.all([context.run("updateDb", () => 10), context.run("sendReceipt", () => "@"), context.sleep("sleep", 5)]);
        return;
      }
      await context.sleep("retrySleep", 2);
    }
  };
  expect(await outcomeOf(single(route, { direct: true }))).toEqual([13, "RUN_SUCCESS"]);
});

test("call/workflow: 13; a call is asked again, and its endpoint once", async () => {
  const route: Route = async (context, world) => {
    const ask = (step: string, status: number, more = {}) =>
      context.call(step, { url: world.third(context, step, { ms: 0, status }), ...more });
    await ask("post call", 201, { method: "POST", body: "post-payload" });
    await context.sleep("sleep 1", 2);
    await ask("get call", 200);
    await ask("patch call", 401, { method: "PATCH", retries: 1, retryDelay: "1000" });
    await ask("put call", 300, { method: "PUT", retries: 0 });
    await ask("delete call", 400, { method: "DELETE", retries: 0 });
  };
  expect(await outcomeOf(single(route, { direct: true, trigger: () => ({ body: '"my-payload"' }) }))).toEqual([13, "RUN_SUCCESS"]);
});

test("webhook: 8", async () => {
  const route: Route = async (context) => {
    const silent = await context.createWebhook("timeout webhook");
    const { timeout } = await context.waitForWebhook("wait for timeout webhook", silent, "1s");
    const hook = await context.createWebhook("create webhook");
    await context.call("call webhook caller", { url: hook.webhookUrl, method: "POST", body: JSON.stringify({ test: "early" }) });
    const { request } = await context.waitForWebhook("wait for webhook", hook, "30s");
    const body = await request?.json();
    return context.run("verify complete", () => [timeout, request?.method, body]);
  };
  expect(await outcomeOf(single(route))).toEqual([8, "RUN_SUCCESS"]);
  expect(engine.store.allRuns()[0]!.workflowRunResponse).toBe('[true,"POST",{"test":"early"}]');
});

test("wait-for-event: 17", async () => {
  const route: Route = async (context, world) => {
    const event = `event-${context.workflowRunId}`;
    await context.waitForEvent("wait for event which should timeout", "random-event", { timeout: 1 });
    await context.run("get config", () => event);
    for (const round of ["sdk", "text"]) {
      await Promise.all([
        context.call(`start ${round}`, { url: world.third(context, round, { ms: 20 }) }),
        context.waitForEvent(`wait ${round}`, `${event}-${round}`, { timeout: 5 }),
      ]);
    }
    await context.waitForEvent("wait object", `${event}-object`, { timeout: 5 });
    await context.sleep("sleep before checking other workflow", 1);
    await context.run("check", () => true);
  };
  const outside = (world: World, runId: string) =>
    Promise.all(
      ["sdk", "text", "object"].map((round, index) =>
        world.after({ runId, step: round }, 3_000 + index * 2_000, () =>
          world.client.notify({ eventId: `event-${runId}-${round}`, eventData: round, workflowRunId: runId }),
        ),
      ),
    );
  expect(await outcomeOf(single(route, { direct: true, outside }))).toEqual([17, "RUN_SUCCESS"]);
});

test("retried: 3", async () => {
  const route: Route = (context) =>
    context.run("force-retry", () => {
      if (context.retried === 0) throw new Error("forcing-retry");
      return context.retried;
    });
  expect(await outcomeOf(single(route, { trigger: () => ({ retries: 1 }) }))).toEqual([3, "RUN_SUCCESS"]);
});

test("failureFunction-retry: 4, less its direct start", async () => {
  const route: Route = (context) =>
    context.run("step1", () => {
      throw new Error("my-error");
    });
  expect(await outcomeOf(single(route, { trigger: () => ({ retries: 1 }) }))).toEqual([3, "RUN_FAILED"]);
});

test("failureFunction-nonRetryable: 2", async () => {
  const route: Route = (context) =>
    context.run("step1", () => {
      throw new WorkflowNonRetryableError("my-non-retryable-error");
    });
  expect(await outcomeOf(single(route, { trigger: () => ({ retries: 0, label: "my-label" }) }))).toEqual([2, "RUN_FAILED"]);
});

test("returns-before-step: 3, less its direct start; a route that ends before any step fails with 400", async () => {
  let count = 0;
  const route: Route = async (context) => {
    if (++count !== 1) await context.run("mock step", () => {});
  };
  expect(await outcomeOf(single(route, { trigger: () => ({ retries: 0 }) }))).toEqual([2, "RUN_FAILED"]);
  expect(engine.store.allRuns()[0]!.failureFunction).toMatchObject({ failStatus: 400, state: "CALLBACK_SUCCESS" });
});

test("trigger-non-workflow: a destination that is no workflow fails at once, and says so", async () => {
  const third = single(async () => {});
  const run = await runProgram(engine, {
    ...third,
    workflows: (world) => ({
      one: createWorkflow(async (context: Context) => {
        await context.run("trigger", () => world.client.trigger({ url: world.third(context, "no workflow", { ms: 0 }) }));
      }),
    }),
  });
  const other = engine.store.allRuns().find((each) => each.workflowRunId !== run.runId)!;
  expect(other.steps.map((group) => group.type)).toEqual(["sequential", "next"]);
  expect(other.steps[1]!.steps[0]).toMatchObject({
    state: "STEP_FAILED",
    errors: [{ error: expect.stringContaining("non-workflow destination") }],
  });
});

test("invoke: 30", async () => {
  const done = async (context: Context) => context.run("mock", () => {});
  const program: Program = {
    ...single(async () => {}),
    workflows: (world) => {
      const four = createWorkflow(done);
      const three = createWorkflow<string, never>(async () => {
        throw new Error("what");
      });
      const branchOne = createWorkflow<number, object>(async (context) => {
        await context.waitForEvent("timeoutEvent", "timeoutEvent", { timeout: 1 });
        await context.waitForEvent("notified event", "notifiedEvent", { timeout: "20s" });
        await context.sleep("check", 1);
        return { "branch-one": "result" };
      });
      const branchTwo = createWorkflow<number, string>(async (context) => {
        await context.call("call", { url: world.third(context, "call", { ms: 0 }) });
        await context.sleep("wait", 5);
        await context.notify("notified event", "notifiedEvent", "data");
        await context.sleep("check", 1);
        return "branch-two-result";
      });
      const two = createWorkflow<string, string>(async (context) => {
        await context.run("step 1", () => {});
        await context.run("step 2", () => {});
        await Promise.all([
          context.invoke("invoke branch one", { workflow: branchOne, body: 1 }),
          context.invoke("invoke branch two", { workflow: branchTwo, body: 2 }),
        ]);
        return "invoke-result";
      });
      const one = createWorkflow(async (context: Context) => {
        const workflowRunId = await context.run("step 1", () => `mine-${context.workflowRunId}`);
        const { body } = await context.invoke("invoking other", {
          workflow: two,
          body: "invoke-payload",
          workflowRunId,
          label: "invoke-label",
        });
        await context.call("call workflow", { workflow: four, body: undefined, retries: 0 });
        const { isFailed } = await context.invoke("invoke failing", { workflow: three, body: "invoke-payload", retries: 0 });
        await context.run("step 2", () => {});
        await context.sleep("sleep so that the async workflowFour finishes", 3);
        return [body, isFailed];
      });
      return { one, two, three, four, branchOne, branchTwo };
    },
  };
  expect(await outcomeOf(program)).toEqual([30, "RUN_SUCCESS"]);
  expect(engine.store.allRuns()[0]!.workflowRunResponse).toBe('["invoke-result",true]');
  const child = engine.store.allRuns().find((run) => run.label === "invoke-label")!;
  expect(child.invoker!.workflowRunId).toBe(engine.store.allRuns()[0]!.workflowRunId);
  expect(child.workflowRunId).toBe(`wfr_mine-${child.invoker!.workflowRunId}`);
});

test("invoke-parent-failure: 11; the child that outlives its failed parent still ends the parent's step", async () => {
  const program: Program = {
    ...single(async () => {}),
    workflows: () => {
      const child = createWorkflow<undefined, void>(async (context) => {
        await context.sleep("sleep 3s", 3);
        await context.run("child step", () => {});
      });
      const parent = createWorkflow<undefined, void>(async (context) => {
        await Promise.all([
          context.invoke("invoke child", { workflow: child }),
          context.run("failing step", () => {
            throw new WorkflowNonRetryableError("step failed");
          }),
        ]);
      });
      const one = createWorkflow(async (context: Context) => {
        await context.run("step 1", () => {});
        await context.invoke("invoke", { workflow: parent });
        await context.run("verify step", () => {});
      });
      return { one, parent, child };
    },
  };
  expect(await outcomeOf(program)).toEqual([11, "RUN_SUCCESS"]);
  const parent = engine.store.allRuns().find((run) => run.workflowUrl.endsWith("/parent"))!;
  expect(parent.steps[1]!.steps.map((step) => [step.stepName, step.state])).toEqual([
    ["invoke child", "STEP_SUCCESS"],
    ["failing step", "STEP_FAILED"],
  ]);
});
