import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { afterEach, expect, test, vi } from "vitest";
import { parse } from "yaml";
import type { Reply } from "../../src/fake-upstash/otlp-receiver.ts";
import { command } from "../backends/command.ts";
import { longRun } from "../backends/history.ts";
import { DASHBOARDS, dashboardSchema, filledIn, queriesOf, readDashboard } from "../support/dashboards.ts";
import { announceSkip, freePort, missingPrometheus, type Prometheus, startPrometheus } from "../support/prometheus.ts";
import { exposedNames, metricNames } from "../support/promql.ts";
import { CANARY_TOKEN, useSurroundings } from "../support/surroundings.ts";
import { type RunningCommand, startWfotel } from "../support/wfotel.ts";
import { sequential, started, wireRun, wireStep } from "../support/wire-run.ts";

const missing = missingPrometheus();
announceSkip(missing);

const RULES = new URL("../../config/deploy/alerts.yaml", import.meta.url).pathname;
const here = useSurroundings();
const running: RunningCommand[] = [];
const opened: Prometheus[] = [];
afterEach(async () => {
  for (const child of running.splice(0)) child.kill("SIGKILL");
  for (const prometheus of opened.splice(0)) await prometheus.stop();
});

test.skipIf(missing !== undefined)("promtool accepts the rules and the configuration beside them, and its unit tests pass", () => {
  expect(command("promtool", ["check", "rules", RULES])).toMatchObject({ ok: true });
  expect(command("promtool", ["check", "config", new URL("prometheus.yaml", `file://${RULES}`).pathname])).toMatchObject({ ok: true });
  const tests = new URL("../telemetry/alerts.promtool.yaml", import.meta.url).pathname;
  expect(command("promtool", ["test", "rules", tests])).toMatchObject({ ok: true, complaint: "" });
});

/** The rules as they are, but that what takes minutes there takes seconds here: a burst of some seconds counts as a rate, too. */
function quickRules(): string {
  return readFileSync(RULES, "utf8")
    .replace(/for: \d+[mh]/g, "for: 1s")
    .replace(/\[1[hd]\]/g, "[12s]")
    .replace("used_ratio > 0.9", "used_ratio > 0.2")
    .replace("seconds > 600", "seconds > 4")
    .replace("seconds > 900", "seconds > 3");
}

const ALERTS = (parse(readFileSync(RULES, "utf8")) as { groups: { rules: { alert: string; expr: string }[] }[] }).groups.flatMap(
  ({ rules }) => rules,
);

const CANARIES = [CANARY_TOKEN, "canary-header", "canary-payload", "canary-query"];

/** Runs with a step that has an id in its name, a secret in a URL, a payload; every third one failed. */
function putRuns(count: number, prefix: string, firstCreatedAt: number): void {
  for (let n = 0; n < count; n += 1) {
    const id = `wfr_${prefix}_${n}`;
    const createdAt = firstCreatedAt + n * 10;
    const over = { createdAt: createdAt + 500, out: "canary-payload" };
    const steps = [
      started(id, createdAt),
      sequential(wireStep(id, { ...over, stepId: 1, stepName: `charge-${100_000 + n}`, stepType: "Run" })),
      sequential(
        wireStep(id, { ...over, stepId: 2, stepName: "ask", stepType: "Call", callUrl: "https://pay.example.com/?token=canary-query" }),
      ),
    ];
    const failed = n % 3 === 0;
    const end = [
      {
        type: "next",
        steps: [
          { messageId: `m${n}`, state: "STEP_FAILED", stepName: "pay", errors: [{ error: "boom", status: 500, time: createdAt + 900 }] },
        ],
      },
    ];
    here.api.store.putRun(
      wireRun(id, createdAt, {
        length: 1_000,
        workflowState: failed ? "RUN_FAILED" : "RUN_SUCCESS",
        steps: failed ? [...steps, ...end] : steps,
      }),
    );
  }
}

/** What the destination `backend` answers now, and whether `slow` is so. */
interface Script {
  answer: Reply | undefined;
  slow: boolean;
}

async function startAll(script: Script) {
  const backend = await here.startBackend({ respond: () => script.answer });
  const slow = await here.startBackend({ respond: () => (script.slow ? { status: 200, delayMs: 8_000 } : undefined) });
  const small = await here.startApi();
  for (let n = 0; n < 40; n += 1) small.store.putRun(wireRun(`wfr_small_${n}`, Date.now() - 60_000 + n));
  const common = { token: CANARY_TOKEN, poll_interval: "200ms", poll_interval_idle: "200ms", completion_feed: "off" };
  const destination = (name: string, endpoint: string) => ({ name, type: "otlp-http", endpoint, headers: { "x-key": "canary-header" } });
  const config = here.configure({
    sources: [
      {
        ...common,
        name: "eu",
        url: here.api.url,
        retention: "8s",
        sweep_interval: "2s",
        lookback: "1s",
        open_run_max_interval: "1s",
        max_requests_per_second: 100,
      },
      { ...common, name: "small", url: small.url, max_requests_per_second: 2 },
    ],
    destinations: [destination("backend", backend.url), destination("slow", slow.url)],
    state: { path: "./wfotel.db", max_size: "4MiB" },
  });
  return { backend, slow, config };
}

