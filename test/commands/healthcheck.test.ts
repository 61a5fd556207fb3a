import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { relative } from "node:path";
import { expect, test } from "vitest";
import { loadedModules } from "../support/loaded-modules.ts";
import { CLI } from "../support/wfotel.ts";

test("a healthcheck loads next to nothing of the program", async () => {
  const server = createServer((_, response) => response.end("ok")).listen(0, "127.0.0.1");
  try {
    await once(server, "listening");
    const env = { WFOTEL_LISTEN: `127.0.0.1:${(server.address() as AddressInfo).port}` };
    const { stdout, modules } = await loadedModules([CLI, "healthcheck"], env);
    expect(stdout).toContain("is alive");
    const root = new URL("../../", import.meta.url).pathname;
    const names = modules.map((url) => (url.startsWith("node:") ? url : relative(root, new URL(url).pathname)));
    // node:http is taken by process.getBuiltinModule, which loads it without what its ESM facade would load too
    expect(names.sort()).toEqual([
      "package.json",
      "src/cli.ts",
      "src/commands/commands.ts",
      "src/commands/healthcheck.ts",
      "src/commands/io.ts",
      "src/commands/local-http.ts",
      "src/commands/process.ts",
      "src/config/nearest.ts",
      "src/telemetry/server.ts",
      "src/version.ts",
    ]);
  } finally {
    server.close();
  }
});
