import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { CANARY_TOKEN, useSurroundings } from "../support/surroundings.ts";
import { wfotel } from "../support/wfotel.ts";
import { wireRun } from "../support/wire-run.ts";

const here = useSurroundings();

const runOnce = (over: Record<string, string> = {}, ...args: string[]) =>
  wfotel(["run", "--once", ...args], { env: { ...here.env(), ...over }, cwd: here.folder });

test("one pass with nothing but environment variables delivers every ended run once, and the next pass nothing", async () => {
  const now = Date.now();
  for (let i = 0; i < 25; i += 1) here.api.store.putRun(wireRun(`wfr_${i}`, now - 60_000 - i * 1_000));
  here.api.store.putRun(wireRun("wfr_running", now - 30_000, { length: undefined }));
  const first = await runOnce();
  expect({ code: first.code, stdout: first.stdout }).toEqual({ code: 0, stdout: "" });
  expect(here.backend.violations).toEqual([]);
  expect(here.backend.byTrace().size).toBe(25);
  const spans = here.backend.spans.length;
  here.api.store.putRun(wireRun("wfr_running", now - 30_000, { length: 10_000 }));
  const second = await runOnce();
  expect(second.code).toBe(0);
  expect(here.backend.byTrace().size).toBe(26);
  expect(here.backend.spans.length).toBe(spans + 2);
  expect(first.stderr + second.stderr).not.toContain(CANARY_TOKEN);
});

test("a run that was created before the epoch and ended after it is delivered, one that ended before is not", async () => {
  const now = Date.now();
  here.api.store.putRun(wireRun("wfr_long", now - 5 * 3_600_000, { length: (5 * 3_600 - 60) * 1_000 }));
  here.api.store.putRun(wireRun("wfr_old", now - 5 * 3_600_000, { length: 60_000 }));
  const { code } = await runOnce();
  expect(code).toBe(0);
  expect([...new Set(here.backend.spans.map((span) => span.attributes["upstash.workflow.run.id"]))]).toEqual(["wfr_long"]);
});

test("a backend that is down makes the pass end with 1, and the next pass delivers", async () => {
  here.api.store.putRun(wireRun("wfr_1", Date.now() - 60_000));
  expect((await runOnce({ OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9" }, "--drain-timeout", "1s")).code).toBe(1);
  expect((await runOnce()).code).toBe(0);
  expect(here.backend.byTrace().size).toBe(1);
  expect(readFileSync(join(here.folder, "state", "wfotel.db")).includes(CANARY_TOKEN)).toBe(false);
});