async function page(listen: string, path: string, accept = "*/*"): Promise<string> {
  return (await fetch(`http://${listen}${path}`, { headers: { accept } })).text();
}

const eventually = <T>(look: () => T | Promise<T>): Promise<T> => vi.waitFor(look, { timeout: 90_000, interval: 250 });

test.skipIf(missing !== undefined)(
  "under a scripted outage every alert fires and clears in a real Prometheus, every panel has data, and no secret is seen",
  { timeout: 400_000 },
  async () => {
    const script: Script = { answer: undefined, slow: false };
    const { config } = await startAll(script);
    const listen = `127.0.0.1:${await freePort()}`;
    const prometheus = await startPrometheus(listen, quickRules());
    opened.push(prometheus);
    const fires = (...names: string[]) =>
      eventually(async () => expect([...(await prometheus.firing())]).toEqual(expect.arrayContaining(names)));
    const seen = new Set<string>();
    const note = async (...names: string[]) => {
      await fires(...names);
      for (const name of names) seen.add(name);
    };
    await note("WfotelNotRunning");

    const now = Date.now();
    putRuns(30, "old", now - 90_000);
    const stuck = (length?: number) => wireRun("wfr_stuck", now - 8 * 86_400_000, { length });
    here.api.store.putRun(stuck());
    const daemon = startWfotel(["run", "--config", config], { env: { WFOTEL_LISTEN: listen } });
    running.push(daemon);
    let log = "";
    daemon.stderr.on("data", (part) => (log += String(part)));
    await note("WfotelSourceFallingBehind", "WfotelStuckRuns");
    await eventually(async () => expect(await prometheus.query("wfotel_source_sweep_finished_timestamp_seconds")).toHaveLength(2));

    // what it has to bear: a run that no listing shows but the sweep's, somebody else on its budget, a bad configuration
    here.api.store.putRun(wireRun("wfr_missed", now - 1_800_000));
    here.api.options.rateLimit = { perSecond: 100, foreignPerSecond: 40 };
    const good = readFileSync(config, "utf8");
    writeFileSync(config, good.replace('"name":"slow"', '"nmae":"slow"'));
    daemon.kill("SIGHUP");
    await note("WfotelSweepRepairs", "WfotelSecondBridge", "WfotelReloadFailed");
    script.answer = {
      status: 200,
      headers: { "content-type": "application/json" },
      body: '{"partialSuccess":{"rejectedSpans":"1","errorMessage":"no"}}',
    };
    script.slow = true;
    putRuns(3, "refused", Date.now() - 2_000);
    await note("WfotelQuarantine", "WfotelDestinationFallingBehind");
    script.answer = { status: 401 };
    putRuns(3, "kept", Date.now() - 2_000);
    for (let n = 0; n < 12; n += 1) here.api.store.putRun(longRun(`wfr_large_${n}`, Date.now() - 20_000 + n, 1_000, 10));
    await note("WfotelDestinationPaused", "WfotelStateFull");
    here.api.options.onRequest = () => ({ status: 503 });
    await note("WfotelNoPolls", "WfotelRetentionNear");

    // and all of it mended
    here.api.options.onRequest = () => undefined;
    here.api.options.rateLimit = {};
    Object.assign(script, { answer: undefined, slow: false });
    here.api.store.putRun(stuck(8 * 86_400_000 + 60_000));
    writeFileSync(config, good);
    daemon.kill("SIGHUP");
    await eventually(async () => expect([...(await prometheus.firing())]).toEqual([]));
    expect(await prometheus.scrapeError()).toBe("");

    putRuns(30, "new", Date.now() - 5_000);
    await everyPanelHasData(prometheus);
    const exemplars = await prometheus.exemplars("wfotel_run_duration_seconds_bucket");
    expect(exemplars.map(({ labels }) => labels.trace_id)).toContainEqual(expect.stringMatching(/^[0-9a-f]{32}$/));

    const exposition = await page(listen, "/metrics");
    expect(command("promtool", ["check", "metrics"], { input: exposition })).toMatchObject({ ok: true, complaint: "" });
    const exposed = exposedNames(exposition);
    for (const { alert, expr } of ALERTS) for (const name of metricNames(expr)) expect(exposed, alert).toContain(name);
    for (const text of [exposition, await page(listen, "/metrics", "application/openmetrics-text"), await page(listen, "/status"), log])
      for (const canary of CANARIES) expect(text).not.toContain(canary);

    const ended = once(daemon, "close");
    daemon.kill("SIGTERM");
    expect((await ended)[0]).toBe(0);
    await note("WfotelNotRunning");
    expect(ALERTS.map(({ alert }) => alert).filter((alert) => !seen.has(alert))).toEqual([]);
  },
);

async function everyPanelHasData(prometheus: Prometheus): Promise<void> {
  for (const name of DASHBOARDS) {
    for (const { query } of dashboardSchema.parse(readDashboard(name)).templating.list.slice(1)) {
      const [, metric, label] = /\((\w+), (\w+)\)/.exec(query)!;
      expect(await prometheus.labelValues(metric!, label!), query).not.toEqual([]);
    }
    for (const { panel, expr } of queriesOf(name))
      await eventually(async () => expect(await prometheus.query(filledIn(expr, "20s", "60s")), `${panel}: ${expr}`).not.toEqual([]));
  }
}
