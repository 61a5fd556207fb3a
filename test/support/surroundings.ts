import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach } from "vitest";
import { type OtlpReceiver, type ReceiverOptions, startOtlpReceiver } from "../../src/fake-upstash/otlp-receiver.ts";
import { type FakeUpstash, type FakeUpstashOptions, startFakeUpstash } from "../../src/fake-upstash/server.ts";

export const CANARY_TOKEN = "canary-qstash-token";

/** What a command works with, new for every test: a log API, a backend and an empty folder. */
export interface Surroundings {
  readonly api: FakeUpstash;
  readonly backend: OtlpReceiver;
  readonly folder: string;
  /** Variables that name all three. */
  env(): Record<string, string>;
  /** Writes a configuration into the folder and gives its path. */
  configure(config: object): string;
  /** Another log API, another backend; closed with the rest. */
  startApi(options?: FakeUpstashOptions): Promise<FakeUpstash>;
  startBackend(options?: ReceiverOptions): Promise<OtlpReceiver>;
}

export function useSurroundings(): Surroundings {
  let api!: FakeUpstash;
  let backend!: OtlpReceiver;
  let folder!: string;
  const opened: { close(): Promise<void> }[] = [];
  const keep = async <T extends { close(): Promise<void> }>(starting: Promise<T>): Promise<T> => {
    const started = await starting;
    opened.push(started);
    return started;
  };
  const startApi = (options: FakeUpstashOptions = {}) => keep(startFakeUpstash({ token: CANARY_TOKEN, ...options }));
  const startBackend = (options: ReceiverOptions = {}) => keep(startOtlpReceiver(options));
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "wfotel-test-"));
    api = await startApi();
    backend = await startBackend();
  });
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((one) => one.close()));
    rmSync(folder, { recursive: true, force: true });
  });
  return {
    get api() {
      return api;
    },
    get backend() {
      return backend;
    },
    get folder() {
      return folder;
    },
    env: () => ({
      QSTASH_URL: api.url,
      QSTASH_TOKEN: CANARY_TOKEN,
      OTEL_EXPORTER_OTLP_ENDPOINT: backend.url,
      WFOTEL_STATE: join(folder, "state", "wfotel.db"),
      WFOTEL_LISTEN: "",
    }),
    configure(config) {
      const path = join(folder, "wfotel.yaml");
      writeFileSync(path, JSON.stringify(config)); // JSON is YAML
      return path;
    },
    startApi,
    startBackend,
  };
}
