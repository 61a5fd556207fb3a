import { parseDuration } from "../config/values.ts";
import { commandConfig, parseCommand } from "./arguments.ts";
import { startBridge } from "./bridge.ts";
import { CommandError, type CommandIo, EXIT } from "./io.ts";
import { runOnce } from "./once.ts";

const DEFAULT_DRAIN_MS = 30_000;
/** What requests in flight get after SIGTERM, in ms. */
const GRACE_MS = 5_000;

/** `wfotel run`: the daemon, or one complete pass with `--once`. */
export async function run(argv: readonly string[], io: CommandIo): Promise<number> {
  const { values } = parseCommand(argv, { once: { type: "boolean" }, "drain-timeout": { type: "string" } }, { min: 0, max: 0 });
  const loaded = commandConfig(values, io, { source: true, destination: true });
  const drainTimeout = drainTimeoutOf(values["drain-timeout"]);
  const bridge = await startBridge({ config: loaded.config, serviceName: loaded.serviceName, io, daemon: !values.once });
  try {
    if (values.once) return await runOnce(bridge, drainTimeout, io.signal);
    await bridge.runUntilStopped(GRACE_MS, io.signal);
    return EXIT.done;
  } finally {
    await bridge.close();
  }
}

function drainTimeoutOf(text: string | undefined): number {
  const value = text === undefined ? DEFAULT_DRAIN_MS : parseDuration(text);
  if (value === undefined) throw new CommandError("--drain-timeout: a duration such as 30s");
  return value;
}
