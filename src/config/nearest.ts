/** Which of the known names a mistyped one most likely means: keys, values of an enumeration, commands. */

/** Longer names are compared by their beginning: none of ours is near this. */
const MAX_LENGTH = 64;

/**
 * The candidate nearest to what was typed: fewest edits, where a beginning (`pol`, `timeout_ms`) counts as about
 * one edit and a part (`interval`) as one and a half. With `limit`, none that is further away than that.
 */
export function nearest(typed: string, candidates: readonly string[], limit = Number.POSITIVE_INFINITY): string | undefined {
  const ranked = candidates.map((candidate) => ({ candidate, far: far(plain(typed), plain(candidate)) }));
  return ranked.filter((one) => one.far <= limit).sort((a, b) => a.far - b.far)[0]?.candidate;
}

/** `pollInterval`, `poll-interval` and `poll_interval` are one key to whoever mistypes it. */
const plain = (key: string) => key.slice(0, MAX_LENGTH).toLowerCase().replaceAll(/[-_.]/g, "");

function far(a: string, b: string): number {
  const edits = distance(a, b);
  const [short, long] = a.length < b.length ? [a, b] : [b, a];
  const rest = (long.length - short.length) / 1_000; // of several that begin alike, the shortest
  if (short.length > 0 && long.startsWith(short)) return Math.min(edits, 1 + rest);
  if (short.length > 2 && long.includes(short)) return Math.min(edits, 1.5 + rest);
  return edits;
}

/** Levenshtein: insertions, deletions and substitutions from one to the other. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const substitution = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substitution, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
