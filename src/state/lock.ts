import { chmodSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as delay } from "node:timers/promises";
import { storeError } from "./sqlite-database.ts";
import { fileError, makeFolder } from "./sqlite-file.ts";
import { StoreError } from "./store.ts";

/**
 * The worker's role: whoever holds `<state>.lock` reads sources and delivers. It is an exclusive transaction on
 * an empty SQLite file, so the kernel frees it however the holder ends; never a pid file (in a container it is
 * always 1). The state file itself is not locked by it: others read, and leave jobs.
 */
export interface WorkerLock {
  release(): void;
}

/** How often a waiting daemon looks whether the holder is gone, in ms. */
const POLL_MS = 1_000;

/**
 * Undefined while another process (or another holder in this one) has it.
 * @param path of the lock file: the state's with `.lock` behind it
 * @throws StoreError where the lock file cannot be made or locked at all
 */
export function tryLock(path: string): WorkerLock | undefined {
  let file: DatabaseSync | undefined;
  try {
    makeFolder(dirname(path));
    file = new DatabaseSync(path, { timeout: 0 });
    // Nothing is ever written, so there is nothing to roll back: without this, a journal that others may read lies beside it.
    file.exec("PRAGMA journal_mode = MEMORY");
    file.exec("BEGIN EXCLUSIVE");
    chmodSync(path, 0o600);
  } catch (error) {
    file?.close();
    const known = lockError(error, path);
    if (known instanceof StoreError && known.kind === "busy") return undefined;
    throw known;
  }
  const held = file;
  return { release: () => held.close() };
}

/** SQLite says only that it cannot open the file; the directory says why. */
function lockError(error: unknown, path: string): unknown {
  const known = storeError(error);
  if (known === error) return fileError(error, path);
  if (!(known instanceof StoreError) || known.kind === "busy") return known;
  return new StoreError(known.kind === "other" ? "readonly" : known.kind, `the lock ${path} cannot be taken: ${known.message}`);
}

/**
 * Waits until nobody else has the role, looking every `pollMs`; `onWaiting` is called once if it has to wait.
 * @throws the signal's reason when it was aborted first
 */
export async function acquireWorkerLock(path: string, signal: AbortSignal, onWaiting = () => {}, pollMs = POLL_MS): Promise<WorkerLock> {
  for (let looks = 0; ; looks += 1) {
    signal.throwIfAborted();
    const lock = tryLock(path);
    if (lock !== undefined) return lock;
    if (looks === 0) onWaiting();
    await delay(pollMs, undefined, { signal }).catch(() => undefined);
  }
}
