import { expect, test } from "vitest";
import { eventually, useBridges } from "../support/bridge.ts";
import { CANARY_TOKEN, useSurroundings } from "../support/surroundings.ts";
import { wireRun } from "../support/wire-run.ts";

const here = useSurroundings();
const startBridge = useBridges();

test("an update loses and doubles nothing: the second waits for the state, the first gets SIGTERM and drains", async () => {
  // every answer takes a while: at any moment something is in flight
  const backend = await here.startBackend({ respond: () => ({ status: 200, delayMs: 150 }) });
  const config = here.configure({
    sources: [
      {
        name: "eu",
        url: here.api.url,
        token: CANARY_TOKEN,
        poll_interval: "100ms",
        poll_interval_idle: "100ms",
        max_requests_per_second: 100,
      },
    ],
    destinations: [{ name: "backend", type: "otlp-http", endpoint: backend.url, concurrency: 2 }],
    state: { path: "./wfotel.db" },
  });
  let put = 0;
  const putting = setInterval(() => {
    here.api.store.putRun(wireRun(`wfr_${put}`, Date.now() - 2_000));
    put += 1;
  }, 30);
  let current = await startBridge(["--config", config]);
  try {
    for (let update = 0; update < 3; update += 1) {
      const next = await startBridge(["--config", config]);
      await eventually(() => expect(next.log()).toContain("waiting until it is stopped"));
      expect(await next.page("/readyz")).toMatchObject({ status: 503 });
      expect((await next.page("/metrics")).body).not.toContain("wfotel_destination_runs_delivered_total{");
      const before = backend.requests.length;
      await eventually(() => expect(backend.requests.length).toBeGreaterThan(before + 2));
      expect(await current.stop()).toBe(0);
      await eventually(async () => expect((await next.page("/readyz")).status).toBe(200));
      current = next;
    }
  } finally {
    clearInterval(putting);
  }
  await eventually(() => expect(new Set(backend.spans.map(({ traceId }) => traceId)).size).toBe(put));
  expect(await current.stop()).toBe(0);
  expect(backend.violations).toEqual([]);
  expect(new Set(backend.spans.map(({ spanId }) => spanId)).size).toBe(backend.spans.length);
});
