import { readFileSync } from "node:fs";
import type { WorkflowContext } from "@upstash/workflow";
import { createWorkflow } from "@upstash/workflow/cloudflare";
import { afterEach, expect, test, vi } from "vitest";
import type { WireEvent, WireRun } from "../../src/fake-upstash/wire.ts";
import type { Program, World } from "../programs/program.ts";
import { runProgram } from "../programs/run-program.ts";
import { groupsOf, messagesOf } from "../support/log-lines.ts";
import { startEngine } from "./engine.ts";

/**
 * Six programs that once ran on another engine (test/fixtures/engine-*.json): here they must leave the same lines in
 * both logs, message by message and field by field.
 */
const fixture = (name: string) => JSON.parse(readFileSync(new URL(`../fixtures/${name}.json`, import.meta.url), "utf8"));
const theirRuns: WireRun[] = fixture("engine-runs").runs;
const theirEvents: WireEvent[] = fixture("engine-events").events;

type Route = (context: WorkflowContext, world: World) => Promise<unknown>;

const broken = (times: number) => (attempt: number) => {
  if (attempt <= times) throw new Error("boom");
  return `ok after ${attempt}`;
};

const routes: Record<string, Route> = {
  seq: async (context, world) => {
    for (const name of ["one", "two", "three"]) await world.run(context, name, 5, () => name);
    return "done";
  },
  par: async (context, world) => {
    await Promise.all([
      world.run(context, "a", 60, () => "a"),
      world.run(context, "b", 5, () => "b"),
      world.run(context, "d", 30, () => "d"),
    ]);
    return world.run(context, "after", 5, () => "after");
  },
  sleeps: async (context, world) => {
    await world.run(context, "before", 5, () => "before");
    await context.sleep("s", 1);
    await world.run(context, "mid", 5, () => "mid");
    await context.sleepUntil("u", (context.requestPayload as { until: number }).until);
    await world.run(context, "after", 5, () => "after");
  },
  call: async (context, world) => {
    const ask = (step: string, status: number, more = {}) =>
      context.call(step, { url: world.third(context, step, { ms: 5, status }), ...more });
    await ask("ok", 200, { method: "POST", body: { q: "ü" }, headers: { "x-mine": "yes" } });
    await ask("missing", 404);
    await ask("broken", 500);
    await context.call("retried", { url: world.third(context, "retried", { ms: 5, failures: 1 }), retries: 2 });
    return "done";
  },
  retry: async (context, world) => {
    await world.run(context, "fine", 5, () => "fine");
    return world.run(context, "flaky", 5, broken(2));
  },
  always: async (context, world) => {
    await world.run(context, "fine", 5, () => "fine");
    return world.run(context, "bad", 5, broken(9));
  },
};

/** The other engine showed sleeps as sent, and neither callers' addresses nor a failure function's retries. */
const asTheirs = { switches: { sleepUnit: "sent" } } as const;

afterEach(() => void vi.restoreAllMocks());

test.each(Object.entries(routes))("the program %s leaves the same lines as on another engine", async (name, route) => {
  vi.spyOn(console, "error").mockImplementation(() => {}); // the SDK reports every error of a step there
  const engine = await startEngine(asTheirs);
  const program: Program = {
    name,
    workflows: (world) => ({
      [name]: createWorkflow((context: WorkflowContext) => route(context, world), { failureFunction: () => "told" }),
    }),
    trigger: (world) => ({
      body: { until: Math.ceil(world.now() / 1_000) + 600 },
      ...(name === "always" && { retries: 1, label: ["l1", "l2"] }),
    }),
    ends: name === "always" ? "RUN_FAILED" : "RUN_SUCCESS",
    deliveries: 0,
  };
  await runProgram(engine, program);
  await engine.close();
  const theirs = theirRuns.find((run) => run.workflowUrl.endsWith(`/${name}`))!;
  const [ours] = engine.store.allRuns();
  expect(groupsOf(ours!)).toEqual(groupsOf(theirs));
  expect(messagesOf(engine.store.allEvents())).toEqual(messagesOf(theirEvents.filter((event) => event.workflowUrl === theirs.workflowUrl)));
  const { workflowRunCallerIp: _, failureFunction: ourFailure, workflowRunResponse: __, ...rest } = ours!;
  const { failureFunction: theirFailure, workflowRunResponse: ___, ...expected } = theirs;
  expect(Object.keys(rest).toSorted()).toEqual(Object.keys(expected).toSorted());
  expect(Object.keys(ourFailure ?? {})).toEqual(expect.arrayContaining(Object.keys(theirFailure ?? {})));
});
