import { existsSync } from "node:fs";
import { tryLock } from "../state/lock.ts";
import { openStore, type StoreOptions } from "../state/sqlite.ts";
import { type Store, StoreError } from "../state/store.ts";
import { CommandError, EXIT } from "./io.ts";

/** The state for commands beside the bridge: with words for the user where there is none, or it is not for this version. */

/**
 * Opens the state that is there, works with it and closes it.
 * @throws CommandError exit 4 where there is no state yet, exit 2 where it cannot be used
 */
export async function withState<T>(path: string, options: Pick<StoreOptions, "readOnly" | "guest">, work: (store: Store) => Promise<T>) {
  requireState(path);
  const store = await told(path, () => openStore(path, options));
  try {
    return await told(path, () => work(store));
  } finally {
    await store.close();
  }
}

export function requireState(path: string): void {
  if (!existsSync(path))
    throw new CommandError(`there is no state at ${path} yet: wfotel run makes it (or name another by --state)`, EXIT.notFound);
}

async function told<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof StoreError)
      throw new CommandError(storeErrorText(path, error), error.kind === "missing" ? EXIT.notFound : EXIT.usage);
    throw error;
  }
}

export function storeErrorText(path: string, { kind, message }: StoreError): string {
  if (kind !== "corrupt") return `state ${path}: ${message}`;
  return `state ${path} is damaged: ${message}; start wfotel run anew: it moves the file aside, keeps what can be read of it and reads the rest from the API again`;
}

/** Somebody works on this state now. */
export function isHeld(path: string): boolean {
  try {
    const lock = tryLock(`${path}.lock`);
    lock?.release();
    return lock === undefined;
  } catch (error) {
    if (error instanceof StoreError) throw new CommandError(storeErrorText(path, error));
    throw error;
  }
}
