import { tryLock } from "../state/lock.ts";
import type { Store } from "../state/store.ts";
import { type CommonOptions, commandConfig } from "./arguments.ts";
import { type Bridge, startBridge } from "./bridge.ts";
import { CommandError, type CommandIo, EXIT } from "./io.ts";
import { requireState, withState } from "./state-file.ts";

/** Commands that do the bridge's work because no bridge runs. */

/**
 * The bridge as this process, until `work` is done; it logs warnings only, unless the user wants more.
 * @param create a state that is not there yet is made
 * @throws CommandError where the configuration lacks something, or somebody else took the state meanwhile
 */
export async function withBridge<T>(
  options: CommonOptions,
  io: CommandIo,
  work: (bridge: Bridge) => Promise<T>,
  { create = false } = {},
): Promise<T> {
  const level = options["log-level"] ?? "warn";
  const { config, serviceName } = commandConfig({ ...options, "log-level": level }, io, { source: true, destination: true });
  if (!create) requireState(config.state.path);
  const bridge = await startBridge({ config, serviceName, io, daemon: false, asFound: true });
  try {
    return await work(bridge);
  } finally {
    await bridge.close();
  }
}

/** The state alone, as its only worker. */
export async function withLockedState<T>(path: string, work: (store: Store) => Promise<T>): Promise<T> {
  const lock = tryLock(`${path}.lock`);
  if (lock === undefined) throw new CommandError(`another process works on ${path}: try again`, EXIT.incomplete);
  try {
    return await withState(path, {}, work);
  } finally {
    lock.release();
  }
}
