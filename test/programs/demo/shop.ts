import type { WorkflowContext } from "@upstash/workflow";
import { createWorkflow } from "@upstash/workflow/cloudflare";
import { PLANTED_SECRET } from "../../../src/fake-upstash/recording/secret.ts";
import { failing } from "../plain.ts";
import { answering, backoffs, type Context, type DemoProgram, MINUTE } from "./demo-program.ts";

const publicUrl = "https://shop.example.com/api/workflows";
const bearer = { Authorization: `Bearer ${PLANTED_SECRET}` };

/** An order: three steps in parallel, then packed and shipped. */
const order: DemoProgram = {
  name: "order",
  publicUrl,
  waits: [],
  workflows: (world) => ({
    order: createWorkflow(async (context: WorkflowContext<{ orderId: number; items: number }>) => {
      const { items } = context.requestPayload;
      await world.run(context, "validate order", 90, () => ({ valid: true }));
      await Promise.all([
        world.run(context, "reserve stock", 420, () => ({ reserved: items })),
        context.call("charge card", {
          url: "https://api.payments.example/v1/charges",
          method: "POST",
          headers: bearer,
          body: JSON.stringify({ amount: 12_900, currency: "eur", card: "tok_demo" }),
        }),
        world.run(context, "fraud check", 980, () => ({ score: 0.03 })),
      ]);
      await world.run(context, "pack parcel", 1_350);
      const { body } = await context.call<{ tracking: string }>("book courier", {
        url: `https://courier.example.net/shipments?api_key=${PLANTED_SECRET}`,
        method: "POST",
        body: JSON.stringify({ weight: 1.2 }),
      });
      await world.run(context, "send confirmation", 160);
      return { shipped: true, tracking: body.tracking };
    }),
  }),
  thirdParties: {
    "api.payments.example": answering(640, 200, { id: "ch_1", status: "succeeded" }),
    "courier.example.net": answering(730, 201, { tracking: "JD0146" }),
  },
  trigger: () => ({
    body: { orderId: 48_213, items: 3 },
    headers: { traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01" },
    label: ["orders", "priority"],
  }),
  ends: "RUN_SUCCESS",
  // The payload, "validate order", three plans and three results and a callback, three more results and a callback.
  deliveries: 1 + 1 + 3 + 3 + 1 + 3 + 1,
};

/** A call and a step that fail once and recover. */
const gallery: DemoProgram = {
  name: "gallery",
  publicUrl,
  waits: [1_200, 1_500],
  workflows: (world) => ({
    gallery: createWorkflow(async (context: Context) => {
      await world.run(context, "read upload", 120);
      await context.call("resize image", { url: "https://images.example.net/resize", method: "POST", retries: 2, retryDelay: "1200" });
      await world.run(
        context,
        "publish to CDN",
        330,
        failing(1, () => new Error("CDN timed out")),
      );
      return "published";
    }),
  }),
  thirdParties: { "images.example.net": answering(880, 200, { ok: true }, 1) },
  trigger: () => ({ retries: 2, retryDelay: "1500" }),
  ends: "RUN_SUCCESS",
  deliveries: 1 + 1 + 2 + 2,
};

/** A payment that is retried for half an hour, fails, and tells its failure function. */
const payment: DemoProgram = {
  name: "payment",
  publicUrl,
  waits: backoffs(3),
  workflows: (world) => ({
    payment: createWorkflow(
      async (context: WorkflowContext<{ invoice: string; amount: number }>) => {
        await world.run(context, "load invoice", 70, () => ({ open: true }));
        await world.run(
          context,
          "collect payment",
          310,
          failing(4, () => new Error("card issuer not reachable")),
        );
      },
      {
        failureFunction: async ({ context }) => {
          await world.told(context.workflowRunId, 3_500); // long enough to be seen settling after its run
          return "customer was told";
        },
      },
    ),
  }),
  trigger: () => ({
    body: { invoice: "INV-2041", amount: 89 },
    headers: bearer,
    label: "billing",
    flowControl: { key: "customer-77", parallelism: 5 },
  }),
  ends: "RUN_FAILED",
  deliveries: 1 + 4 + 1,
};

const CHUNKS = Array.from({ length: 20 }, (_, n) => ({ name: `import chunk ${n + 1}`, ms: 300 + ((n * 7_919) % 1_700) }));

/** An import of twenty chunks at once. */
const catalogue: DemoProgram = {
  name: "import",
  publicUrl: `${publicUrl}/catalogue`,
  waits: [],
  workflows: (world) => ({
    import: createWorkflow(async (context: Context) => {
      await world.run(context, "split file", 410, () => ({ chunks: CHUNKS.length }));
      await Promise.all(CHUNKS.map(({ name, ms }) => world.run(context, name, ms, () => ({ rows: 500 }))));
      await world.run(context, "rebuild index", 1_900);
      return { rows: 10_000 };
    }),
  }),
  trigger: () => ({ label: "import" }),
  ends: "RUN_SUCCESS",
  deliveries: 1 + 1 + 20 * 2 + 1,
};

/** Who got the link to pay, by run. */
const links = new Map<string, string>();

/** A webhook: the payment provider calls back half an hour later. */
const paymentLink: DemoProgram = {
  name: "payment-link",
  publicUrl,
  waits: [27 * MINUTE],
  workflows: (world) => ({
    "payment-link": createWorkflow(async (context: Context) => {
      const hook = await context.createWebhook("create webhook");
      await world.run(context, "send payment link", 220, () => void links.set(context.workflowRunId, hook.webhookUrl));
      await context.waitForWebhook("customer pays", hook, "1d");
      await world.run(context, "unlock download", 140);
    }),
  }),
  outside: (world, runId) =>
    world.after({ runId, step: "customer pays" }, 27 * MINUTE, async () => {
      await fetch(links.get(runId) ?? "", { method: "POST", body: JSON.stringify({ paid: true }) });
    }),
  ends: "RUN_SUCCESS",
  deliveries: 1 + 4,
};

export const shop = { order, gallery, payment, catalogue, paymentLink };
