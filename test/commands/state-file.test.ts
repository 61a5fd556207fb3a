import { mkdtempSync, rmSync, statSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { CommandError } from "../../src/commands/io.ts";
import { status } from "../../src/commands/status.ts";
import { openStore } from "../../src/state/sqlite.ts";
import type { Store } from "../../src/state/store.ts";
import { commandIo } from "../support/command-io.ts";
import { done } from "../support/store-samples.ts";

/** `wfotel status --json` beside a bridge that has the file open. */

let folder: string;
let path: string;
let bridge: Store;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "wfotel-test-"));
  path = join(folder, "wfotel.db");
  bridge = await openStore(path);
  await bridge.syncDestinations(["jaeger"], 1);
  for (let i = 0; i < 200; i += 1) await bridge.commit({ source: "eu", state: { epoch: 1 }, runs: [done(`r${i}`, ["jaeger"])] });
});
afterEach(async () => {
  await bridge.close().catch(() => undefined);
  rmSync(folder, { recursive: true });
});

async function ask(): Promise<{ exitCode: number; message: string }> {
  const { io, out } = commandIo({ cwd: folder, env: { WFOTEL_STATE: path, WFOTEL_LISTEN: "127.0.0.1:1" } });
  try {
    return { exitCode: await status(["--json"], io), message: out() };
  } catch (error) {
    if (error instanceof CommandError) return error;
    throw error;
  }
}

test.each<[string, () => void]>([
  ["was cut to half", () => truncateSync(path, Math.floor(statSync(path).size / 2))],
  ["was cut within its header", () => truncateSync(path, 100)],
  ["has an empty -wal", () => truncateSync(`${path}-wal`, 0)],
])("a state that %s while the bridge runs is named as damaged, with what mends it", async (_, damage) => {
  damage();
  const { exitCode, message } = await ask();
  expect(exitCode).toBe(2);
  expect(message).toMatch(/^state \S+wfotel\.db is damaged: .+; start wfotel run anew: it moves the file aside/);
  expect(message).toContain(path);
});

test("a state that was emptied, or that a bridge is about to make, is none", async () => {
  truncateSync(path, 0);
  expect(await ask()).toMatchObject({ exitCode: 4, message: `state ${path}: ${path} is empty: wfotel run makes it when it starts` });
});
