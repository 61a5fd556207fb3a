import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { eventually, useBridges } from "../support/bridge.ts";
import { CANARY_TOKEN, useSurroundings } from "../support/surroundings.ts";
import { CLI, wfotel } from "../support/wfotel.ts";
import { wireRun } from "../support/wire-run.ts";

const here = useSurroundings();
const startBridge = useBridges();

const source = (name: string, url: string) => ({
  name,
  url,
  token: CANARY_TOKEN,
  poll_interval: "100ms",
  poll_interval_idle: "100ms",
  max_requests_per_second: 100,
});
const destination = (name: string, endpoint: string) => ({ name, type: "otlp-http", endpoint });

function configure(over: object = {}): string {
  return here.configure({
    sources: [source("eu", here.api.url)],
    destinations: [destination("backend", here.backend.url)],
    state: { path: "./wfotel.db" },
    ...over,
  });
}

const runsAt = (backend: { spans: readonly { attributes: Record<string, unknown> }[] }) =>
  [...new Set(backend.spans.map((span) => span.attributes["upstash.workflow.run.id"]))].sort();

test("SIGHUP swaps sources and destinations: nothing is lost, nothing is sent twice", async () => {
  const config = configure();
  const bridge = await startBridge(["--config", config]);
  here.api.store.putRun(wireRun("wfr_before", Date.now() - 60_000));
  await eventually(() => expect(runsAt(here.backend)).toEqual(["wfr_before"]));
  const us = await here.startApi();
  const other = await here.startBackend();
  us.store.putRun(wireRun("wfr_us", Date.now() - 30_000));
  configure({
    sources: [source("eu", here.api.url), source("us", us.url)],
    destinations: [destination("backend", here.backend.url), destination("other", other.url)],
  });
  bridge.child.kill("SIGHUP");
  await eventually(() => expect(runsAt(other)).toEqual(["wfr_us"]));
  here.api.store.putRun(wireRun("wfr_after", Date.now() - 10_000));
  await eventually(() => expect(runsAt(other)).toEqual(["wfr_after", "wfr_us"]));
  await eventually(() => expect(runsAt(here.backend)).toEqual(["wfr_after", "wfr_before", "wfr_us"]));
  const status = JSON.parse((await bridge.page("/status")).body);
  expect(status.sources.map(({ name }: { name: string }) => name)).toEqual(["eu", "us"]);
  expect(status.destinations.map(({ name }: { name: string }) => name)).toEqual(["backend", "other"]);
  expect(await bridge.page("/readyz")).toMatchObject({ status: 200 });
  expect(await bridge.stop()).toBe(0);
  expect(new Set(here.backend.spans.map(({ spanId }) => spanId)).size).toBe(here.backend.spans.length);
});

test("a request in flight at SIGHUP is still answered, and its runs are not sent again", async () => {
  const slow = await here.startBackend({ respond: () => ({ status: 200, delayMs: 2_000 }) });
  const config = configure({ destinations: [destination("slow", slow.url)] });
  const bridge = await startBridge(["--config", config]);
  here.api.store.putRun(wireRun("wfr_1", Date.now() - 60_000));
  await eventually(() => expect(slow.requests).toHaveLength(1));
  bridge.child.kill("SIGHUP");
  await eventually(() => expect(bridge.log()).toContain('"reloaded"'));
  here.api.store.putRun(wireRun("wfr_2", Date.now() - 50_000));
  await eventually(() => expect(runsAt(slow)).toEqual(["wfr_1", "wfr_2"]));
  expect(await bridge.stop()).toBe(0);
  expect(slow.requests).toHaveLength(2);
});

test("a configuration with errors, or a file that is missing, changes nothing and is named", async () => {
  const config = configure();
  const good = readFileSync(config, "utf8");
  const bridge = await startBridge(["--config", config]);
  writeFileSync(config, good.replace('"endpoint"', '"endpiont"'));
  bridge.child.kill("SIGHUP");
  await eventually(() => expect(bridge.log()).toMatch(/endpiont.*the old one stays/));
  configure({ destinations: [{ ...destination("backend", here.backend.url), tls: { ca_file: "./gone.pem" } }] });
  bridge.child.kill("SIGHUP");
  await eventually(() => expect(bridge.log()).toMatch(/tls\.ca_file.*the old one stays/));
  expect((await bridge.page("/metrics")).body).toContain("wfotel_config_last_reload_successful 0");
  here.api.store.putRun(wireRun("wfr_1", Date.now() - 60_000));
  await eventually(() => expect(runsAt(here.backend)).toEqual(["wfr_1"]));
  writeFileSync(config, good);
  bridge.child.kill("SIGHUP");
  await eventually(() => expect(bridge.log()).toContain('"reloaded"'));
  expect((await bridge.page("/metrics")).body).toContain("wfotel_config_last_reload_successful 1");
  expect(bridge.log()).not.toContain(CANARY_TOKEN);
  expect(await bridge.stop()).toBe(0);
});

