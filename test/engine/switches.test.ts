import { type WorkflowContext, WorkflowNonRetryableError, WorkflowRetryAfterError } from "@upstash/workflow";
import { createWorkflow } from "@upstash/workflow/cloudflare";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { WireRun, WireStep } from "../../src/fake-upstash/wire.ts";
import type { Program, World } from "../programs/program.ts";
import { runProgram } from "../programs/run-program.ts";
import { type Engine, startEngine } from "./engine.ts";
import type { Switches } from "./switches.ts";

/** Every switch, under each of its readings: what it changes in the logs, on a program that shows it. */
type Route = (context: WorkflowContext, world: World) => Promise<unknown>;
let engine: Engine;
beforeEach(() => {
  vi.spyOn(console, "error").mockImplementation(() => {}); // the SDK reports every error of a step there
});
afterEach(async () => {
  await engine.close();
  vi.restoreAllMocks();
});

interface Seen {
  readonly run: WireRun;
  readonly deliveries: number;
  step(name: string): WireStep;
}

async function see(switches: Partial<Switches>, route: Route, more: Partial<Program> = {}): Promise<Seen> {
  engine = await startEngine({ switches });
  const program: Program = {
    name: "one",
    workflows: (world) => ({ one: createWorkflow((context: WorkflowContext) => route(context, world)) }),
    ends: "RUN_SUCCESS",
    deliveries: 0,
    ...more,
  };
  const { runId, deliveries } = await runProgram(engine, program);
  const run = engine.store.allRuns().find((each) => each.workflowRunId === runId)!;
  const step = (name: string) => run.steps.flatMap((group) => group.steps).find((each) => each.stepName === name)!;
  return { run, deliveries, step };
}

const eventTime = (state: string, callType?: string) =>
  engine.store.allEvents().find((event) => event.state === state && (callType === undefined || event.stepInfo?.callType === callType))!
    .time;

test.each([
  ["result", "step"],
  ["toCallback", "toCallback"],
  ["fromCallback", "fromCallback"],
] as const)("callMessage %s: a Call's createdAt is that of its message of type %s", async (callMessage, callType) => {
  const { step } = await see({ callMessage }, (context, world) => context.call("call", { url: world.third(context, "call", { ms: 80 }) }));
  const own = engine.store.allEvents().find((event) => event.stepInfo?.stepName === "call" && event.stepInfo.callType === callType)!;
  expect(own.state).toBe("CREATED");
  expect(step("call")).toMatchObject({ callType, createdAt: own.time, messageId: own.stepInfo!.messageId, callResponseStatus: 200 });
});

test.each(["end", "start"] as const)("waitCreatedAt %s: of a Wait and of an Invoke", async (waitCreatedAt) => {
  const child = createWorkflow<undefined, void>(async (context) => context.sleep("nap", 60));
  const workflows = () => ({
    one: createWorkflow(async (context: WorkflowContext) => {
      await context.waitForEvent("wait", "nobody comes", { timeout: 60 });
      await context.invoke("invoke", { workflow: child });
    }),
    child,
  });
  const { step } = await see({ waitCreatedAt }, async () => {}, { workflows });
  const result = (name: string) =>
    engine.store.allEvents().find((event) => event.state === "CREATED" && event.stepInfo?.stepName === name)!.time;
  const expected = waitCreatedAt === "end" ? [result("wait"), result("invoke")] : [eventTime("WAITER_ADDED"), eventTime("INVOKED")];
  expect([step("wait").createdAt, step("invoke").createdAt]).toEqual(expected);
  expect(step("wait")).toMatchObject({ waitTimeout: true, waitTimeoutDuration: "60s" });
});

test.each(["accepted", "delivered"] as const)("delayedRun %s: a run with a delay of an hour", async (delayedRun) => {
  const { run } = await see({ delayedRun }, (context) => context.run("one", () => {}), { trigger: () => ({ delay: "1h" }) });
  const before = eventTime("ACTIVE") - run.workflowRunCreatedAt;
  expect(before >= 3_600_000).toBe(delayedRun === "accepted");
  expect(run.steps[0]!.steps[0]!.nextDeliveryTime !== undefined).toBe(delayedRun === "accepted");
});

