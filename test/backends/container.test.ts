import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chownSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from "vitest";
import { startOtlpReceiver } from "../../src/fake-upstash/otlp-receiver.ts";
import { startFakeUpstash } from "../../src/fake-upstash/server.ts";
import { wireRun } from "../support/wire-run.ts";
import { mustRun } from "./command.ts";
import { buildImage, type Image, inContainer, sizeOf } from "./container.ts";
import { freePort } from "./program.ts";

const ROOT = join(import.meta.dirname, "../..");
const { container, hadolint } = inject("backends");

test.skipIf(!hadolint.ok)("hadolint has nothing to say about the Dockerfile", () => {
  expect(mustRun(join(hadolint.ok ? hadolint.folder : "", "bin/hadolint"), [join(ROOT, "Dockerfile")])).toBe("");
});

describe.skipIf(!container.ok)("the image", () => {
  let image: Image;
  let volume: string;
  beforeAll(() => {
    image = buildImage(container.ok ? container.folder : "", ROOT);
  }, 600_000);
  afterAll(() => image.remove());
  beforeEach(() => {
    volume = mkdtempSync(join(tmpdir(), "wfotel-volume-"));
    chownSync(volume, 65_532, 65_532);
    return () => rmSync(volume, { recursive: true });
  });

  /** The image's entry point with these arguments, or its command. */
  function start(args: readonly string[] = image.config.Cmd, env: Readonly<Record<string, string>> = {}): ChildProcess {
    const own = Object.fromEntries(image.config.Env.map((pair) => [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)]));
    return spawn("unshare", inContainer(image, volume, [...image.config.Entrypoint, ...args]), { env: { ...own, ...env } });
  }

  async function run(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    const child = start(args, env);
    const [[code], stdout, stderr] = await Promise.all([once(child, "exit"), text(child.stdout!), text(child.stderr!)]);
    return { code, stdout, stderr };
  }

  test("adds at most 10 MB to its base", () => {
    expect(sizeOf(image.root) - sizeOf(image.baseRoot)).toBeLessThanOrEqual(10_000_000);
  });

  test("names itself, its user, its volume and how to ask for its health, and needs no shell for any of it", () => {
    const { config } = image;
    expect(config.Labels).toMatchObject({
      "org.opencontainers.image.title": "upstash-workflow-otel",
      "org.opencontainers.image.licenses": "Apache-2.0",
    });
    expect(config.User).toBe("65532:65532");
    expect(Object.keys(config.Volumes)).toEqual(["/var/lib/wfotel"]);
    expect(config.Entrypoint).toEqual(["node", "/app/wfotel.mjs"]);
    expect(config.Cmd).toEqual(["run"]);
    expect(config.Healthcheck.Test).toEqual(["CMD", "node", "/app/wfotel.mjs", "healthcheck"]);
  });

  test("runs the demo as its own user with nothing writable but the state volume", async () => {
    const { code, stdout, stderr } = await run(["demo"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toContain("every run arrived");
  });

  test("as process 1 delivers, tells its health, and ends in order when it is told to", async () => {
    const [api, backend] = await Promise.all([startFakeUpstash(), startOtlpReceiver()]);
    api.store.putRun(wireRun("wfr_1", Date.now() - 10_000));
    const env = {
      QSTASH_URL: api.url,
      QSTASH_TOKEN: api.token,
      OTEL_EXPORTER_OTLP_ENDPOINT: backend.url,
      WFOTEL_LISTEN: `127.0.0.1:${await freePort()}`,
    };
    const daemon = start(undefined, env);
    try {
      await expect.poll(() => backend.spans.length, { timeout: 30_000 }).toBe(2);
      expect(await run(["healthcheck"], env)).toMatchObject({ code: 0 });
      const pid = Number(readFileSync(`/proc/${daemon.pid}/task/${daemon.pid}/children`, "utf8"));
      expect(readFileSync(`/proc/${pid}/status`, "utf8")).toMatch(/^NSpid:\s+\d+\s+1$/m);
      expect(readFileSync(`/proc/${pid}/status`, "utf8")).toMatch(/^Uid:\s+65532\s/m);
      process.kill(pid, "SIGTERM");
      expect(await once(daemon, "exit")).toEqual([0, null]);
      expect(await run(["healthcheck"], env)).toMatchObject({ code: 1 });
    } finally {
      daemon.kill("SIGKILL");
      await Promise.all([api.close(), backend.close()]);
    }
  });
});
