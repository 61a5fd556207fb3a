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
  const columns = "columns" in stdout && typeof stdout.columns === "number" && stdout.columns > 0 ? stdout.columns : 100;
  return {
    color,
    width: Math.max(60, Math.min(columns, 140)),
    style: (style, text) => (color ? styleText(style, text, { validateStream: false }) : text),
  };
}
