import type { LogStore } from "../../src/fake-upstash/log-store.ts";
import { type CallWork, run, SECOND } from "../support/scenarios/program.ts";
import { happenUntil, record, scenario } from "../support/scenarios/scenario.ts";

const call = (name: string, ms: number, url: string, status: number): CallWork => ({
  kind: "call",
  name,
  ms,
  method: "POST",
  url,
  status,
  response: status < 400 ? { ok: true } : { error: "no capacity" },
});

/** A believable run that shows what a timeline is for: work side by side, a sleep, a call that fails and what is done about it. */
const ORDER = scenario("order", "an order whose first courier has no capacity", {
  url: "https://shop.example.com/api/orders",
  labels: ["orders"],
  steps: [
    run("validate order", 120),
    [run("reserve stock", 640), call("charge card", 910, "https://api.payments.example/v1/charges", 200), run("fraud check", 1_480)],
    { kind: "sleep", name: "cancellation period", ms: 2 * SECOND },
    call("book courier", 730, "https://courier.example.net/shipments", 503),
    call("book second courier", 560, "https://parcels.example.org/v2/bookings", 201),
    run("send confirmation", 210),
  ],
});

/** The order, over a while ago. */
export function putOrder(store: LogStore, now: number): void {
  record(store, happenUntil(ORDER, now - 60 * SECOND, 7));
}
