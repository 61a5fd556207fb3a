import pino, { type Logger } from "pino";
import type { TelemetryConfig } from "./config.ts";

/**
 * The program's log: JSON lines on stderr, one a fact, never a payload. `auto` and `pretty` draw them for
 * people where stderr is a terminal (or always).
 */
export async function createLog(config: TelemetryConfig["log"], stderr: NodeJS.WritableStream): Promise<Logger> {
  const options = { level: config.level, base: undefined, timestamp: pino.stdTimeFunctions.isoTime };
  const terminal = "isTTY" in stderr && stderr.isTTY === true;
  if (config.format === "json" || (config.format === "auto" && !terminal)) {
    return pino({ ...options, formatters: { level: (label) => ({ level: label }) } }, stderr);
  }
  const { default: pretty } = await import("pino-pretty"); // loaded only where somebody looks
  return pino(options, pretty({ colorize: terminal, destination: stderr, translateTime: "SYS:HH:MM:ss", singleLine: true }));
}
