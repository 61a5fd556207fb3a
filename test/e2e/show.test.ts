import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readSpans } from "../../src/fake-upstash/otlp-spans.ts";
import { traceId } from "../../src/trace/ids.ts";
import { CANARY_TOKEN, useSurroundings } from "../support/surroundings.ts";
import { wfotel } from "../support/wfotel.ts";
import { sequential, started, wireRun, wireStep } from "../support/wire-run.ts";

const T0 = Date.now() - 60_000;
const DAY = 86_400_000;
const here = useSurroundings();

const show = (...args: string[]) => wfotel(["show", ...args], { cwd: here.folder, env: here.env() });

test("draws the run that the API shows, with names, durations and ids, and without colours where nobody looks", async () => {
  here.api.store.putRun(wireRun("wfr_1", T0));
  const { code, stdout, stderr } = await show("wfr_1");
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toMatch(/^● \/api\/order {2}RUN_SUCCESS · 1\.00 s · /);
  expect(stdout).toContain(`trace ${traceId("wfr_1", T0)}`);
  expect(stdout).toMatch(/└─work +Run ◆ █+ +899 ms\n/);
  expect(stdout).not.toContain("\u001B");
});

test("a day's sleep leaves room for the work, visibly", async () => {
  const sleep = wireStep("wfr_1", { stepId: 1, stepName: "sleep", stepType: "SleepFor", sleepFor: DAY, createdAt: T0 - DAY + 400 });
  const work = wireStep("wfr_1", { stepId: 2, stepName: "work", stepType: "Run", createdAt: T0 + 1_000 });
  const steps = [started("wfr_1", T0 - DAY), sequential(sleep), sequential(work)];
  here.api.store.putRun(wireRun("wfr_1", T0 - DAY, { length: DAY + 1_100, steps }));
  const { stdout } = await show("wfr_1");
  expect(stdout).toMatch(/sleep +SleepFor ◆ +░≈░ +1d 00h\n/);
  expect(stdout).toMatch(/work +Run +◆ +█{10,} +600 ms\n/);
});

test("--json is one OTLP request, the same bytes as convert's", async () => {
  const run = wireRun("wfr_1", T0);
  here.api.store.putRun(run);
  const { code, stdout } = await show(`wfr_1@${T0}`, "--json");
  expect(code).toBe(0);
  expect(readSpans(Buffer.from(stdout), "json")).toMatchObject({ violations: [], spans: { length: 2 } });
  expect(stdout).toBe((await wfotel(["convert"], { input: JSON.stringify(run) })).stdout);
});

test("a failed run shows its error", async () => {
  const errors = [{ error: "boom", status: 500, time: T0 + 900 }];
  const next = { type: "next", steps: [{ messageId: "msg_1", state: "STEP_FAILED", stepName: "pay", errors }] };
  here.api.store.putRun(wireRun("wfr_1", T0, { length: 1_000, workflowState: "RUN_FAILED", steps: [started("wfr_1", T0), next] }));
  const { code, stdout } = await show("wfr_1");
  expect(code).toBe(0);
  expect(stdout).toMatch(/^✗ \/api\/order {2}RUN_FAILED/);
  expect(stdout).toMatch(/pay[^\n]*\n +✗ boom/);
});

test("a run in progress is shown as far as the log goes, and said to be", async () => {
  const work = wireStep("wfr_1", { stepId: 1, stepName: "work", stepType: "Run", createdAt: T0 + 500 });
  here.api.store.putRun(wireRun("wfr_1", T0, { length: undefined, steps: [started("wfr_1", T0), sequential(work)] }));
  const { code, stdout, stderr } = await show("wfr_1");
  expect({ code, stderr }).toEqual({ code: 0, stderr: "the run is in progress: what follows is what the log shows so far\n" });
  expect(stdout).toMatch(/└─work +Run/);
});

test("an id may hold @ and what looks like a time, and of runs with one id the newest is meant", async () => {
  here.api.store.putRun(wireRun("order@eu", T0));
  here.api.store.putRun(wireRun("order@eu", T0 + 9_000));
  here.api.store.putRun(wireRun("order@1700000000000", T0));
  expect((await show("order@eu")).stdout).toContain(`trace ${traceId("order@eu", T0 + 9_000)}`);
  expect((await show(`order@eu@${T0}`)).stdout).toContain(`trace ${traceId("order@eu", T0)}`);
  expect((await show("order@1700000000000")).stdout).toContain(`trace ${traceId("order@1700000000000", T0)}`);
});

test("several sources are asked one after the other", async () => {
  const us = await here.startApi();
  us.store.putRun(wireRun("wfr_us", T0));
  const source = (name: string, url: string) => ({ name, url, token: CANARY_TOKEN });
  const config = here.configure({
    sources: [source("eu", here.api.url), source("us", us.url)],
    destinations: [{ name: "jaeger", type: "console", trace_url: "http://127.0.0.1:16686/trace/{trace_id}" }],
  });
  const found = await show("wfr_us", "--config", config);
  expect(found.code).toBe(0);
  expect(found.stdout).toContain("run wfr_us");
  expect(found.stdout.trimEnd().endsWith(`http://127.0.0.1:16686/trace/${traceId("wfr_us", T0)}`)).toBe(true);
  here.api.options.token = "another";
  expect((await show("wfr_us", "--config", config)).code).toBe(0);
  const nowhere = await show("wfr_nobody", "--config", config);
  expect(nowhere.code).toBe(1); // one source could not be asked: "not found" would be a guess
  expect(nowhere.stderr).toMatch(/^source eu: /);
});

test("a run that the API does not show is exit code 4", async () => {
  here.api.store.putRun(wireRun("wfr_1", T0));
  expect(await show("wfr_nobody")).toMatchObject({ code: 4, stdout: "", stderr: 'no source shows a run "wfr_nobody"\n' });
  const another = await show("wfr_1@1700000000000");
  expect(another).toMatchObject({ code: 4, stdout: "", stderr: 'no source shows a run "wfr_1" created at 1700000000000\n' });
});

test("the state is only read: where it cannot be, the API and its ancestors are enough", async () => {
  here.api.store.putRun(wireRun("wfr_1", T0));
  writeFileSync(join(here.folder, "broken.db"), "this is no database, but it is long enough to be taken for one".repeat(100));
  const { code, stdout, stderr } = await show("wfr_1", "--state", join(here.folder, "broken.db"));
  expect(code).toBe(0);
  expect(stdout).toContain("run wfr_1");
  expect(stderr).toMatch(/^the state .*broken\.db cannot be read/);
});
