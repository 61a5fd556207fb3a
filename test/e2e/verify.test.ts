import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { beforeEach, expect, test } from "vitest";
import { eventually, useBridges } from "../support/bridge.ts";
import { useSurroundings } from "../support/surroundings.ts";
import { wfotel } from "../support/wfotel.ts";
import { wireRun } from "../support/wire-run.ts";

const here = useSurroundings();
const startBridge = useBridges();

const HOUR = 3_600_000;
let now: number;
beforeEach(() => {
  now = Date.now();
  here.api.store.putRun(wireRun("wfr_old", now - 50 * HOUR));
  here.api.store.putRun(wireRun("wfr_before_start", now - 2 * HOUR));
  here.api.store.putRun(wireRun("wfr_long", now - 60 * HOUR, { length: 60 * HOUR - 600_000 }));
  here.api.store.putRun(wireRun("wfr_1", now - 600_000));
  here.api.store.putRun(wireRun("wfr_2", now - 500_000));
  here.api.store.putRun(wireRun("wfr_running", now - 400_000, { length: undefined }));
});

const verify = (...args: string[]) => wfotel(["verify", ...args], { env: here.env() });
const once = () => wfotel(["run", "--once"], { env: here.env() });

/** As if the bridge had never heard of the run, or (`done`) had believed that nothing was to be sent. */
function forget(id: string, done = false): void {
  const db = new DatabaseSync(join(here.folder, "state", "wfotel.db"), { timeout: 5_000 });
  db.exec(`DELETE FROM outcomes WHERE run IN (SELECT run FROM runs WHERE id = '${id}')`);
  if (!done) db.exec(`DELETE FROM runs WHERE id = '${id}'`);
  db.close();
}

const timesSent = (id: string) =>
  here.backend.spans.filter(
    (span) => span.attributes["upstash.workflow.run.state"] !== undefined && span.attributes["upstash.workflow.run.id"] === id,
  ).length;

test("everything accounted for is exit code 0: delivered, and what was over before the first start", async () => {
  expect((await once()).code).toBe(0);
  const { code, stdout } = await verify("--json");
  expect({ code, ...JSON.parse(stdout) }).toMatchObject({
    code: 0,
    complete: true,
    sources: [
      {
        name: "upstash",
        listed: 6,
        ended: 4,
        open: 1,
        unreadable: 0,
        destinations: { otlp: { delivered: 3, "excluded (before_start)": 1 } },
        missing_runs: 0,
        missing: [],
        trouble: null,
      },
    ],
  });
  const text = (await verify("--from", "24h")).stdout;
  expect(text).toContain("otlp  3 delivered · 1 excluded (before_start)");
  expect(text).toContain("nothing is missing");
  expect(JSON.parse((await verify("--from", "8m", "--json")).stdout).sources[0]).toMatchObject({ ended: 0 });
  expect(
    JSON.parse((await verify("--from", String(now - 505_000), "--to", new Date(now - 490_000).toISOString(), "--json")).stdout).sources[0],
  ).toMatchObject({ ended: 1 });
});

test.each([false, true])(
  "without a bridge: what is missing is named, and --repair sends it and nothing else (identity left: %s)",
  async (done) => {
    await once();
    for (const id of ["wfr_2", "wfr_long"]) forget(id, done);
    const found = await verify();
    expect(found.code).toBe(1);
    expect(found.stdout).toMatch(new RegExp(`missing wfr_2@${now - 500_000} .*: otlp`));
    expect(found.stdout).toContain(`missing wfr_long@${now - 60 * HOUR}`);
    expect(found.stdout).toContain("2 runs are missing");
    expect(found.stdout).not.toContain("wfr_1");

    const repaired = await verify("--repair");
    expect(repaired).toMatchObject({ code: 0, stdout: expect.stringContaining("2 repaired and settled") });
    expect(["wfr_1", "wfr_2", "wfr_long", "wfr_before_start"].map(timesSent)).toEqual([1, 2, 2, 0]);
    expect((await verify()).code).toBe(0);
    expect((await verify("--repair")).code).toBe(0);
    expect(["wfr_1", "wfr_2", "wfr_long"].map(timesSent)).toEqual([1, 2, 2]);
  },
);

test("while a bridge runs, it does the work", async () => {
  const bridge = await startBridge([], here.env());
  await eventually(() => expect(here.backend.byTrace().size).toBe(3));
  await eventually(async () => expect((await bridge.page("/readyz")).status).toBe(200));
  expect(await verify()).toMatchObject({ code: 0, stderr: expect.stringContaining("the running bridge does it") });
  forget("wfr_1", true);
  expect(await verify()).toMatchObject({ code: 1, stdout: expect.stringContaining(`missing wfr_1@${now - 600_000}`) });
  expect(await verify("--repair")).toMatchObject({ code: 0, stdout: expect.stringContaining("1 repaired and settled") });
  expect(["wfr_1", "wfr_2"].map(timesSent)).toEqual([2, 1]);
  expect(await bridge.stop()).toBe(0);
});

test("a repair that the backend does not take yet is exit code 1, and nothing is lost", async () => {
  await once();
  forget("wfr_1", true);
  await here.backend.close();
  const env = { ...here.env(), OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9" };
  const { code, stdout } = await wfotel(["verify", "--repair", "--json", "--drain-timeout", "500ms"], { env });
  expect({ code, ...JSON.parse(stdout) }).toMatchObject({ code: 1, unsettled: 1, sources: [{ missing_runs: 0, repaired_runs: 1 }] });
});

test("a log that cannot be listed is exit code 1 and says why; no state is 4; a bad time is 2", async () => {
  expect(await verify()).toMatchObject({ code: 4, stderr: expect.stringContaining("there is no state at") });
  await once();
  const refused = await wfotel(["verify"], { env: { ...here.env(), QSTASH_TOKEN: "canary-wrong" } });
  expect(refused).toMatchObject({ code: 1, stdout: expect.stringContaining("NOT ALL could be listed") });
  expect(refused.stdout + refused.stderr).not.toContain("canary-wrong");
  expect((await verify("--from", "yesterday")).code).toBe(2);
  expect((await verify("--from", "1h", "--to", "2h")).code).toBe(2);
});
