import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { statusSchema } from "../../src/telemetry/status.ts";
import { eventually, useBridges } from "../support/bridge.ts";
import { CANARY_TOKEN, useSurroundings } from "../support/surroundings.ts";
import { wfotel } from "../support/wfotel.ts";
import { wireRun } from "../support/wire-run.ts";

const here = useSurroundings();
const startBridge = useBridges();

const status = async (listen = "", ...args: string[]) => wfotel(["status", ...args], { env: { ...here.env(), WFOTEL_LISTEN: listen } });

test("without a bridge it shows what stands in the state, and says that no bridge answers", async () => {
  here.api.store.putRun(wireRun("canary-run-id", Date.now() - 60_000));
  here.api.store.putRun(wireRun("wfr_running", Date.now() - 120_000, { length: undefined }));
  await wfotel(["run", "--once"], { env: here.env() });
  const { code, stdout, stderr } = await status();
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  for (const words of [
    "not running, or not answering",
    "source upstash",
    "open runs    1 (1–10m 1)",
    "destination otlp",
    "delivered    1 runs · 2 spans",
    "quarantined  none",
    "sweep ",
  ]) {
    expect(stdout).toContain(words);
  }
  const json = await status("", "--json");
  expect(statusSchema.parse(JSON.parse(json.stdout))).toMatchObject({
    daemon: null,
    sources: [{ open: { runs: 1 }, budget: null, lag_ms: null }],
    destinations: [{ in_flight: null }],
  });
  for (const secret of [CANARY_TOKEN, "canary-run-id", "shop.example.com"]) expect(stdout + json.stdout).not.toContain(secret);
});

test("while a bridge runs it shows what the bridge answers: the same document as GET /status", async () => {
  const bridge = await startBridge([], here.env());
  await eventually(async () => expect((await bridge.page("/readyz")).status).toBe(200));
  const shown = JSON.parse((await status(bridge.listen, "--json")).stdout);
  const served = JSON.parse((await bridge.page("/status")).body);
  expect(Object.keys(shown)).toEqual(Object.keys(served));
  expect(shown).toMatchObject({
    daemon: served.daemon,
    sources: [{ epoch: served.sources[0].epoch, budget: { ceiling_per_second: 10 }, lag_ms: expect.any(Number) }],
  });
  const { stdout } = await status(bridge.listen);
  expect(stdout).toMatch(/^wfotel \S+ running for /);
  expect(stdout).toContain("requests/s; last minute: ");
  expect(stdout).toContain("in flight    0 requests");
});

test("a bridge of another state is not taken for this one's", async () => {
  await wfotel(["run", "--once"], { env: here.env() });
  const other = await startBridge([], { ...here.env(), WFOTEL_STATE: join(here.folder, "other.db") });
  await eventually(async () => expect((await other.page("/readyz")).status).toBe(200));
  const { code, stdout, stderr } = await status(other.listen);
  expect(code).toBe(0);
  expect(stderr).toContain("works on another state");
  expect(stdout).toContain("not running, or not answering");
});

test("no state yet is exit code 4; a state of a newer version, or none of ours, is 2 and says so", async () => {
  expect(await status()).toMatchObject({
    code: 4,
    stdout: "",
    stderr: expect.stringMatching(/^there is no state at .*wfotel run makes it/),
  });
  mkdirSync(join(here.folder, "state"));
  const path = join(here.folder, "state", "wfotel.db");
  const db = new DatabaseSync(path);
  db.exec("PRAGMA user_version = 99");
  db.close();
  expect(await status()).toMatchObject({ code: 2, stderr: expect.stringContaining("newer version") });
  writeFileSync(path, "no database at all, whatever it may be called".repeat(100));
  expect(await status()).toMatchObject({ code: 2, stdout: "", stderr: expect.stringContaining(path) });
});
