import { statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeEach, describe, expect, inject, test } from "vitest";
import { createAuthority } from "../support/certificates.ts";
import { wireRun } from "../support/wire-run.ts";
import { useBridge } from "./bridge.ts";
import { type Collector, type CollectorSettings, spansInFile, startCollector } from "./collector.ts";
import { longRun, putHistory, putLoggedHistory } from "./history.ts";
import { type ExpectedSpan, formOf, linkedSides, partNames } from "./mapped.ts";

const ENCODINGS = ["protobuf", "json"];

const collector = inject("backends").collector;

describe.skipIf(!collector.ok)("OpenTelemetry Collector", () => {
  const bridge = useBridge();
  const running: Collector[] = [];
  let file: string;
  beforeEach(() => {
    file = join(bridge.folder, "spans.jsonl");
    return () => Promise.all(running.splice(0).map((one) => one.stop("SIGKILL")));
  });

  async function start(settings: CollectorSettings = {}): Promise<Collector> {
    const started = await startCollector(collector.ok ? collector.folder : "", bridge.folder, { file, ...settings });
    running.push(started);
    return started;
  }

  const destination = ({ otlp }: Collector, over: object = {}) => ({ name: "collector", type: "otlp-http", endpoint: otlp, ...over });

  const missing = (expected: readonly ExpectedSpan[]) => {
    const found = new Set(spansInFile(file).map((span) => span.spanId));
    return expected.filter(({ spanId }) => !found.has(spanId));
  };

  /** Every span so often, to the last bit and in the mapper's order of attributes, events and links. */
  async function expectSame(times = 1) {
    const expected = await bridge.expected();
    const found = spansInFile(file);
    expect(found.length).toBe(times * expected.length);
    const byId = Map.groupBy(found, (span) => span.spanId);
    for (const span of expected) {
      const shown = byId.get(span.spanId) ?? [];
      expect(shown.map(({ wire }) => wire)).toEqual(Array.from({ length: times }, () => formOf(span, shown[0]?.links.length)));
    }
    const sides = linkedSides(expected, (spanId) => byId.get(spanId)?.[0]?.links.length);
    expect(sides).toEqual(sides.map(() => 1));
    return { expected, events: sides.length };
  }

  test.each(ENCODINGS)("writes every span as the mapper made it (%s)", async (encoding) => {
    putHistory(bridge.api.store, Date.now());
    expect(await bridge.once([destination(await start(), { encoding })])).toMatchObject({ code: 0 });
    expect((await expectSame()).events).toBeGreaterThan(0);
  });

  test.each(ENCODINGS)(
    "writes attempts, queues and back-offs, and times of the message log, as the mapper made them (%s)",
    async (encoding) => {
      bridge.detail = "auto";
      putLoggedHistory(bridge.api.store, Date.now());
      expect(await bridge.once([destination(await start(), { encoding })])).toMatchObject({ code: 0 });
      const { expected } = await expectSame();
      expect(partNames(expected)).toEqual(["attempt 1", "attempt 2", "attempt 3", "attempt 4", "backoff", "queued"]);
    },
  );

  test.each(ENCODINGS)("writes a run of 2 MB whole (%s)", async (encoding) => {
    bridge.api.store.putRun(longRun("wfr_2mb", Date.now() - 100_000, 950, 2_000));
    expect(await bridge.once([destination(await start(), { encoding })])).toMatchObject({ code: 0 });
    await expectSame();
  });

  test.each(ENCODINGS)("writes twice what is delivered twice, the same to the last bit (%s)", async (encoding) => {
    putHistory(bridge.api.store, Date.now());
    const backend = await start();
    for (const state of ["first", "second"])
      expect(await bridge.once([destination(backend, { encoding })], state)).toMatchObject({ code: 0 });
    await expectSame(2);
  });

  test.each(ENCODINGS)(
    "that asks for a bearer token: a wrong one pauses the destination and keeps everything, the right one delivers (%s)",
    async (encoding) => {
      putHistory(bridge.api.store, Date.now());
      const backend = await start({ bearer: "right-token" });
      const withToken = (token: string) => [destination(backend, { encoding, headers: { authorization: `Bearer ${token}` } })];
      const refused = await bridge.once(withToken("wrong-token"));
      expect(refused.code).toBe(1);
      expect(refused.stderr).toMatch(/paused/);
      expect(refused.stderr).toMatch(/401/);
      expect(refused.stderr).not.toMatch(/wrong-token/);
      expect(spansInFile(file)).toEqual([]);
      expect(await bridge.once(withToken("right-token"))).toMatchObject({ code: 0 });
      await expectSame();
    },
  );

  test.each(ENCODINGS)(
    "with an authority of its own and client certificates: no span without both, all with both (%s)",
    async (encoding) => {
      bridge.api.store.putRun(wireRun("wfr_1", Date.now() - 60_000));
      const authority = createAuthority(join(bridge.folder, "certificates"));
      const server = authority.issue("collector");
      const client = authority.issue("bridge");
      const backend = await start({ tls: { cert_file: server.certFile, key_file: server.keyFile, client_ca_file: authority.caFile } });
      const certificate = { cert_file: client.certFile, key_file: client.keyFile };
      for (const tls of [certificate, { ca_file: authority.caFile }]) {
        expect(await bridge.once([destination(backend, { encoding, tls })])).toMatchObject({ code: 1 });
        expect(spansInFile(file)).toEqual([]);
      }
      const tls = { ...certificate, ca_file: authority.caFile };
      expect(await bridge.once([destination(backend, { encoding, tls })])).toMatchObject({ code: 0 });
      await expectSame();
    },
  );

  test("that refuses for want of memory gets everything once it has some", async () => {
    putHistory(bridge.api.store, Date.now());
    const full = await start({ memoryLimit: 1 });
    const daemon = bridge.daemon([destination(full)]);
    await until(() => daemon.log().includes('"status":503'));
    expect(spansInFile(file)).toEqual([]);
    await full.stop();
    await start({ port: full.port });
    const expected = await bridge.expected();
    await until(() => missing(expected).length === 0);
    await expectSame();
  });

  test("killed in mid-delivery and started again, 20 times out of 20: nothing is missing in its file", async () => {
    let backend = await start();
    bridge.daemon([destination(backend, { max_request_bytes: "4KiB", concurrency: 2 })]);
    for (let round = 1; round <= 20; round += 1) {
      const before = sizeOf(file);
      for (let i = 0; i < 30; i += 1) bridge.api.store.putRun(longRun(`wfr_${round}_${i}`, Date.now() - 10_000 + i, 20, 100));
      await until(() => sizeOf(file) > before + round * 4_096); // each time a little later in its work
      await backend.stop("SIGKILL");
      const expected = await bridge.expected();
      expect(missing(expected).length, `round ${round}: killed in mid-delivery`).toBeGreaterThan(0);
      backend = await start({ port: backend.port });
      await until(() => sizeOf(file) > before && missing(expected).length === 0);
    }
    expect(missing(await bridge.expected())).toEqual([]);
  });
});

const sizeOf = (file: string) => statSync(file, { throwIfNoEntry: false })?.size ?? 0;

const PATIENCE_MS = 60_000;

async function until(condition: () => boolean): Promise<void> {
  for (let waited = 0; waited < PATIENCE_MS; waited += 20) {
    if (condition()) return;
    await sleep(20);
  }
  throw new Error(`waited for ${PATIENCE_MS} ms: ${condition}`);
}
