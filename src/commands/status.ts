import { existsSync } from "node:fs";
import type { Config } from "../config/schema.ts";
import { buildStatus } from "../telemetry/build-status.ts";
import { type Status, statusSchema } from "../telemetry/status.ts";
import { commandConfig, parseCommand } from "./arguments.ts";
import { type CommandIo, EXIT } from "./io.ts";
import { askLocal } from "./local-http.ts";
import { factsOf } from "./operate.ts";
import { requireState, withState } from "./state-file.ts";
import { statusText } from "./status-text.ts";
import { terminalOf } from "./terminal.ts";

/** `wfotel status`: what the running bridge answers where it does, else what stands in its state. */
export async function status(argv: readonly string[], io: CommandIo): Promise<number> {
  const { values } = parseCommand(argv, { json: { type: "boolean" } }, { min: 0, max: 0 });
  const source = (io.env.QSTASH_TOKEN ?? "") !== "";
  const { config } = commandConfig(values, io, { source, destination: false });
  const shown = await currentStatus(config, io);
  if (values.json) io.stdout.write(`${JSON.stringify(shown, null, 2)}\n`);
  else io.stdout.write(statusText(shown, terminalOf(io)));
  return EXIT.done;
}

async function currentStatus(config: Config, io: CommandIo): Promise<Status> {
  const { path } = config.state;
  const answered = await askBridge(config.server.listen, io.signal);
  if (answered !== undefined && !existsSync(path)) return answered;
  requireState(path);
  const stored = await withState(path, { readOnly: true }, async (store) => buildStatus(await factsOf(config, { store }, Date.now())));
  if (answered === undefined) return stored;
  if (isSameState(answered, stored)) return answered;
  io.stderr.write(`the bridge that answers at ${config.server.listen} works on another state, or waits for this one\n`);
  return stored;
}

/** A bridge on this machine answers at once, or it does not (ms). */
const TIMEOUT_MS = 2_000;

/** Undefined where no bridge answers there, or something else does. */
async function askBridge(listen: string, signal: AbortSignal): Promise<Status | undefined> {
  const answer = listen === "" ? undefined : await askLocal(listen, "/status", TIMEOUT_MS, signal);
  if (answer === undefined || "error" in answer || answer.status !== 200) return undefined;
  try {
    return statusSchema.safeParse(JSON.parse(answer.body)).data;
  } catch {
    return undefined;
  }
}

/** A source's epoch is the moment of its first start: it tells one state from another. */
function isSameState(answered: Status, stored: Status): boolean {
  if (answered.state === null) return false;
  const epochs = new Map(stored.sources.map(({ name, epoch }) => [name, epoch]));
  return answered.sources.every(({ name, epoch }) => epoch === null || epochs.get(name) === epoch);
}
