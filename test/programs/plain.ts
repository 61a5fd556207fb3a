import type { WorkflowContext } from "@upstash/workflow";
import { createWorkflow } from "@upstash/workflow/cloudflare";
import type { Program, World } from "./program.ts";

type Context = WorkflowContext;

/** Deliveries: the payload, and one a result. */
export const sequential: Program = {
  name: "sequential",
  workflows: (world) => ({
    sequential: createWorkflow(async (context: Context) => {
      const one = await world.run(context, "one", 80, () => "one");
      const two = await world.run(context, "two", 30, () => "two");
      const three = await world.run(context, "three", 50, () => "three");
      return [one, two, three];
    }),
  }),
  trigger: () => ({ body: { a: 1 } }),
  ends: "RUN_SUCCESS",
  deliveries: 1 + 3,
};

/** Deliveries: the payload, two plans, two results, and "after". */
export const parallelTwo: Program = {
  name: "parallel-2",
  workflows: (world) => ({
    "parallel-2": createWorkflow(async (context: Context) => {
      await world.run(context, "before", 20);
      await Promise.all([world.run(context, "long", 150, () => "long"), world.run(context, "short", 30, () => "short")]);
      await world.run(context, "after", 20);
    }),
  }),
  ends: "RUN_SUCCESS",
  deliveries: 1 + 1 + 2 * 2 + 1,
};

const TWENTY = Array.from({ length: 20 }, (_, index) => ({ name: `branch ${index}`, ms: 10 + ((index * 67) % 190) }));

export const parallelTwenty: Program = {
  name: "parallel-20",
  workflows: (world) => ({
    "parallel-20": createWorkflow(async (context: Context) => {
      await Promise.all(TWENTY.map(({ name, ms }) => world.run(context, name, ms, () => name)));
      await world.run(context, "after", 20);
    }),
  }),
  ends: "RUN_SUCCESS",
  deliveries: 1 + 2 * 20 + 1,
};

async function reserve(world: World, context: Context): Promise<string> {
  const stock = await world.run(context, "check stock", 25, () => "there");
  return world.run(context, "reserve", 35, () => stock);
}

async function pay(world: World, context: Context): Promise<string> {
  const card = await world.run(context, "authorize", 60, () => "card");
  return world.run(context, "charge", 15, () => card);
}

/**
 * Functions with steps inside, one after the other and side by side: chains in Promise.all advance in lock step, so
 * that the second links start together. Deliveries: the payload, one of "open", two rounds of two plans and results, "close".
 */
export const nested: Program = {
  name: "nested",
  workflows: (world) => ({
    nested: createWorkflow(async (context: Context) => {
      await world.run(context, "open", 10);
      const done = await Promise.all([reserve(world, context), pay(world, context)]);
      await world.run(context, "close", 10);
      return done;
    }),
  }),
  ends: "RUN_SUCCESS",
  deliveries: 1 + 1 + 2 * (2 * 2) + 1,
};

/** Each call is two deliveries, its callback and its result, however often it was tried. */
export const calls: Program = {
  name: "calls",
  workflows: (world) => ({
    calls: createWorkflow(async (context: Context) => {
      await world.run(context, "before", 20);
      const ask = (step: string, answer: Parameters<World["third"]>[2], more = {}) =>
        context.call<{ status: number }>(step, { url: world.third(context, step, answer), ...more });
      const slow = await ask("slow", { ms: 250 }, { method: "POST", body: { q: "ü" }, headers: { "x-mine": "yes" } });
      const missing = await ask("missing", { ms: 20, status: 404 });
      const broken = await ask("broken", { ms: 20, status: 500 });
      const retried = await ask("retried", { ms: 30, failures: 2 }, { retries: 3, retryDelay: "60000 * (1 + retried)" });
      await world.run(context, "after", 20);
      return [slow, missing, broken, retried].map(({ status, body }) => [status, body.status]);
    }),
  }),
  ends: "RUN_SUCCESS",
  deliveries: 1 + 1 + 4 * 2 + 1,
};

/** Deliveries: the payload, two of "fine" that fail and one that works, and the last one. */
export const retryRecovers: Program = {
  name: "retry-recovers",
  workflows: (world) => ({
    "retry-recovers": createWorkflow(async (context: Context) => {
      await world.run(context, "fine", 30);
      return world.run(context, "flaky", 40, failing(2));
    }),
  }),
  ends: "RUN_SUCCESS",
  deliveries: 1 + 3 + 1,
};

/** A step's function that throws so many times. */
export function failing(times: number, error: (attempt: number) => Error = (attempt) => new Error(`boom ${attempt}`)) {
  return (attempt: number): string => {
    if (attempt <= times) throw error(attempt);
    return `ok after ${attempt}`;
  };
}
