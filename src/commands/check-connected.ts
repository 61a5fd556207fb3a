import { check } from "./check.ts";
import type { CommandIo } from "./io.ts";
import { buildDestination, buildSource } from "./wire.ts";

/** `wfotel check` with the real sources and destinations behind `--connect`. */
export function checkConnected(argv: readonly string[], io: CommandIo): Promise<number> {
  return check(argv, io, {
    source: (config, traces) => buildSource(config, traces),
    destination: (config) => buildDestination(config, io),
  });
}
