import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { loadConfig } from "../../src/config/load.ts";
import { targetOf } from "../../src/destinations/target.ts";
import { type FakeUpstash, startFakeUpstash } from "../../src/fake-upstash/server.ts";
import { PRESETS } from "../config/presets.ts";
import { wfotel } from "../support/wfotel.ts";
import { wireRun } from "../support/wire-run.ts";
import { longRun, putHistory } from "./history.ts";
import { mappedSpans } from "./mapped.ts";
import { startVendor, type VendorReceiver } from "./vendor-receiver.ts";
import { type Busy, VENDORS } from "./vendor-rules.ts";

/** Backends that cannot run here: each preset, as it is but for its origin, against what its backend documents. */
const CONFIG = join(import.meta.dirname, "../../config");

describe.each(Object.entries(VENDORS))("config/%s.yaml against its backend's documented rules", (name, rules) => {
  const { env, headers } = PRESETS[name] ?? { env: {}, headers: {} };
  let folder: string;
  let api: FakeUpstash;
  let vendor: VendorReceiver;
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "wfotel-vendor-"));
    api = await startFakeUpstash({ token: "t" });
    vendor = await startVendor(rules, headers);
    return async () => {
      await Promise.all([api.close(), vendor.close()]);
      rmSync(folder, { recursive: true });
    };
  });

  /** In its place one that takes nothing at first. */
  async function becomeBusy(busy: Busy) {
    await vendor.close();
    vendor = await startVendor(rules, headers, busy);
  }

  const preset = () => {
    const loaded = loadConfig({ file: join(CONFIG, `${name}.yaml`), env: { QSTASH_TOKEN: "t", ...env }, cwd: folder });
    if (!loaded.ok) throw new Error(loaded.errors.join("\n"));
    return loaded.config;
  };

  /** The preset with nothing changed but where it reads, where it sends and where it remembers. */
  function run(variables: Readonly<Record<string, string>> = env, change: object = {}, more: object = {}) {
    const [destination] = preset().destinations;
    if (destination?.type !== "otlp-http") throw new Error("no otlp-http destination");
    const { pathname } = targetOf(destination);
    const endpoint = `${vendor.url}${pathname.replace(/\/v1\/traces$/, "")}`;
    const over = {
      extends: join(CONFIG, `${name}.yaml`),
      sources: [{ name: "upstash", url: api.url, start_from: "30d", detail: "runs", completion_feed: "off", max_requests_per_second: 100 }],
      destinations: [{ name, endpoint, ...change }],
      server: { listen: "" },
      state: { path: "./wfotel.db" },
      telemetry: { log: { format: "json" } },
      ...more,
    };
    const file = join(folder, "redirected.yaml");
    writeFileSync(file, JSON.stringify(over));
    return wfotel(["run", "--once", "--config", file], { env: { QSTASH_TOKEN: "t", ...variables } });
  }

  test("everything arrives and no rule is broken; only what is too old stays here", async () => {
    const now = Date.now();
    putHistory(api.store, now);
    api.store.putRun(longRun("wfr_large", now - 60_000, 3_000, 2_000));
    api.store.putRun(wireRun("wfr_of_yesterday", now - 26 * 3_600_000));
    api.store.putRun(longRun("wfr_many", now - 50 * 60_000, 10_000, 10));
    const { code, stderr } = await run();
    expect(code, stderr).toBe(0);
    expect(vendor.receiver.requests.filter(({ violations }) => violations.length > 0)).toEqual([]);
    expect(vendor.broken).toEqual([]);

    const { environment, resource, traces, workflows } = preset();
    const expected = await mappedSpans(api, { environment, resource, traces, workflows });
    const oldest = rules.maxSpanAge === undefined ? 0 : now - rules.maxSpanAge;
    const missing = new Set(expected.map(({ spanId }) => spanId));
    for (const { spanId } of vendor.kept) missing.delete(spanId);
    const late = expected.filter(({ spanId }) => missing.has(spanId)).map(({ wire }) => endOf(wire));
    expect(late.filter((end) => end > oldest + 60_000 + (Date.now() - now))).toEqual([]); // the preset keeps a minute back
    expect(late.length > 0).toBe(rules.maxSpanAge !== undefined);
  });

  if (rules.maxSpanAge !== undefined)
    test("the receiver notices a span that is too old, were it sent", async () => {
      api.store.putRun(wireRun("wfr_of_yesterday", Date.now() - 26 * 3_600_000));
      expect(await run(env, { too_old: "send" })).toMatchObject({ code: 0 });
      expect(vendor.broken).toEqual([expect.stringMatching(/ms old$/), expect.stringMatching(/ms old$/)]);
    });

  if (rules.maxTraceBytes !== undefined) {
    const capture = { outputs: true };

    test("a run of 6 MB goes on in other traces, and none of it is discarded", async () => {
      api.store.putRun(longRun("wfr_large", Date.now() - 60_000, 3_000, 2_000));
      expect(await run(env, {}, { traces: { capture } })).toMatchObject({ code: 0 });
      expect(vendor.broken).toEqual([]);
      const { size } = new Set(vendor.kept.map(({ traceId }) => traceId));
      expect(size).toBeGreaterThan(1);
      expect(vendor.kept).toHaveLength(3_000 + size); // the steps, and in each trace its root
    });

    test("the receiver discards what is over a trace's size, were it sent: a success all the same", async () => {
      api.store.putRun(longRun("wfr_large", Date.now() - 60_000, 3_000, 2_000));
      expect(await run(env, {}, { traces: { capture, max_trace_bytes: "20MB" } })).toMatchObject({ code: 0 });
      expect(vendor.receiver.spans).toHaveLength(3_001);
      expect(vendor.kept.length).toBeLessThan(3_001);
      expect(vendor.broken[0]).toMatch(/^trace [0-9a-f]{32} has \d+ bytes$/);
    });
  }

  for (const busy of rules.busy ?? []) {
    const how = `${busy.status}, ${busy.retryAfter === undefined ? "no Retry-After" : `Retry-After in ${busy.retryAfter}`}`;
    test(`that is busy (${how}) is asked again, not before its time, and gets everything once`, async () => {
      await becomeBusy(busy);
      api.store.putRun(wireRun("wfr_1", Date.now() - 60_000));
      const { code, stderr } = await run();
      expect(code, stderr).toBe(0);
      expect(vendor.receiver.requests).toHaveLength(2); // who comes too early is refused again
      expect(vendor.kept).toHaveLength(2);
    });
  }

  if (Object.keys(headers).length > 0)
    test("with a wrong key keeps everything, and delivers once the key is right", async () => {
      api.store.putRun(wireRun("wfr_1", Date.now() - 60_000));
      const wrong = Object.fromEntries(Object.keys(env).map((variable) => [variable, "canary-wrong"]));
      const refused = await run(wrong);
      expect(refused.code).toBe(1);
      expect(refused.stderr).toContain(String(rules.unauthorized ?? 401));
      expect(refused.stderr).not.toContain("canary-wrong");
      expect(vendor.receiver.spans).toEqual([]);
      expect(await run()).toMatchObject({ code: 0 });
      expect(vendor.receiver.spans).toHaveLength(2);
    });
});

const endOf = (wire: Record<string, unknown>) =>
  Number(BigInt(String((wire.span as { readonly endTimeUnixNano: string }).endTimeUnixNano)) / 1_000_000n);
