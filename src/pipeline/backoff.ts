/** Exponential backoff with full jitter: a time in (0, min(cap, base · 2^attempt)], in ms. `attempt` counts from 0. */
export function backoff(attempt: number, random: number, base = 1_000, cap = 300_000): number {
  return Math.max(1, Math.ceil(Math.min(cap, base * 2 ** Math.min(attempt, 30)) * (1 - random)));
}
