import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import type { DateReading } from "../../src/fake-upstash/filter.ts";
import type { WireRun } from "../../src/fake-upstash/wire.ts";
import { eventually, useBridges } from "../support/bridge.ts";
import { useSurroundings } from "../support/surroundings.ts";
import { startWfotel, wfotel } from "../support/wfotel.ts";
import { type WireRunOptions, wireRun } from "../support/wire-run.ts";

const here = useSurroundings();
const startBridge = useBridges();

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

const put = (id: string, ago: number, over: WireRunOptions = { length: 1_000 }): WireRun => {
  const run = wireRun(id, Date.now() - ago, over);
  here.api.store.putRun(run);
  return run;
};
/** Evenly over the last six days, the last an hour ago. */
const putMany = (count: number) => {
  for (let n = 0; n < count; n += 1) put(`wfr_${n}`, HOUR + ((count - n) * 6 * DAY) / count, { length: 1_500 });
};

/** With a budget that lets a test end soon. */
function configure(over: { source?: object; destination?: object } = {}): string {
  const { api, backend } = here;
  return here.configure({
    sources: [
      { name: "eu", url: api.url, token: api.token, max_requests_per_second: 200, completion_feed: "off", detail: "runs", ...over.source },
    ],
    destinations: [{ name: "backend", type: "otlp-http", endpoint: backend.url, ...over.destination }],
    state: { path: join(here.folder, "state", "wfotel.db") },
    server: { listen: "" },
  });
}
const backfill = (...args: string[]) => wfotel(["backfill", "--config", join(here.folder, "wfotel.yaml"), ...args]);

/** How often each run has arrived. */
function arrived(): Map<string, number> {
  const runs = here.backend.spans.filter((span) => span.attributes["upstash.workflow.run.state"] !== undefined);
  return new Map([...Map.groupBy(runs, (span) => String(span.attributes["upstash.workflow.run.id"]))].map(([id, of]) => [id, of.length]));
}
const once1 = (ids: readonly string[]) => new Map(ids.map((id) => [id, 1]));
const listings = () => here.api.requests.filter(({ query }) => query.get("workflowRuns") === null);

test.each<DateReading>(["creation", "event", "last-event"])(
  "alone, with no state yet, and dates that mean %s: the runs of the range are delivered when it ends, and nothing else",
  async (runs) => {
    here.api.options.dates = { runs };
    putMany(120);
    put("wfr_before", 8 * DAY);
    put("wfr_long", 5 * DAY, { length: 4 * DAY });
    put("wfr_running", 2 * DAY, { length: undefined });
    configure();
    const { code, stdout, stderr } = await backfill("--from", "7d");
    expect({ code, stdout }).toMatchObject({ code: 0, stdout: expect.stringContaining("122 runs: 121 sent, 1 running") });
    expect(stdout).toContain("nothing is missing");
    expect(stderr).toMatch(/\d+ % · \d+ runs · \d+ spans · \d+ requests/);
    expect(arrived()).toEqual(once1([...Array.from({ length: 120 }, (_, n) => `wfr_${n}`), "wfr_long"]));

    const again = await backfill("--from", "7d");
    expect(again).toMatchObject({ code: 0, stdout: expect.stringContaining("122 runs: 0 sent, 121 known before, 1 running") });
    expect(new Set(arrived().values())).toEqual(new Set([1]));
  },
);

test("killed -9 in the middle and started again, it goes on: nothing is lost, and little is listed twice", async () => {
  putMany(800);
  const config = configure({ source: { max_requests_per_second: 20 } });
  const child = startWfotel(["backfill", "--config", config, "--from", "7d"]);
  await eventually(() => expect(arrived().size).toBeGreaterThan(250));
  child.kill("SIGKILL");
  await once(child, "exit");
  const before = listings().length;
  expect(arrived().size).toBeLessThan(750);
  configure();
  const { code, stdout } = await backfill("--from", "7d");
  expect({ code, stdout }).toMatchObject({ code: 0, stdout: expect.stringContaining("nothing is missing") });
  expect([...arrived().keys()]).toHaveLength(800);
  const [, runs, sent, known = "0"] = (/: (\d+) runs: (\d+) sent(?:, (\d+) known before)?\n/.exec(stdout) ?? []).map(String);
  expect([runs, Number(sent) + Number(known)]).toEqual(["800", 800]);
  // of what had arrived, what lay in windows that were done is counted as sent: those that were not are listed again
  expect(Number(known)).toBeLessThan(250);
  expect(before).toBeGreaterThan(25);
  expect(listings().length).toBeLessThan(160);
});

