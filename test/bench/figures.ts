/** Arithmetic of measurements. Pure. */

/** The middle one; of an even number the mean of the two. NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** The nearest-rank quantile: the smallest value that at least `share` (0 to 1) of all do not exceed. NaN of none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

/** How many times as much the later part of a series is as its first: of medians, since single samples jump. 1 is flat. */
export function growth(series: readonly number[]): number {
  const third = Math.ceil(series.length / 3);
  return median(series.slice(-third)) / median(series.slice(0, third));
}

/**
 * Each of `ways` in turn, A B A B, so that what the machine does besides falls on all of them alike.
 * @param clock in ms
 * @param warmUp rounds before those that count: V8 optimizes meanwhile
 * @returns the median of each, in µs
 */
export async function interleaved(
  ways: Readonly<Record<string, () => unknown>>,
  { rounds, warmUp }: { readonly rounds: number; readonly warmUp: number },
  clock: () => number,
): Promise<Record<string, number>> {
  const names = Object.keys(ways);
  const times = new Map<string, number[]>(names.map((name) => [name, []]));
  for (let round = -warmUp; round < rounds; round += 1)
    for (const name of names) {
      const startedAt = clock();
      await ways[name]?.();
      if (round >= 0) times.get(name)?.push((clock() - startedAt) * 1_000);
    }
  return Object.fromEntries([...times].map(([name, values]) => [name, median(values)]));
}
