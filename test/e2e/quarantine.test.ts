import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { beforeEach, expect, test } from "vitest";
import type { OtlpReceiver } from "../../src/fake-upstash/otlp-receiver.ts";
import { readSpans } from "../../src/fake-upstash/otlp-spans.ts";
import { eventually, useBridges } from "../support/bridge.ts";
import { useSurroundings } from "../support/surroundings.ts";
import { wfotel } from "../support/wfotel.ts";
import { wireRun } from "../support/wire-run.ts";

const here = useSurroundings();
const startBridge = useBridges();

/** Refuses what is of this run, as long as it does. */
let refusing: boolean;
let picky: OtlpReceiver;
let env: Record<string, string>;
beforeEach(async () => {
  refusing = true;
  picky = await here.startBackend({
    respond: ({ spans }) =>
      refusing && spans.some((span) => span.attributes["upstash.workflow.run.id"] === "wfr_bad")
        ? { status: 400, body: "canary words:\u001b[31m no such span" }
        : undefined,
  });
  env = { ...here.env(), OTEL_EXPORTER_OTLP_ENDPOINT: picky.url };
  const now = Date.now();
  for (const id of ["wfr_good", "wfr_bad"]) here.api.store.putRun(wireRun(id, now - 60_000));
});

const quarantine = (...args: string[]) => wfotel(["quarantine", ...args], { env });
const entries = async () => JSON.parse((await quarantine("list", "--json")).stdout) as Record<string, unknown>[];
const runsOf = (receiver: OtlpReceiver) => [...new Set(receiver.spans.map((span) => span.attributes["upstash.workflow.run.id"]))].sort();

test("without a bridge: list, show, a retry that is refused again, one that is delivered", async () => {
  expect((await wfotel(["run", "--once"], { env })).code).toBe(1);
  const listed = await quarantine("list");
  expect(listed.code).toBe(0);
  expect(listed.stdout).toMatch(/^id +run +destination +reason +status +spans +age\n1 +wfr_bad +otlp +refused +400 +1 +/);
  const ids = (await entries()).map((entry) => entry.id);
  expect(ids.length).toBeGreaterThan(0);

  const shown = await quarantine("show", String(ids[0]));
  expect(shown.stdout).toContain("it says     canary words:[31m no such span\n");
  expect(shown.stdout).toContain("wfr_bad@");
  expect(shown.stdout).toMatch(/order|work/);
  expect(shown.stdout).not.toContain("\u001b[31m");
  const file = join(here.folder, "refused.bin");
  const { stdout } = await quarantine("show", String(ids[0]), "--json", "--out", file);
  expect(JSON.parse(stdout)).toMatchObject({
    run_id: "wfr_bad",
    status: 400,
    request: { resourceSpans: [{ scopeSpans: [{ spans: [{}] }] }] },
  });
  expect(readSpans(readFileSync(file), "protobuf")).toMatchObject({
    violations: [],
    spans: [{ attributes: { "upstash.workflow.run.id": "wfr_bad" } }],
  });

  const again = await quarantine("retry", "--all");
  expect({ code: again.code, stdout: again.stdout }).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(/\d retried: 0 settled, \d refused again, 0 still queued/),
  });
  refusing = false;
  const retried = await quarantine("retry", "--all", "--destination", "otlp", "--run", "wfr_bad");
  expect({ code: retried.code, stdout: retried.stdout }).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/(\d) retried: \1 settled, 0 refused/),
  });
  expect(runsOf(picky)).toEqual(["wfr_bad", "wfr_good"]);
  expect(await entries()).toEqual([]);
  expect((await quarantine("list")).stderr).toContain("nothing is quarantined");
});

test("what is retried after its bytes were dropped is fetched again, whole, and delivered", async () => {
  await wfotel(["run", "--once"], { env });
  const db = new DatabaseSync(join(here.folder, "state", "wfotel.db"));
  db.exec("UPDATE quarantine SET payload = NULL");
  db.close();
  refusing = false;
  expect(await quarantine("retry", "--all")).toMatchObject({ code: 0, stdout: expect.stringContaining("0 refused again, 0 still queued") });
  expect(runsOf(picky)).toEqual(["wfr_bad", "wfr_good"]);
  expect(await entries()).toEqual([]);
});

test("while a bridge runs, it does the work: a retry is delivered by it, a drop forgets", async () => {
  const bridge = await startBridge([], env);
  await eventually(async () => expect(await entries()).not.toEqual([]));
  await eventually(async () => expect(JSON.parse((await bridge.page("/status")).body).destinations[0].queued.runs).toBe(0));
  const ids = (await entries()).map((entry) => String(entry.id));
  refusing = false;
  const retried = await quarantine("retry", ...ids);
  expect(retried).toMatchObject({ code: 0, stdout: expect.stringContaining("0 refused again, 0 still queued") });
  expect(retried.stderr).toContain("the running bridge does it");
  expect(runsOf(picky)).toEqual(["wfr_bad", "wfr_good"]);

  refusing = true;
  here.api.store.putRun(wireRun("wfr_bad", Date.now() - 30_000));
  await eventually(async () => expect(await entries()).not.toEqual([]));
  await eventually(async () => expect(JSON.parse((await bridge.page("/status")).body).destinations[0].queued.runs).toBe(0));
  const dropped = await quarantine("drop", "--all");
  expect(dropped).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\d dropped\n$/) });
  expect(await entries()).toEqual([]);
  expect(bridge.log()).toContain("a job is done");
  expect(await bridge.stop()).toBe(0);
});
