import { once } from "node:events";
import { readFileSync } from "node:fs";
import { afterEach, expect, test, vi } from "vitest";
import { type ReceivedSpan, readSpans } from "../../src/fake-upstash/otlp-spans.ts";
import type { WireEvent, WireRun } from "../../src/fake-upstash/wire.ts";
import { CANARY_TOKEN, useSurroundings } from "../support/surroundings.ts";
import { startWfotel, wfotel } from "../support/wfotel.ts";

/** The daemon over both logs of a real program of the official SDK whose second step failed twice and recovered. */

const here = useSurroundings();
const daemons: ReturnType<typeof startWfotel>[] = [];
afterEach(() => {
  for (const daemon of daemons.splice(0)) daemon.kill("SIGKILL");
});

/** Both logs of one run of the sample, as if it ended `endsIn` ms from now. */
function retryProgram(endsIn: number): { run: WireRun; events: WireEvent[] } {
  const sample = <T>(file: string, field: string): T[] =>
    JSON.parse(readFileSync(new URL(`../fixtures/${file}`, import.meta.url), "utf8"))[field];
  const run = sample<WireRun>("engine-runs.json", "runs").find(({ workflowUrl }) => workflowUrl.endsWith("/wf/retry"));
  const events = sample<WireEvent>("engine-events.json", "events").filter((event) => event.workflowRunId === run?.workflowRunId);
  const by = Date.now() + endsIn - (run?.workflowRunCompletedAt ?? 0);
  const shifted = JSON.stringify({ run, events }).replace(/(?<=:)1[78]\d{11}(?=[,}])/g, (time) => String(Number(time) + by));
  return JSON.parse(shifted);
}

/** Runs the daemon until that run has arrived. */
async function spansOf({ run, events }: ReturnType<typeof retryProgram>, detail: string) {
  const { workflowRunCompletedAt: end = 0, workflowRunResponse: _, ...rest } = run;
  here.api.store.putRun({ ...rest, workflowState: "RUN_STARTED", steps: run.steps.slice(0, 1) }, run.workflowRunCreatedAt);
  here.api.store.putRun(run, end);
  for (const event of events) here.api.store.putEvent(event);
  const source = { name: "eu", url: here.api.url, token: CANARY_TOKEN, poll_interval: "200ms", poll_interval_idle: "200ms", detail };
  const config = here.configure({
    sources: [{ ...source, max_requests_per_second: 100 }],
    destinations: [{ name: "backend", type: "otlp-http", endpoint: here.backend.url }],
    state: { path: "./state/wfotel.db" },
    server: { listen: "" },
  });
  const daemon = startWfotel(["run", "--config", config]);
  daemons.push(daemon);
  await vi.waitFor(() => expect(here.backend.spans.length).toBeGreaterThan(0), { timeout: 60_000, interval: 50 });
  daemon.kill("SIGTERM");
  await once(daemon, "close");
  return here.backend.spans;
}

const sourceOf = (span: { attributes: Readonly<Record<string, unknown>> }) => span.attributes["upstash.workflow.time.source"];

test.each(["auto", "messages"])(
  "detail: %s shows every attempt of a retried step and the back-offs, as stated by the log",
  async (detail) => {
    const spans = await spansOf(retryProgram(1_500), detail);
    const names = spans.map((span) => span.name);
    expect(names.filter((name) => name.startsWith("attempt"))).toEqual(["attempt 1", "attempt 2", "attempt 3"]);
    expect(names.filter((name) => name === "backoff")).toHaveLength(2);
    const parents = new Set(spans.filter((span) => span.name.startsWith("attempt")).map((span) => span.parentSpanId));
    const retried = spans.filter((span) => parents.has(span.spanId));
    expect(retried.map(sourceOf)).toEqual(["log"]);
    expect(here.backend.violations).toEqual([]);
    // `show` draws the same trace.
    const shown = await wfotel(["show", String(spans[0]?.attributes["upstash.workflow.run.id"]), "--json"], {
      cwd: here.folder,
      env: here.env(),
    });
    const wires = (list: readonly ReceivedSpan[]) => list.map(({ wire }) => wire);
    expect(wires(readSpans(Buffer.from(shown.stdout), "json").spans)).toEqual(wires(spans));
  },
);

test("detail: runs infers from the grouped log, and says so", async () => {
  const spans = await spansOf(retryProgram(-5_000), "runs");
  expect(spans.filter((span) => /attempt|backoff/.test(span.name))).toEqual([]);
  expect(spans.map(sourceOf)).toContain("inferred");
  expect(spans.map(sourceOf)).not.toContain("log");
});