test("as a job of the running bridge, within its budget; what the bridge had sent is not sent again", async () => {
  put("wfr_new", 60_000);
  putMany(60);
  const bridge = await startBridge([], here.env());
  await eventually(() => expect(arrived().size).toBe(1));
  const { code, stdout, stderr } = await wfotel(["backfill", "--from", "7d"], { env: here.env() });
  expect({ code, stdout, stderr }).toMatchObject({
    code: 0,
    stdout: expect.stringContaining("61 runs: 60 sent, 1 known before"),
    stderr: expect.stringContaining("the running bridge does it"),
  });
  expect(arrived()).toEqual(once1([...Array.from({ length: 60 }, (_, n) => `wfr_${n}`), "wfr_new"]));
  expect(await bridge.stop()).toBe(0);
});

test("what an earlier command could not deliver is not said to have been sent by it", async () => {
  putMany(30);
  const dead = configure({ destination: { endpoint: "http://127.0.0.1:9" } });
  const down = await wfotel(["backfill", "--config", dead, "--from", "7d", "--drain-timeout", "500ms"]);
  expect(down).toMatchObject({ code: 1, stdout: expect.stringContaining("30 runs: 30 collected\n") });
  configure();
  const { code, stdout } = await backfill("--from", "7d");
  expect(code).toBe(0);
  expect(stdout).toContain("30 runs: 0 sent, 30 known before\n");
  expect(stdout).toContain("30 deliveries of before, still queued at the start, are settled now\n");
  expect(arrived().size).toBe(30);
});

test("a run that waits for another is told, and is exit code 1: it is not delivered", async () => {
  const parent = put("wfr_parent", 30 * DAY, { length: undefined });
  const invoker = { workflowRunId: "wfr_parent", workflowUrl: parent.workflowUrl, workflowRunCreatedAt: parent.workflowRunCreatedAt };
  put("wfr_child", 2 * DAY, { length: 1_000, invoker });
  configure({ destination: { sampling: { ratio: 0, keep: ["failed"] } } });
  const { code, stdout } = await backfill("--from", "7d");
  expect(stdout).toContain("1 runs: 0 sent, 1 waiting for another run\n");
  expect({ code, stdout }).toMatchObject({ code: 1, stdout: expect.stringContaining("1 run waits for another; the bridge follows it") });
});

test("a dry run that is stopped has written nothing, and says so", async () => {
  putMany(800);
  const config = configure({ source: { max_requests_per_second: 1 } });
  const child = startWfotel(["backfill", "--config", config, "--from", "7d", "--dry-run"]);
  await eventually(() => expect(listings().length).toBeGreaterThan(5));
  child.kill("SIGTERM");
  const [[code], stderr] = await Promise.all([once(child, "exit"), text(child.stderr)]);
  expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringMatching(/\nstopped; nothing was written\n$/) });
});

test("a bridge goes on with what was killed", async () => {
  putMany(400);
  const config = configure({ source: { max_requests_per_second: 20 } });
  const child = startWfotel(["backfill", "--config", config, "--from", "7d"]);
  await eventually(() => expect(arrived().size).toBeGreaterThan(100));
  child.kill("SIGKILL");
  await once(child, "exit");
  configure();
  const bridge = startWfotel(["run", "--config", config]);
  await eventually(() => expect(arrived().size).toBe(400));
  bridge.kill("SIGTERM");
  expect((await once(bridge, "exit"))[0]).toBe(0);
});

