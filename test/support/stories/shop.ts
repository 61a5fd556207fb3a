import { PLANTED_SECRET } from "../../../src/fake-upstash/recording/secret.ts";
import { type CallWork, MINUTE, type RunWork, run, SECOND, type Work } from "../scenarios/program.ts";
import { scenario } from "../scenarios/scenario.ts";

const BASE = "https://shop.example.com/api/workflows";

const charge: CallWork = {
  kind: "call",
  name: "charge card",
  ms: 640,
  method: "POST",
  url: "https://api.payments.example/v1/charges",
  headers: { "Content-Type": ["application/json"], Authorization: [`Bearer ${PLANTED_SECRET}`] },
  body: { amount: 12_900, currency: "eur", card: "tok_demo" },
  status: 200,
  response: { id: "ch_1", status: "succeeded" },
};

export const orderFulfilment = scenario("order-fulfilment", "an order: three steps in parallel, then packed and shipped", {
  url: `${BASE}/order`,
  payload: { orderId: 48_213, items: 3 },
  headers: { Traceparent: ["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"] },
  labels: ["orders", "priority"],
  callerIp: "192.0.2.17",
  steps: [
    run("validate order", 90, { valid: true }),
    [run("reserve stock", 420, { reserved: 3 }), charge, run("fraud check", 980, { score: 0.03 })],
    run("pack parcel", 1_350),
    {
      kind: "call",
      name: "book courier",
      ms: 730,
      method: "POST",
      url: `https://courier.example.net/shipments?api_key=${PLANTED_SECRET}`,
      body: { weight: 1.2 },
      status: 201,
      response: { tracking: "JD0146" },
    },
    run("send confirmation", 160),
  ],
  response: { shipped: true },
});

/** The default back-off of Upstash: min(86400, e^(2.5·n)) seconds. */
const backoff = (n: number) => Math.round(Math.exp(2.5 * n) * SECOND);
const declined = (n: number, last = false) => ({
  ms: 310,
  status: 500,
  message: "card issuer not reachable",
  retryAfterMs: last ? 0 : backoff(n),
});

export const paymentFails = scenario("payment", "a payment that is retried for half an hour, fails, and tells its failure function", {
  url: `${BASE}/payment`,
  payload: { invoice: "INV-2041", amount: 89 },
  labels: ["billing"],
  flowControlKey: "customer-77",
  steps: [
    run("load invoice", 70, { open: true }),
    { kind: "run", name: "collect payment", ms: 0, failed: [declined(1), declined(2), declined(3), declined(4, true)], gaveUp: true },
  ],
  failureFunction: { ms: 1_800, response: "customer was told" },
});

const resize: Work = {
  kind: "call",
  name: "resize image",
  ms: 880,
  method: "POST",
  url: "https://images.example.net/resize",
  status: 200,
  response: { ok: true },
  failed: [{ ms: 520, status: 502, message: "upstream went away", retryAfterMs: 1_200 }],
};
const flaky = { ms: 240, status: 500, message: "CDN timed out", retryAfterMs: 1_500 };

export const recoveredRetry = scenario("gallery", "a call and a step that fail once and recover", {
  url: `${BASE}/gallery`,
  steps: [run("read upload", 120), resize, { kind: "run", name: "publish to CDN", ms: 330, failed: [flaky] }],
  response: "published",
});

const chunk = (_: unknown, n: number): RunWork => run(`import chunk ${n + 1}`, 300 + ((n * 7_919) % 1_700), { rows: 500 });

export const catalogueImport = scenario("catalogue-import", "an import of twenty chunks at once", {
  url: `${BASE}/catalogue/import`,
  labels: ["import"],
  steps: [run("split file", 410, { chunks: 20 }), Array.from({ length: 20 }, chunk), run("rebuild index", 1_900)],
  response: { rows: 10_000 },
});

export const paymentLink = scenario("payment-link", "a webhook: the payment provider calls back half an hour later", {
  url: `${BASE}/payment-link`,
  steps: [
    {
      kind: "run",
      type: "CreateWebhook",
      name: "create webhook",
      ms: 6,
      out: { webhookUrl: "https://hooks.example.net/u/1", eventId: "paid-1" },
    },
    run("send payment link", 220),
    {
      kind: "wait",
      type: "WaitForWebhook",
      name: "customer pays",
      eventId: "paid-1",
      timeoutMs: 24 * 60 * MINUTE,
      notifiedAfterMs: 27 * MINUTE,
      eventData: { method: "POST", proto: "HTTP/1.1", host: "hooks.example.net", url: "/u/1", header: {}, body: "e30=" },
    },
    run("unlock download", 140),
  ],
});
