import { type ParseArgsOptionsConfig, parseArgs } from "node:util";
import { type LoadInput, loadConfig } from "../config/load.ts";
import type { Config } from "../config/schema.ts";
import { CommandError, type CommandIo } from "./io.ts";

/** The options that every command has. */
const COMMON = {
  config: { type: "string" },
  state: { type: "string" },
  "log-level": { type: "string" },
} as const satisfies ParseArgsOptionsConfig;

const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;

export type CommonOptions = { readonly config?: string; readonly state?: string; readonly "log-level"?: string };

/**
 * Parses a command's own arguments together with the common ones.
 * @throws CommandError (exit 2) for an unknown option, a missing value or a wrong number of positionals.
 */
export function parseCommand<T extends ParseArgsOptionsConfig>(
  argv: readonly string[],
  options: T,
  positionals: { min: number; max: number },
) {
  const parsed = parse(argv, { ...COMMON, ...options });
  const count = parsed.positionals.length;
  if (count < positionals.min) throw new CommandError("an argument is missing; see --help");
  if (count > positionals.max) throw new CommandError(`one argument too many: ${JSON.stringify(parsed.positionals[positionals.max])}`);
  return parsed;
}

function parse<T extends ParseArgsOptionsConfig>(argv: readonly string[], options: T) {
  try {
    return parseArgs({ args: [...argv], options, allowPositionals: true, strict: true });
  } catch (error) {
    // What Node adds is about positionals that start with a dash.
    const [message = ""] = (error instanceof Error ? error.message : String(error)).split(". To specify a positional");
    throw new CommandError(`${message}; see --help`);
  }
}

/**
 * The configuration that a command works with: the file (or the environment alone), with `--state` and
 * `--log-level` laid over it. Warnings go to stderr.
 * @throws CommandError (exit 2) that lists every error, one a line.
 */
export function commandConfig(options: CommonOptions, io: CommandIo, require: NonNullable<LoadInput["require"]>) {
  const loaded = loadConfig({ ...(options.config !== undefined && { file: options.config }), env: io.env, cwd: io.cwd, require });
  if (!loaded.ok) throw new CommandError(loaded.errors.join("\n"));
  for (const warning of loaded.warnings) io.stderr.write(`warning: ${warning}\n`);
  return { ...loaded, config: withOptions(loaded.config, options) };
}

function withOptions(config: Config, options: CommonOptions): Config {
  const level = LOG_LEVELS.find((known) => known === options["log-level"]);
  if (options["log-level"] !== undefined && level === undefined) throw new CommandError(`--log-level: one of ${LOG_LEVELS.join(", ")}`);
  return {
    ...config,
    state: options.state === undefined ? config.state : { ...config.state, path: options.state },
    telemetry: level === undefined ? config.telemetry : { ...config.telemetry, log: { ...config.telemetry.log, level } },
  };
}
