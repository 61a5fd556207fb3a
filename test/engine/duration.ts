import type { Millis } from "../../src/fake-upstash/wire.ts";

const UNITS: Readonly<Record<string, Millis>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** "7d", "1d2h30m", "10s" or a bare number of seconds, in ms. */
export function parseDuration(text: string): Millis {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1_000;
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)([smhd])/g)];
  if (parts.length === 0 || parts.map(([whole]) => whole).join("") !== text) throw new RangeError(`not a duration: ${text}`);
  return parts.reduce((sum, [, count, unit = "s"]) => sum + Number(count) * (UNITS[unit] ?? 0), 0);
}

/** Before the next retry, when there were so many: what the expression says, else QStash's own. */
export function backoffMs(expression: string | undefined, retried: number): Millis {
  if (expression !== undefined) return evaluateRetryDelay(expression, retried);
  return Math.round(Math.min(86_400, Math.exp(2.5 * (retried + 1))) * 1_000);
}

const FUNCTIONS: Readonly<Record<string, (...values: number[]) => number>> = {
  pow: Math.pow,
  sqrt: Math.sqrt,
  abs: Math.abs,
  exp: Math.exp,
  floor: Math.floor,
  ceil: Math.ceil,
  round: Math.round,
  min: Math.min,
  max: Math.max,
};

/**
 * `Upstash-Retry-Delay`: an expression for ms over `retried` (0 before the first retry), with the four operations,
 * parentheses and QStash's functions.
 */
function evaluateRetryDelay(expression: string, retried: number): Millis {
  const tokens = expression.match(/\d+(?:\.\d+)?|[a-z]+|\S/g) ?? [];
  let at = 0;
  const take = () => tokens[at++] ?? "";
  const expect = (token: string) => {
    if (take() !== token) throw new RangeError(`not a retry delay: ${expression}`);
  };
  const several = (): number[] => {
    const values = [sum()];
    while (tokens[at] === ",") {
      at++;
      values.push(sum());
    }
    return values;
  };
  const atom = (): number => {
    const token = take();
    if (token === "-") return -atom();
    if (token === "retried") return retried;
    const call = FUNCTIONS[token];
    if (/^\d/.test(token)) return Number(token);
    if (call === undefined && token !== "(") return Number.NaN;
    if (call !== undefined) expect("(");
    const values = several();
    expect(")");
    return call === undefined ? (values[0] ?? Number.NaN) : call(...values);
  };
  const product = (): number => {
    let value = atom();
    while (tokens[at] === "*" || tokens[at] === "/") value = take() === "*" ? value * atom() : value / atom();
    return value;
  };
  function sum(): number {
    let value = product();
    while (tokens[at] === "+" || tokens[at] === "-") value = take() === "+" ? value + product() : value - product();
    return value;
  }
  const value = sum();
  if (at < tokens.length || !Number.isFinite(value)) throw new RangeError(`not a retry delay: ${expression}`);
  return Math.max(0, Math.round(value));
}
