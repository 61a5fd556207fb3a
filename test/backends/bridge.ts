import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach } from "vitest";
import { type FakeUpstash, startFakeUpstash } from "../../src/fake-upstash/server.ts";
import { type MappingSettings, tracesSchema } from "../../src/trace/config.ts";
import { type Finished, type RunningCommand, startWfotel, wfotel } from "../support/wfotel.ts";
import { type Detail, type ExpectedSpan, mappedSpans } from "./mapped.ts";

/** Everything on that adds to a trace. */
const TRACES = {
  gen_ai: true,
  capture: {
    outputs: true,
    call_bodies: true,
    run_request: true,
    run_response: true,
    request_headers: ["content-type"],
    response_headers: ["content-type"],
  },
};
const RESOURCE = { "service.namespace": "tests" };

/** A log API and the daemon beside it; new for every test, with a folder that goes with them. */
export interface Bridge {
  api: FakeUpstash;
  folder: string;
  /** `runs`, unless a test says otherwise: where a log has no events there is nothing to wait for. */
  detail: Detail;
  /** `wfotel run --once` into these destinations; `state` names another memory. */
  once(destinations: readonly object[], state?: string): Promise<Finished>;
  /** `wfotel run`, killed at the end of the test at the latest. */
  daemon(destinations: readonly object[]): { log(): string };
  /** What a backend should have. */
  expected(): Promise<ExpectedSpan[]>;
}

export function useBridge(): Bridge {
  const running: RunningCommand[] = [];
  const bridge = {
    once: (destinations, state) => wfotel(["run", "--once", "--config", configured(bridge, destinations, state)]),
    daemon(destinations) {
      const child = startWfotel(["run", "--config", configured(bridge, destinations)]);
      running.push(child);
      const lines: string[] = [];
      child.stderr.on("data", (text) => lines.push(String(text)));
      return { log: () => lines.join("") };
    },
    expected: () => mappedSpans(bridge.api, settings(), bridge.detail),
  } as Bridge;
  beforeEach(async () => {
    bridge.detail = "runs";
    bridge.folder = mkdtempSync(join(tmpdir(), "wfotel-backends-"));
    bridge.api = await startFakeUpstash();
  });
  afterEach(async () => {
    for (const child of running.splice(0)) child.kill("SIGKILL");
    await bridge.api.close();
    rmSync(bridge.folder, { recursive: true, force: true });
  });
  return bridge;
}

const settings = (): MappingSettings => ({ environment: "test", resource: RESOURCE, traces: tracesSchema.parse(TRACES), workflows: [] });

function configured({ api, folder, detail }: Bridge, destinations: readonly object[], state = "state"): string {
  const config = {
    environment: "test",
    sources: [
      {
        name: "fake",
        url: api.url,
        token: api.token,
        start_from: "30d",
        detail,
        completion_feed: detail === "runs" ? "off" : "auto",
        poll_interval: "200ms",
        poll_interval_idle: "200ms",
        max_requests_per_second: 100,
      },
    ],
    destinations,
    resource: RESOURCE,
    traces: TRACES,
    state: { path: `./${state}/wfotel.db` },
    server: { listen: "" },
    telemetry: { log: { level: "debug", format: "json" } },
  };
  mkdirSync(join(folder, state), { recursive: true });
  const file = join(folder, `${state}.yaml`);
  writeFileSync(file, JSON.stringify(config));
  return file;
}