test.each([
  ["ms", 5_400_000, 1_000],
  ["sent", "90m", 1],
] as const)("sleepUnit %s: 90 minutes are %j, a second of unix time is %d", async (sleepUnit, length, unit) => {
  const until = Math.ceil(Date.now() / 1_000) + 86_400;
  const { step } = await see({ sleepUnit }, async (context) => {
    await context.sleep("for", "90m");
    await context.sleepUntil("until", until);
  });
  expect([step("for").sleepFor, step("until").sleepUntil]).toEqual([length, until * unit]);
});

test.each([
  ["bytes", "â\u0080\u009cÃ¼â\u0080\u009d"],
  ["decoded", "“ü”"],
] as const)("callOut %s: what the log shows of a response in UTF-8", async (callOut, said) => {
  const { step, run } = await see({ callOut }, async (context, world) => {
    const { body } = await context.call<{ said: string }>("call", { url: world.third(context, "call", { ms: 0 }) });
    return body.said;
  });
  expect(step("call").out).toContain(said);
  expect(step("call").callResponseBody).toContain("“ü”");
  expect(run.workflowRunResponse).toBe('"“ü”"');
});

test.each([
  ["result", "STEP_SUCCESS"],
  ["progress", "STEP_PROGRESS"],
] as const)("orphanedInvoke %s: the sibling Invoke of a failed run is %s in the end", async (orphanedInvoke, state) => {
  const child = createWorkflow<undefined, void>(async (context) => context.sleep("nap", 60));
  const workflows = () => ({
    one: createWorkflow(async (context: WorkflowContext) => {
      await Promise.all([
        context.invoke("invoke", { workflow: child }),
        context.run("bad", () => {
          throw new WorkflowNonRetryableError("bad");
        }),
      ]);
    }),
    child,
  });
  const { step, run } = await see({ orphanedInvoke }, async () => {}, { workflows });
  expect([run.workflowState, step("bad").state, step("invoke").state]).toEqual(["RUN_FAILED", "STEP_FAILED", state]);
});

const bad: Route = (context) =>
  context.run("bad", () => {
    throw new WorkflowNonRetryableError("bad");
  });

test.each([
  ["call", 4],
  ["none", 3],
] as const)("directFailure %s: the app is asked %d times", async (directFailure, asked) => {
  const { deliveries } = await see(
    { directFailure },
    async (context) => {
      await context.run("good", () => {});
      return bad(context, undefined as never);
    },
    { direct: true },
  );
  expect(deliveries).toBe(asked);
});

test.each([
  ["counts", "RUN_FAILED"],
  ["free", "RUN_SUCCESS"],
] as const)("retryAfter %s: two pauses with one retry end in %s", async (retryAfter, state) => {
  let attempts = 0;
  const route: Route = (context) =>
    context.run("patient", () => {
      if (++attempts < 3) throw new WorkflowRetryAfterError("busy", 60);
    });
  const { run } = await see({ retryAfter }, route, { trigger: () => ({ retries: 1 }) });
  expect(run.workflowState).toBe(state);
});

test.each([
  ["absent", undefined],
  ["success", "CALLBACK_SUCCESS"],
] as const)("missingFailureFunction %s: the log's failure function is %s", async (missingFailureFunction, state) => {
  const { run } = await see({ missingFailureFunction }, bad);
  expect(run.failureFunction?.state).toBe(state);
});

test.each(["creation", "delivery"] as const)("planOrder %s: the SDK finds its steps in either order", async (planOrder) => {
  const { run, deliveries } = await see({ planOrder }, async (context) => {
    const [, fast, slow] = await Promise.all([
      context.sleep("nap", 60),
      context.run("fast", () => "fast"),
      context.run("slow", () => "slow"),
    ]);
    return context.run("after", () => [fast, slow]);
  });
  expect([run.workflowRunResponse, deliveries]).toEqual(['["fast","slow"]', 1 + 2 * 3 + 1]);
});

test.each(["creation", "delivery"] as const)("planOrder %s: the sleeping sibling of a failed step is in the log", async (planOrder) => {
  const { run, step } = await see({ planOrder }, (context) =>
    Promise.all([
      context.sleep("asleep", "3d"),
      context.run("bad", () => {
        throw new WorkflowNonRetryableError("bad");
      }),
    ]),
  );
  expect([run.workflowState, step("asleep").state, step("bad").state]).toEqual(["RUN_FAILED", "STEP_CANCELED", "STEP_FAILED"]);
});