test("--dry-run counts and leaves nothing behind; --force sends the same spans again; filters are the user's", async () => {
  putMany(10);
  put("wfr_failed", 2 * DAY, { length: 1_000, workflowState: "RUN_FAILED", label: "billing" });
  configure();
  expect(await backfill("--from", "7d", "--dry-run")).toMatchObject({ code: 0, stdout: expect.stringContaining("11 runs: 11 to be sent") });
  expect(arrived().size).toBe(0);
  expect((await wfotel(["status", "--config", join(here.folder, "wfotel.yaml")])).code).toBe(4);

  const filters = ["--label", "billing", "--run-state", "failed", "--workflow-url", "https://shop.example.com/api/order"];
  expect((await backfill("--from", "7d", ...filters)).stdout).toContain("1 runs: 1 sent");
  expect([...arrived().keys()]).toEqual(["wfr_failed"]);
  expect((await backfill("--from", "7d", "--run-state", "canceled")).stdout).toContain("0 runs: 0 sent");

  const spans = () => here.backend.spans.map(({ spanId, traceId }) => `${traceId} ${spanId}`).sort();
  const first = spans();
  expect((await backfill("--from", "7d", "--force", ...filters)).stdout).toContain("1 runs: 1 sent");
  expect(spans()).toEqual([...first, ...first].sort());
  expect((await backfill("--from", "3d", "--to", "1d", "--dry-run")).stdout).toMatch(/\d runs: \d to be sent, 1 known before/);
});

test("warns about destinations that do not take spans so old, before it starts", async () => {
  configure({ destination: { max_span_age: "60m", too_old: "skip_run" } });
  put("wfr_1", 2 * DAY);
  const { code, stderr } = await backfill("--from", "7d");
  expect(code).toBe(0);
  expect(stderr).toMatch(/warning: destination backend accepts spans that ended within 1h.*left out \(too_old: skip_run\)/);
  expect(arrived().size).toBe(0);
});

test("whatever is missing is exit code 1 and said: not listed, not readable, refused, not delivered", async () => {
  configure();
  putMany(3);
  here.api.options.onRequest = () => ({ rewrite: (body) => ({ runs: ["odd", ...(body as { runs: unknown[] }).runs] }) });
  expect(await backfill("--from", "7d")).toMatchObject({ code: 1, stdout: expect.stringContaining(" UNREADABLE") });
  expect(arrived().size).toBe(3);
  delete here.api.options.onRequest;

  const isFirst = ({ attributes }: { attributes: Record<string, unknown> }) => attributes["upstash.workflow.run.id"] === "wfr_0";
  const picky = await here.startBackend({ respond: ({ spans }) => (spans.some(isFirst) ? { status: 400, body: "no" } : undefined) });
  configure({ destination: { name: "picky", endpoint: picky.url } });
  const rejected = await backfill("--from", "7d", "--force");
  expect(rejected).toMatchObject({ code: 1, stdout: expect.stringContaining("3 runs: 2 sent, 1 quarantined\n") });
  expect(rejected.stdout).toContain("1 run of that time is quarantined");

  configure({ source: { token: "canary-wrong" } });
  const refused = await backfill("--from", "7d", "--run-state", "success");
  expect(refused).toMatchObject({ code: 1, stdout: expect.stringContaining("NOT ALL could be listed") });
  expect(refused.stdout + refused.stderr).not.toContain("canary-wrong");

  configure({ destination: { endpoint: "http://127.0.0.1:9", max_span_age: undefined } });
  const down = await backfill("--from", "7d", "--force", "--run-state", "success", "--drain-timeout", "500ms");
  expect(down).toMatchObject({ code: 1, stdout: expect.stringContaining("3 deliveries are still queued") });
});

test("what is wrong with its options is said, with exit code 2", async () => {
  configure();
  for (const args of [
    [],
    ["--from", "yesterday"],
    ["--from", "2026-02-30"],
    ["--from", "7d", "--to", "2026-01-01junk"],
    ["--from", "7d", "--label", ""],
    ["--from", "7d", "--workflow-url", ""],
    ["--from", "1h", "--to", "2h"],
    ["--from", "7d", "--run-state", "RUNNING"],
    ["--from", "7d", "--concurrency", "0"],
  ])
    expect([args, (await backfill(...args)).code]).toEqual([args, 2]);
});
