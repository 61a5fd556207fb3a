import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type OtlpReceiver, startOtlpReceiver } from "../../src/fake-upstash/otlp-receiver.ts";
import { type FakeUpstash, startFakeUpstash } from "../../src/fake-upstash/server.ts";
import { wfotel } from "../support/wfotel.ts";

let folder: string;
let api: FakeUpstash;
let backend: OtlpReceiver;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "wfotel-test-"));
  api = await startFakeUpstash({ token: "canary-qstash-token" });
  backend = await startOtlpReceiver();
});
afterEach(async () => {
  await Promise.all([api.close(), backend.close()]);
  rmSync(folder, { recursive: true, force: true });
});

const env = () => ({
  QSTASH_URL: api.url,
  QSTASH_TOKEN: api.token,
  OTEL_EXPORTER_OTLP_ENDPOINT: backend.url,
  WFOTEL_STATE: join(folder, "state", "wfotel.db"),
});

function putRun(id: string, createdAt: number, seconds: number, state = "RUN_SUCCESS") {
  api.store.putRun({
    workflowRunId: id,
    workflowUrl: "https://shop.example.com/api/order",
    workflowState: state,
    workflowRunCreatedAt: createdAt,
    ...(state !== "RUN_STARTED" && { workflowRunCompletedAt: createdAt + seconds * 1_000 }),
    steps: [
      {
        type: "sequential",
        steps: [
          {
            stepName: "init",
            stepType: "Initial",
            callType: "step",
            messageId: `m0${id}`,
            concurrent: 1,
            state: "STEP_SUCCESS",
            createdAt: createdAt + 1,
          },
        ],
      },
      {
        type: "sequential",
        steps: [
          {
            stepId: 1,
            stepName: "work",
            stepType: "Run",
            callType: "step",
            messageId: `m1${id}`,
            concurrent: 1,
            state: "STEP_SUCCESS",
            createdAt: createdAt + seconds * 900,
          },
        ],
      },
    ],
  });
}

test("one pass with nothing but environment variables delivers every ended run once, and the next pass nothing", async () => {
  const now = Date.now();
  for (let i = 0; i < 25; i += 1) putRun(`wfr_${i}`, now - 60_000 - i * 1_000, 2);
  putRun("wfr_running", now - 30_000, 0, "RUN_STARTED");
  const first = await wfotel(["run", "--once"], { env: env(), cwd: folder });
  expect({ code: first.code, stdout: first.stdout }).toEqual({ code: 0, stdout: "" });
  expect(backend.violations).toEqual([]);
  expect(backend.byTrace().size).toBe(25);
  const spans = backend.spans.length;
  putRun("wfr_running", now - 30_000, 10);
  const second = await wfotel(["run", "--once"], { env: env(), cwd: folder });
  expect(second.code).toBe(0);
  expect(backend.byTrace().size).toBe(26);
  expect(backend.spans.length).toBe(spans + 2);
  expect(first.stderr + second.stderr).not.toContain(api.token);
});

test("a run that was created before the epoch and ended after it is delivered, one that ended before is not", async () => {
  const now = Date.now();
  putRun("wfr_long", now - 5 * 3_600_000, 5 * 3_600 - 60);
  putRun("wfr_old", now - 5 * 3_600_000, 60);
  const { code } = await wfotel(["run", "--once"], { env: env(), cwd: folder });
  expect(code).toBe(0);
  expect([...new Set(backend.spans.map((span) => span.attributes["upstash.workflow.run.id"]))]).toEqual(["wfr_long"]);
});

test("a backend that is down makes the pass end with 1, and the next pass delivers", async () => {
  putRun("wfr_1", Date.now() - 60_000, 2);
  const dead = { ...env(), OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9" };
  expect((await wfotel(["run", "--once", "--drain-timeout", "1s"], { env: dead, cwd: folder })).code).toBe(1);
  expect((await wfotel(["run", "--once"], { env: env(), cwd: folder })).code).toBe(0);
  expect(backend.byTrace().size).toBe(1);
  expect(readFileSync(join(folder, "state", "wfotel.db")).includes("canary-qstash-token")).toBe(false);
});
