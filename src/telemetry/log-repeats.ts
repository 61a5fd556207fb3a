/** What becomes of one line: left out, or written, with how many like it were left out before. */
export type Judged = { readonly write: false } | { readonly write: true; readonly suppressed: number };

/** Different lines that are remembered; past it, the memory starts anew. */
const MAX_KEYS = 1_000;

/**
 * Lets so many lines of a kind through in each window of `windowMs` and counts the others: a loop that says the same
 * thing every second for a night must not fill the disk, nor hide what else is said.
 *
 * @param monotonic ms that never jump
 */
export function createRepeatLimit(windowMs: number, monotonic: () => number): (kind: string, limit: number) => Judged {
  const kinds = new Map<string, { since: number; written: number; suppressed: number }>();
  return (kind, limit) => {
    const now = monotonic();
    let seen = kinds.get(kind);
    if (seen === undefined) {
      if (kinds.size >= MAX_KEYS) kinds.clear();
      seen = { since: now, written: 0, suppressed: 0 };
      kinds.set(kind, seen);
    }
    if (now - seen.since >= windowMs) Object.assign(seen, { since: now, written: 0 });
    if (seen.written >= limit) {
      seen.suppressed += 1;
      return { write: false };
    }
    seen.written += 1;
    const { suppressed } = seen;
    seen.suppressed = 0;
    return { write: true, suppressed };
  };
}
