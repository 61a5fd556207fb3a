import { once } from "node:events";
import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import type { WireRun } from "../../src/fake-upstash/wire.ts";
import { traceId } from "../../src/trace/ids.ts";
import { CANARY_TOKEN, useSurroundings } from "../support/surroundings.ts";
import { startWfotel, wfotel } from "../support/wfotel.ts";
import { started, wireRun } from "../support/wire-run.ts";

const here = useSurroundings();
const daemons: Daemon[] = [];
afterEach(() => {
  for (const { child } of daemons.splice(0)) child.kill("SIGKILL");
});

interface Daemon {
  readonly child: ReturnType<typeof startWfotel>;
  log(): string;
  /** Resolves once a line of its log matches. */
  said(words: RegExp): Promise<void>;
  ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

function startDaemon(backend = here.backend): Daemon {
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
    destinations: [{ name: "backend", type: "otlp-http", endpoint: backend.url }],
    state: { path: "./state/wfotel.db" },
    server: { listen: "" },
  });
  const child = startWfotel(["run", "--config", config]);
  let text = "";
  child.stderr.on("data", (part) => (text += String(part)));
  const ended = once(child, "close").then(([code, signal]) => ({ code, signal }));
  const said = (words: RegExp) => eventually(() => expect(text).toMatch(words));
  const daemon = { child, log: () => text, said, ended };
  daemons.push(daemon);
  return daemon;
}

const eventually = (look: () => void) => vi.waitFor(look, { timeout: 60_000, interval: 20 });

const delivered = () => [...new Set(here.backend.spans.map((span) => span.attributes["upstash.workflow.run.id"]))].sort();

test("delivers runs as they end, each once, and stops with exit code 0 at SIGTERM", async () => {
  const now = Date.now();
  here.api.store.putRun(wireRun("wfr_ended", now - 60_000));
  here.api.store.putRun(wireRun("wfr_running", now - 3 * 3_600_000, { length: undefined }));
  const daemon = startDaemon();
  await eventually(() => expect(delivered()).toEqual(["wfr_ended"]));
  here.api.store.putRun(wireRun("wfr_running", now - 3 * 3_600_000, { length: Date.now() - now + 3 * 3_600_000 }));
  here.api.store.putRun(wireRun("wfr_new", Date.now() - 2_000));
  await eventually(() => expect(delivered()).toEqual(["wfr_ended", "wfr_new", "wfr_running"]));
  daemon.child.kill("SIGTERM");
  expect(await daemon.ended).toEqual({ code: 0, signal: null });
  expect(here.backend.violations).toEqual([]);
  expect(here.backend.spans).toHaveLength(new Set(here.backend.spans.map((span) => span.spanId)).size);
  expect(daemon.log()).not.toContain(CANARY_TOKEN);
  expect(await wfotel(["run", "--once"], { env: here.env() })).toMatchObject({ code: 0, stdout: "" });
});

function failed(createdAt: number, state: string): WireRun {
  const errors = [{ error: "boom", status: 500, time: createdAt + 900 }];
  const response = state === "CALLBACK_SUCCESS" ? { responseStatus: 200, responseHeaders: { Date: [new Date().toUTCString()] } } : {};
  return wireRun("wfr_failed", createdAt, {
    length: 1_000,
    workflowState: "RUN_FAILED",
    steps: [
      started("wfr_failed", createdAt),
      { type: "next", steps: [{ messageId: "msg_1", state: "STEP_FAILED", stepName: "pay", errors }] },
    ],
    failureFunction: { messageId: "msg_f", url: "https://shop.example.com/api/order", state, ...response },
  });
}

test("a failure function that settles late is delivered alone, into the run's trace", async () => {
  const createdAt = Date.now() - 60_000;
  here.api.store.putRun(failed(createdAt, "CALLBACK_INPROGRESS"));
  const daemon = startDaemon();
  await eventually(() => expect(here.backend.spans.map((span) => span.name)).toEqual(["/api/order", "pay"]));
  here.api.store.putRun(failed(createdAt, "CALLBACK_SUCCESS"));
  await eventually(() => expect(here.backend.spans).toHaveLength(3));
  const [run, , late] = here.backend.spans;
  expect(late).toMatchObject({ name: "failure function", traceId: traceId("wfr_failed", createdAt), parentSpanId: run!.spanId });
  daemon.child.kill("SIGTERM");
  expect(await daemon.ended).toEqual({ code: 0, signal: null });
  expect(here.backend.spans).toHaveLength(3);
});

