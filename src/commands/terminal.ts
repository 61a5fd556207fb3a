import { styleText } from "node:util";
import type { CommandIo } from "./io.ts";

export interface Terminal {
  /** Colours and bars may be used: somebody looks at a terminal, and did not say NO_COLOR. */
  readonly color: boolean;
  /** Columns. */
  readonly width: number;
  readonly style: (style: Style, text: string) => string;
}

export type Style = "bold" | "dim" | "red" | "green" | "yellow" | "cyan";

/** What stdout can show. */
export function terminalOf({ stdout, env }: Pick<CommandIo, "stdout" | "env">): Terminal {
  const isTerminal = "isTTY" in stdout && stdout.isTTY === true;
  const color = isTerminal && (env.NO_COLOR ?? "") === "" && env.TERM !== "dumb";
  return {
    color,
    width: Math.max(60, Math.min(columnsOf(stdout) ?? 100, 140)),
    style: (style, text) => (color ? styleText(style, text, { validateStream: false }) : text),
  };
}

/** Of a terminal, now: it may be made wider. Undefined where it does not say, or is none. */
export function columnsOf(stream: NodeJS.WritableStream): number | undefined {
  return "columns" in stream && typeof stream.columns === "number" && stream.columns > 0 ? stream.columns : undefined;
}
