import { isTerminal } from "../model/run.ts";
import { encodeRun, joinChunks } from "../otlp/encode.ts";
import { mapRun } from "../trace/map-run.ts";
import { waterfall } from "../trace/waterfall.ts";
import { commandConfig, parseCommand } from "./arguments.ts";
import { type CommandIo, EXIT } from "./io.ts";
import { findMessages, findRun, placeFound, readState, readWanted, whyNotExported } from "./locate.ts";
import { traceLinks } from "./trace-url.ts";
import { mappingSettings, terminal } from "./wire.ts";

/** `wfotel show`: fetches one run and draws it as its trace will be, or is. */
export async function show(argv: readonly string[], io: CommandIo): Promise<number> {
  const { values, positionals } = parseCommand(argv, { json: { type: "boolean" } }, { min: 1, max: 1 });
  const { config, serviceName } = commandConfig(values, io, { source: true, destination: false });
  const settings = mappingSettings(config, serviceName);
  const found = await findRun(config, readWanted(positionals[0] ?? ""), io.signal);
  const state = await readState(config, io);
  try {
    const placement = await placeFound(found, state, settings, io.signal);
    const unexported = whyNotExported(found, settings);
    if (unexported !== undefined) io.stderr.write(`${unexported}\n`);
    if (!isTerminal(found.run)) io.stderr.write("the run is in progress: what follows is what the log shows so far\n");
    const trace = mapRun(found.run, placement, settings, { events: await findMessages(found, settings, io.signal) });
    if (values.json) {
      const chunks = encodeRun(trace, "json", Number.POSITIVE_INFINITY).map((chunk) => chunk.bytes);
      io.stdout.write(Buffer.concat([joinChunks(chunks, "json"), Buffer.from("\n")]));
    } else {
      io.stdout.write(waterfall([trace], terminal(io.stdout, io.env)));
      for (const link of traceLinks(config, placement.traceId)) io.stdout.write(`${link}\n`);
    }
    return EXIT.done;
  } finally {
    await state?.close();
    await found.source.close();
  }
}
