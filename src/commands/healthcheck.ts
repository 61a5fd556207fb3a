import { CommandError, type CommandIo, EXIT } from "./io.ts";
import { askLocal } from "./local-http.ts";

const DEFAULT_LISTEN = "127.0.0.1:9477";
/** Shorter than a container's own patience, in ms. */
const TIMEOUT_MS = 3_000;

/**
 * `wfotel healthcheck`: exit 0 if the bridge's `/livez` says that it is alive, else 1. A container asks this every few
 * seconds, so it loads `node:http` and nothing else: the configuration only where a file has to say where to ask.
 */
export async function healthcheck(argv: readonly string[], io: CommandIo): Promise<number> {
  const { WFOTEL_LISTEN: variable, WFOTEL_CONFIG: file = "" } = io.env;
  const known = argv.length === 0 && (variable !== undefined || file === "");
  const listen = known ? (variable ?? DEFAULT_LISTEN).trim() : await configured(argv, io);
  if (listen === "") throw new CommandError('the server is off (server.listen is ""): nothing can be asked', EXIT.incomplete);
  const answer = await askLocal(listen, "/livez", TIMEOUT_MS, io.signal);
  if ("error" in answer) throw new CommandError(`no answer from ${listen}: ${answer.error}`, EXIT.incomplete);
  if (answer.status !== 200) throw new CommandError(`${listen} answers ${answer.status}: not alive\n${answer.body}`, EXIT.incomplete);
  io.stdout.write(`${listen} is alive\n`);
  return EXIT.done;
}

async function configured(argv: readonly string[], io: CommandIo): Promise<string> {
  const { commandConfig, parseCommand } = await import("./arguments.ts");
  const { values } = parseCommand(argv, {}, { min: 0, max: 0 });
  try {
    return commandConfig(values, io, { source: false, destination: false }).config.server.listen;
  } catch (error) {
    if (error instanceof CommandError) throw new CommandError(error.message, EXIT.incomplete);
    throw error;
  }
}
