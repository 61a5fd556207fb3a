import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { statusSchema } from "../../src/telemetry/status.ts";
import { eventually, useBridges } from "../support/bridge.ts";
import { CANARY_TOKEN, useSurroundings } from "../support/surroundings.ts";
import { startWfotel, wfotel } from "../support/wfotel.ts";
import { wireRun } from "../support/wire-run.ts";

const here = useSurroundings();
const startBridge = useBridges();

const parsed = (body: string) => JSON.parse(body) as { status: string; checks: Record<string, string> };

test("a bridge is alive, ready after its first poll, and shows its status without a secret or a run", async () => {
  here.api.store.putRun(wireRun("canary-run-id", Date.now() - 60_000));
  const bridge = await startBridge([], here.env());
  expect(parsed((await bridge.page("/livez")).body)).toMatchObject({
    status: "ok",
    checks: { "source upstash": "ok", "destination otlp": "ok", jobs: "ok" },
  });
  await eventually(async () => expect((await bridge.page("/readyz")).status).toBe(200));
  await eventually(() => expect(here.backend.spans).toHaveLength(2));
  const page = await eventually(async () => {
    const { body } = await bridge.page("/status");
    expect(JSON.parse(body).destinations[0].delivered.runs).toBe(1);
    return body;
  });
  const status = statusSchema.parse(JSON.parse(page));
  expect(status).toMatchObject({
    daemon: { live: true, ready: true, not_ready: {} },
    sources: [
      {
        name: "upstash",
        collected: 1,
        paused: null,
        budget: { ceiling_per_second: 10 },
        capacity: { with_feed: { runs_per_second: 50 }, without_feed: { runs_per_second: 35 } },
      },
    ],
    destinations: [{ name: "otlp", queued: { runs: 0, oldest_at: null }, in_flight: 0, delivered: { runs: 1, spans: 2 }, quarantined: 0 }],
  });
  for (const secret of [CANARY_TOKEN, "canary-run-id", "shop.example.com"]) expect(page).not.toContain(secret);
  expect(await bridge.stop()).toBe(0);
});

test("a source that may not be read is alive and not ready, and says why", async () => {
  const bridge = await startBridge([], { ...here.env(), QSTASH_TOKEN: "canary-wrong-token" });
  await eventually(async () => {
    const { status, body } = await bridge.page("/readyz");
    expect(status).toBe(503);
    expect(parsed(body)).toMatchObject({
      status: "failing",
      checks: { "first poll of upstash": expect.stringContaining("401") },
    });
  });
  expect((await bridge.page("/livez")).status).toBe(200);
  expect(JSON.parse((await bridge.page("/status")).body).sources[0].paused.reason).toContain("401");
  expect(bridge.log()).not.toContain("canary-wrong-token");
});

test("a second bridge on the same state is alive and not ready until the first is stopped", async () => {
  const first = await startBridge([], here.env());
  await eventually(async () => expect((await first.page("/readyz")).status).toBe(200));
  const second = await startBridge([], here.env());
  expect((await second.page("/livez")).status).toBe(200);
  const waiting = await second.page("/readyz");
  expect(waiting.status).toBe(503);
  expect(parsed(waiting.body).checks.state).toBe("another process works on it");
  expect(JSON.parse((await second.page("/status")).body)).toMatchObject({ daemon: { live: true, ready: false }, state: null });
  expect(await first.stop()).toBe(0);
  await eventually(async () => expect((await second.page("/readyz")).status).toBe(200));
  expect(await second.stop()).toBe(0);
});

test("a second bridge that wants the same port as well waits for both", async () => {
  const first = await startBridge([], here.env());
  const second = startWfotel(["run"], { env: { ...here.env(), WFOTEL_LISTEN: first.listen } });
  let log = "";
  second.stderr.on("data", (part) => {
    log += String(part);
  });
  await eventually(() => expect(log).toContain("its port is taken as well"));
  expect(await first.stop()).toBe(0);
  await eventually(() => expect(log).toContain("serving /livez"));
  second.kill("SIGKILL");
});

test("a port that somebody else has ends the bridge with exit code 2 and the port's name", async () => {
  const other = createServer().listen(0, "127.0.0.1");
  await eventually(() => expect(other.listening).toBe(true));
  const listen = `127.0.0.1:${(other.address() as AddressInfo).port}`;
  const { code, stderr } = await wfotel(["run"], { env: { ...here.env(), WFOTEL_LISTEN: listen } });
  other.close();
  expect(code).toBe(2);
  expect(stderr).toContain(`server.listen ${listen}: the port is taken`);
});

test("a single pass serves nothing, so no port can stop it", async () => {
  const other = createServer().listen(0, "127.0.0.1");
  await eventually(() => expect(other.listening).toBe(true));
  const env = { ...here.env(), WFOTEL_LISTEN: `127.0.0.1:${(other.address() as AddressInfo).port}` };
  const { code } = await wfotel(["run", "--once"], { env });
  other.close();
  expect(code).toBe(0);
});

test("healthcheck: 0 while the bridge is alive, 1 when it is gone, told by variable, file or option", async () => {
  const bridge = await startBridge([], here.env());
  const port = bridge.listen.split(":")[1];
  const file = here.configure({ server: { listen: bridge.listen } });
  const asked = [
    await wfotel(["healthcheck"], { env: { WFOTEL_LISTEN: bridge.listen } }),
    await wfotel(["healthcheck"], { env: { WFOTEL_LISTEN: `0.0.0.0:${port}` } }),
    await wfotel(["healthcheck"], { env: { WFOTEL_CONFIG: file } }),
    await wfotel(["healthcheck", "--config", file]),
  ];
  expect(asked.map(({ code, stderr }) => ({ code, stderr }))).toEqual(asked.map(() => ({ code: 0, stderr: "" })));
  await bridge.stop();
  const gone = await wfotel(["healthcheck"], { env: { WFOTEL_LISTEN: bridge.listen } });
  expect(gone).toMatchObject({ code: 1, stdout: "", stderr: expect.stringContaining(`no answer from ${bridge.listen}`) });
  expect((await wfotel(["healthcheck"], { env: { WFOTEL_LISTEN: "" } })).code).toBe(1);
  expect((await wfotel(["healthcheck", "--config", join(here.folder, "none.yaml")])).code).toBe(1);
});
