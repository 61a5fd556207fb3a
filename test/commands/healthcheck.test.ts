import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { CLI } from "../support/wfotel.ts";

/** Writes the URL of every module that is loaded into a file. */
const RECORDER = `import { appendFileSync } from "node:fs";
import { registerHooks } from "node:module";
registerHooks({ load(url, context, next) { appendFileSync(process.env.LOADED, url + "\\n"); return next(url, context); } });`;

test("a healthcheck loads node:http and next to nothing of the program", async () => {
  const folder = mkdtempSync(join(tmpdir(), "wfotel-test-"));
  const server = createServer((_, response) => response.end("ok")).listen(0, "127.0.0.1");
  try {
    const [recorder, loaded] = [join(folder, "recorder.mjs"), join(folder, "loaded.txt")];
    writeFileSync(recorder, RECORDER);
    await new Promise((resolve) => server.once("listening", resolve));
    const env = { PATH: process.env.PATH, LOADED: loaded, WFOTEL_LISTEN: `127.0.0.1:${(server.address() as AddressInfo).port}` };
    const { stdout } = await promisify(execFile)(process.execPath, ["--import", recorder, CLI, "healthcheck"], { env });
    expect(stdout).toContain("is alive");
    const root = new URL("../../", import.meta.url);
    const names = readFileSync(loaded, "utf8")
      .trim()
      .split("\n")
      .map((url) => (url.startsWith("node:") ? url : relative(root.pathname, new URL(url).pathname)));
    expect(names.sort()).toEqual([
      "node:http",
      "package.json",
      "src/cli.ts",
      "src/commands/commands.ts",
      "src/commands/healthcheck.ts",
      "src/commands/io.ts",
      "src/commands/local-http.ts",
      "src/commands/process.ts",
      "src/telemetry/server.ts",
      "src/version.ts",
    ]);
  } finally {
    server.close();
    rmSync(folder, { recursive: true });
  }
});