test("at SIGTERM what is in flight is still delivered, and not sent again", async () => {
  const slow = await here.startBackend({ respond: () => ({ status: 200, delayMs: 1_000 }) });
  here.api.store.putRun(wireRun("wfr_1", Date.now() - 60_000));
  const daemon = startDaemon(slow);
  await eventually(() => expect(slow.requests).toHaveLength(1));
  daemon.child.kill("SIGTERM");
  expect(await daemon.ended).toEqual({ code: 0, signal: null });
  const again = await wfotel(["run", "--once", "--config", join(here.folder, "wfotel.yaml")]);
  expect(again.code).toBe(0);
  expect(slow.requests).toHaveLength(1);
});

test("a second signal ends it at once; the next start delivers what was in flight", async () => {
  let hang = true;
  const backend = await here.startBackend({ respond: () => (hang ? { status: 200, hang: true } : undefined) });
  here.api.store.putRun(wireRun("wfr_1", Date.now() - 60_000));
  const daemon = startDaemon(backend);
  await eventually(() => expect(backend.requests).toHaveLength(1));
  daemon.child.kill("SIGTERM");
  daemon.child.kill("SIGINT");
  const { code } = await daemon.ended;
  expect([128 + 2, 128 + 15]).toContain(code);
  hang = false;
  const again = await wfotel(["run", "--once", "--config", join(here.folder, "wfotel.yaml")]);
  expect(again.code).toBe(0);
  expect(backend.byTrace().size).toBe(1);
  expect(backend.requests[1]!.body).toEqual(backend.requests[0]!.body);
});

test("kill -9 loses nothing: the next start goes on where the state stands", async () => {
  const now = Date.now();
  for (let n = 0; n < 30; n += 1) here.api.store.putRun(wireRun(`wfr_${n}`, now - 60_000 + n));
  const first = startDaemon();
  await eventually(() => expect(here.backend.requests.length).toBeGreaterThan(0));
  first.child.kill("SIGKILL");
  await first.ended;
  for (let n = 30; n < 40; n += 1) here.api.store.putRun(wireRun(`wfr_${n}`, now - 60_000 + n));
  const second = startDaemon();
  await eventually(() => expect(delivered()).toHaveLength(40));
  second.child.kill("SIGTERM");
  expect(await second.ended).toEqual({ code: 0, signal: null });
});

test("a second daemon on one state waits, and takes over when the first is stopped", async () => {
  const first = startDaemon();
  await first.said(/"started"/);
  const second = startDaemon();
  await second.said(/waiting until it is stopped/);
  here.api.store.putRun(wireRun("wfr_1", Date.now() - 60_000));
  await eventually(() => expect(delivered()).toEqual(["wfr_1"]));
  first.child.kill("SIGTERM");
  expect(await first.ended).toEqual({ code: 0, signal: null });
  here.api.store.putRun(wireRun("wfr_2", Date.now() - 50_000));
  await eventually(() => expect(delivered()).toEqual(["wfr_1", "wfr_2"]));
  second.child.kill("SIGTERM");
  expect(await second.ended).toEqual({ code: 0, signal: null });
  expect(here.backend.spans).toHaveLength(4);
});

test("a daemon that waits for another stops with exit code 0; --once does not wait", async () => {
  const first = startDaemon();
  await first.said(/"started"/);
  const second = startDaemon();
  await second.said(/waiting until it is stopped/);
  second.child.kill("SIGTERM");
  expect(await second.ended).toEqual({ code: 0, signal: null });
  const pass = await wfotel(["run", "--once", "--config", join(here.folder, "wfotel.yaml")]);
  expect(pass.code).toBe(1);
  expect(pass.stderr).toContain("another process works on");
});
