import { editorSchema } from "../config/json-schema.ts";
import { parseCommand } from "./arguments.ts";
import { type CommandIo, EXIT } from "./io.ts";

/** `wfotel schema`: the configuration's JSON Schema on stdout, as `config/schema.json` holds it. */
export async function schema(argv: readonly string[], io: CommandIo): Promise<number> {
  parseCommand(argv, {}, { min: 0, max: 0 });
  io.stdout.write(`${JSON.stringify(editorSchema(), undefined, 2)}\n`);
  return EXIT.done;
}
