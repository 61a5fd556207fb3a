/** Numbers in [0, 1), the same for the same seed (mulberry32). */
export type Random = () => number;

export function seeded(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** An integer from `low` to `high`, both included. */
export const between = (random: Random, low: number, high: number) => low + Math.floor(random() * (high - low + 1));

const LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/** `wfr_` and 21 letters or digits, as the SDK makes them; `msg_` ids are longer. */
export function newId(random: Random, prefix: "wfr" | "msg" | "dlq"): string {
  const letters = Array.from({ length: prefix === "msg" ? 40 : 21 }, () => LETTERS[between(random, 0, LETTERS.length - 1)]);
  return `${prefix}_${letters.join("")}`;
}
