import pino, { type Logger, type LoggerOptions } from "pino";
import type { TelemetryConfig } from "./config.ts";
import { createRepeatLimit } from "./log-repeats.ts";

/** Lines like one another (level, message, source or destination) that are written in a minute; `debug` and `trace` are for who asks for all. */
const WINDOW_MS = 60_000;
const LIMITS: Readonly<Record<string, number>> = { info: 60, warn: 5, error: 5 };

/**
 * The program's log: JSON lines on stderr, one a fact, never a payload. `auto` and `pretty` draw them for
 * people where stderr is a terminal (or always).
 */
export async function createLog(config: TelemetryConfig["log"], stderr: NodeJS.WritableStream): Promise<Logger> {
  const options = { level: config.level, base: undefined, timestamp: pino.stdTimeFunctions.isoTime, hooks: limitRepeats() };
  const terminal = "isTTY" in stderr && stderr.isTTY === true;
  if (config.format === "json" || (config.format === "auto" && !terminal)) {
    return pino({ ...options, formatters: { level: (label) => ({ level: label }) } }, stderr);
  }
  const { default: pretty } = await import("pino-pretty"); // loaded only where somebody looks
  return pino(options, pretty({ colorize: terminal, destination: stderr, translateTime: "SYS:HH:MM:ss", singleLine: true }));
}

function limitRepeats(): NonNullable<LoggerOptions["hooks"]> {
  const judge = createRepeatLimit(WINDOW_MS, () => performance.now());
  return {
    logMethod(args, method, level) {
      const limit = LIMITS[this.levels.labels[level] ?? ""];
      if (limit === undefined) return method.apply(this, args);
      const [first, message] = args as unknown[];
      const details = typeof first === "object" && first !== null ? (first as Record<string, unknown>) : undefined;
      const judged = judge(JSON.stringify([level, details ? message : first, details?.source, details?.destination]), limit);
      if (!judged.write) return;
      if (judged.suppressed === 0) return method.apply(this, args);
      const said = { ...details, suppressed: judged.suppressed };
      method.apply(this, [said, details ? message : first] as unknown as typeof args);
    },
  };
}
