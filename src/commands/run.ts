import { StoreError } from "../state/store.ts";
import { commandConfig, parseCommand } from "./arguments.ts";
import { startBridge } from "./bridge.ts";
import { CommandError, type CommandIo, EXIT } from "./io.ts";
import { runOnce } from "./once.ts";
import { createReloadRequests } from "./reload.ts";
import { storeErrorText } from "./state-file.ts";
import { drainTimeoutOf } from "./when.ts";

/** What requests in flight get after SIGTERM, in ms. */
const GRACE_MS = 5_000;

/** `wfotel run`: the daemon, or one complete pass with `--once`. */
export async function run(argv: readonly string[], io: CommandIo): Promise<number> {
  const { values } = parseCommand(argv, { once: { type: "boolean" }, "drain-timeout": { type: "string" } }, { min: 0, max: 0 });
  const requests = createReloadRequests();
  io.onHangUp(requests.request);
  const load = () => commandConfig(values, io, { source: true, destination: true });
  const loaded = load();
  const drainTimeout = drainTimeoutOf(values);
  const bridge = await startBridge({ config: loaded.config, serviceName: loaded.serviceName, io, daemon: !values.once });
  try {
    if (values.once) return await runOnce(bridge, drainTimeout, io.signal);
    await bridge.runUntilStopped(GRACE_MS, io.signal, { requests, load });
    return EXIT.done;
  } catch (error) {
    throw error instanceof StoreError ? new CommandError(storeErrorText(loaded.config.state.path, error), EXIT.incomplete) : error;
  } finally {
    await bridge.close();
  }
}
