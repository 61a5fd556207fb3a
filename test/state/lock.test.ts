import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { acquireWorkerLock, tryLock } from "../../src/state/lock.ts";

let folder: string;
let path: string;
const children: ChildProcess[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "wfotel-lock-"));
  path = join(folder, "state", "wfotel.db.lock");
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  rmSync(folder, { recursive: true });
});

/** Another process that holds the lock until it is killed. */
async function holder(): Promise<ChildProcess> {
  const module = new URL("../../src/state/lock.ts", import.meta.url).href;
  const program = `const { tryLock } = await import(${JSON.stringify(module)}); globalThis.lock = tryLock(${JSON.stringify(path)});
    console.log(globalThis.lock ? "held" : "taken"); setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], { stdio: ["ignore", "pipe", "inherit"] });
  children.push(child);
  const [line] = await once(child.stdout, "data");
  expect(String(line)).toBe("held\n");
  return child;
}

test("one holder at a time, in one process as well; released, it is free", () => {
  const lock = tryLock(path);
  expect(lock).toBeDefined();
  expect(tryLock(path)).toBeUndefined();
  lock?.release();
  tryLock(path)?.release();
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(statSync(join(folder, "state")).mode & 0o777).toBe(0o700);
});

test("while it is held there is one file, which nobody else may read", () => {
  const lock = tryLock(path);
  const files = readdirSync(join(folder, "state"));
  expect(files.map((file) => [file, statSync(join(folder, "state", file)).mode & 0o777])).toEqual([["wfotel.db.lock", 0o600]]);
  lock?.release();
});

test("what an earlier version left behind, killed, is no obstacle", () => {
  mkdirSync(join(folder, "state"));
  for (const file of [path, `${path}-journal`]) writeFileSync(file, "", { mode: 0o644 });
  const lock = tryLock(path);
  expect(lock).toBeDefined();
  expect(tryLock(path)).toBeUndefined();
  expect(statSync(path).mode & 0o777).toBe(0o600);
  lock?.release();
});

test("the lock of a process that is killed -9 is free at once", async () => {
  const child = await holder();
  expect(tryLock(path)).toBeUndefined();
  child.kill("SIGKILL");
  await once(child, "exit");
  const lock = tryLock(path);
  expect(lock).toBeDefined();
  lock?.release();
});

test("a waiting daemon says so once, and gets the role when the holder is killed", async () => {
  const child = await holder();
  let waited = 0;
  let noticed = () => {};
  const waiting = new Promise<void>((resolve) => {
    noticed = resolve;
  });
  const lock = acquireWorkerLock(
    path,
    new AbortController().signal,
    () => {
      waited += 1;
      noticed();
    },
    5,
  );
  await waiting;
  child.kill("SIGKILL");
  (await lock).release();
  expect(waited).toBe(1);
});

test("a daemon that is stopped while it waits leaves the lock alone", async () => {
  const held = tryLock(path);
  const stop = new AbortController();
  const lock = acquireWorkerLock(path, stop.signal, () => stop.abort(new Error("stopped")), 5);
  await expect(lock).rejects.toThrow("stopped");
  held?.release();
  tryLock(path)?.release();
});

test("a lock that cannot be made is an error that names it, not a wait without end", () => {
  mkdirSync(path, { recursive: true });
  expect(() => tryLock(path)).toThrow(path);
  writeFileSync(join(folder, "file"), "");
  expect(() => tryLock(join(folder, "file", "x.lock"))).toThrow("x.lock cannot be written");
  expect(() => tryLock("/proc/wfotel/state/x.lock")).toThrow("/proc/wfotel/state/x.lock cannot be written");
});