test("what needs a restart stays as it is, and is named", async () => {
  const bridge = await startBridge(["--config", configure({ server: { listen: "127.0.0.1:1" } })]);
  configure({ state: { path: "./other.db" }, telemetry: { log: { format: "pretty" } } });
  bridge.child.kill("SIGHUP");
  await eventually(() => expect(bridge.log()).toContain('"keys":["state","telemetry.log.format"]'));
  here.api.store.putRun(wireRun("wfr_1", Date.now() - 60_000));
  await eventually(() => expect(runsAt(here.backend)).toEqual(["wfr_1"]));
  expect(await bridge.stop()).toBe(0);
});

test.each(["it is written after all", "it is stopped"])("a state that cannot be written at SIGHUP is waited for, until %s", async (end) => {
  const bridge = await startBridge(["--config", configure()]);
  await eventually(async () => expect((await bridge.page("/readyz")).status).toBe(200));
  const other = new DatabaseSync(join(here.folder, "wfotel.db"));
  other.exec("BEGIN IMMEDIATE");
  configure({ destinations: [destination("backend", here.backend.url), destination("new", here.backend.url)] });
  bridge.child.kill("SIGHUP");
  await eventually(() => expect(bridge.log()).toContain("the new configuration waits for it"));
  expect(await bridge.page("/readyz")).toMatchObject({ status: 503 });
  if (end === "it is written after all") {
    other.exec("COMMIT");
    await eventually(() => expect(bridge.log()).toContain('"reloaded"'));
  }
  expect(await bridge.stop()).toBe(0);
  other.close();
});

test("a removed source leaves health and metrics, and the bridge stays alive", async () => {
  const us = await here.startApi();
  const config = configure({ sources: [source("eu", here.api.url), source("us", us.url)] });
  const bridge = await startBridge(["--config", config]);
  await eventually(async () => expect((await bridge.page("/readyz")).status).toBe(200));
  configure();
  bridge.child.kill("SIGHUP");
  await eventually(async () => expect((await bridge.page("/livez")).body).not.toContain("source us"));
  await eventually(async () => expect((await bridge.page("/readyz")).status).toBe(200));
  expect(await bridge.stop()).toBe(0);
});

test("the log's level follows a reload", async () => {
  const bridge = await startBridge(["--config", configure()]);
  configure({ telemetry: { log: { level: "debug" } } });
  bridge.child.kill("SIGHUP");
  await eventually(() => expect(bridge.log()).toContain('"reloaded"'));
  here.api.store.putRun(wireRun("wfr_1", Date.now() - 60_000));
  await eventually(() => expect(bridge.log()).toMatch(/"run":"wfr_1","createdAt":\d+,"traceId":"[0-9a-f]{32}","msg":"run collected"/));
  expect(await bridge.stop()).toBe(0);
});

test("on a terminal SIGHUP is a stop: what is in flight when the terminal goes is delivered, once", async () => {
  const slow = await here.startBackend({ respond: () => ({ status: 200, delayMs: 1_500 }) });
  const slower = await here.startBackend({ respond: () => ({ status: 200, delayMs: 3_000 }) });
  const config = configure({ destinations: [destination("slow", slow.url), destination("slower", slower.url)], server: { listen: "" } });
  here.api.store.putRun(wireRun("wfr_1", Date.now() - 60_000));
  // script(1) gives the daemon a terminal, and takes it away when it is killed
  const line = `exec '${process.execPath}' '${CLI}' run --config '${config}'`;
  const terminal = spawn("script", ["-qefc", line, "/dev/null"], {
    stdio: "ignore",
    env: { PATH: process.env.PATH ?? "", SHELL: "/bin/sh" },
  });
  await eventually(() => expect([slow.requests, slower.requests].map(({ length }) => length)).toEqual([1, 1]));
  terminal.kill("SIGKILL");
  await eventually(async () => expect(await wfotel(["run", "--once", "--config", config])).toMatchObject({ code: 0 }));
  expect([slow.requests, slower.requests].map(({ length }) => length)).toEqual([1, 1]); // though its log had no reader any more
});
