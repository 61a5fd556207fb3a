import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chownSync, mkdtempSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from "vitest";
import { startOtlpReceiver } from "../../src/fake-upstash/otlp-receiver.ts";
import { startFakeUpstash } from "../../src/fake-upstash/server.ts";
import { wireRun } from "../support/wire-run.ts";
import { mustRun } from "./command.ts";
import { buildImage, type Image, inContainer, type Network, sizeOf } from "./container.ts";
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

  /** As the Dockerfile has them, and over them what is given to a container. */
  function environment(over: Readonly<Record<string, string>>) {
    const own = image.config.Env.map((pair) => [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)]);
    return { env: { ...Object.fromEntries(own), ...over } };
  }

  /** The image's entry point with these arguments, or its command. */
  function start(
    args: readonly string[] = image.config.Cmd,
    env: Readonly<Record<string, string>> = {},
    network: Network = "host",
  ): ChildProcess {
    return spawn("unshare", inContainer(image, volume, [...image.config.Entrypoint, ...args], network), environment(env));
  }

  async function run(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    return finished(start(args, env));
  }

  /** The image's own health check, with nothing but the image's own environment, in the network of a process. */
  function healthcheck(pid: number) {
    const [, ...command] = image.config.Healthcheck.Test;
    return finished(spawn("nsenter", [`--net=/proc/${pid}/ns/net`, "unshare", ...inContainer(image, volume, command)], environment({})));
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
      const pid = childOf(daemon);
      expect(readFileSync(`/proc/${pid}/status`, "utf8")).toMatch(/^NSpid:\s+\d+\s+1$/m);
      expect(readFileSync(`/proc/${pid}/status`, "utf8")).toMatch(/^Uid:\s+65532\s/m);
      process.kill(pid, "SIGTERM");
      expect(await once(daemon, "exit")).toEqual([0, null]);
      expect(await run(["healthcheck"], env)).toMatchObject({ code: 1 });
    } finally {
      killed(daemon);
      await Promise.all([api.close(), backend.close()]);
    }
  });

  // In a network of its own: the port is the shipped one, which another program of this machine may have.
  test("listens on every address where it ships to, and its own health check finds it there", async () => {
    const env = { QSTASH_URL: "http://127.0.0.1:9", QSTASH_TOKEN: "t", OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9" };
    const daemon = start(undefined, env, "own");
    const pid = Number(daemon.pid);
    const networkOf = (process: number | "self") => readlinkSync(`/proc/${process}/ns/net`);
    try {
      await expect.poll(() => networkOf(pid), { timeout: 10_000 }).not.toBe(networkOf("self"));
      await expect.poll(() => healthcheck(pid), { timeout: 30_000 }).toMatchObject({ code: 0, stdout: "0.0.0.0:9477 is alive\n" });
      expect(readFileSync(`/proc/${pid}/net/tcp`, "utf8")).toMatch(/ 00000000:2505 00000000:0000 0A /); // 9477, LISTEN
    } finally {
      killed(daemon);
    }
  });
});

/** The process behind `unshare`: the container's first one. NaN where there is none any more. */
function childOf({ pid, exitCode, signalCode }: ChildProcess): number {
  return exitCode === null && signalCode === null
    ? Number(readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8") || Number.NaN)
    : Number.NaN;
}

/** The child first: having changed its user, it would outlive `unshare`. */
function killed(daemon: ChildProcess): void {
  const child = childOf(daemon);
  if (!Number.isNaN(child)) process.kill(child, "SIGKILL");
  daemon.kill("SIGKILL");
}

async function finished(child: ChildProcess) {
  const [[code], stdout, stderr] = await Promise.all([once(child, "exit"), text(child.stdout!), text(child.stderr!)]);
  return { code, stdout, stderr };
}
