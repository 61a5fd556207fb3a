import type { Config } from "../config/schema.ts";
import { traceId } from "../trace/ids.ts";
import { commandConfig, parseCommand } from "./arguments.ts";
import { CommandError, type CommandIo, EXIT } from "./io.ts";
import { findRun, placedInState, placeFound, readState, readWanted, type Wanted, whyNotExported } from "./locate.ts";
import { traceLinks } from "./trace-url.ts";
import { mappingSettings } from "./wire.ts";

/** `wfotel trace-id`: the trace a run lies in, by the state, then by the API; offline, its own. */
export async function traceIdCommand(argv: readonly string[], io: CommandIo): Promise<number> {
  const { values, positionals } = parseCommand(argv, { url: { type: "boolean" }, offline: { type: "boolean" } }, { min: 1, max: 1 });
  const wanted = readWanted(positionals[0] ?? "");
  const { config, serviceName } = commandConfig(values, io, { source: false, destination: false });
  if (values.url && config.destinations.every(({ trace_url }) => trace_url === undefined))
    throw new CommandError("--url needs a destination with a trace_url in the configuration; none has one");
  const print = (id: string, from: string) => {
    io.stdout.write(`${id}\n`);
    io.stderr.write(`${from}\n`);
    if (values.url) for (const link of traceLinks(config, id)) io.stdout.write(`${link}\n`);
    return EXIT.done;
  };
  if (values.offline) return print(ownTraceId(wanted[0]), "computed: the run's own trace; an invoked or joined run may lie in another");
  const settings = mappingSettings(config, serviceName);
  const state = await readState(config, io);
  try {
    const stored = state && (await placedInState(state, wanted, settings));
    if (stored !== undefined) return print(stored.traceId, "from the state");
    const found = await findRun(withSource(values, io), wanted, io.signal);
    const placement = await placeFound(found, state, settings, io.signal).finally(() => found.source.close());
    const unexported = whyNotExported(found, settings);
    return print(placement.traceId, unexported === undefined ? "from the API" : `from the API; ${unexported}`);
  } finally {
    await state?.close();
  }
}

/** A source is needed only where the state does not know the run. */
function withSource(values: Parameters<typeof commandConfig>[0], io: CommandIo): Config {
  return commandConfig(values, io, { source: true, destination: false }).config;
}

function ownTraceId({ id, createdAt }: Wanted): string {
  if (createdAt === undefined) throw new CommandError("--offline needs RUN_ID@CREATED_AT (milliseconds)");
  return traceId(id, createdAt);
}
