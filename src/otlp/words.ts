const MAX_CHARACTERS = 2_048;
/** What is looked at: a hostile answer of megabytes would hold up everything else. */
const MAX_RAW = 64 * 1024;

/**
 * What a backend says, as it may be logged and stored: one line of at most 2,048 characters, without control and other invisible characters. `scrub` takes secrets
 * out: before, while they are as they were sent, and after, lest what was removed between their characters
 * restored one.
 */
export function words(raw: string, scrub: (text: string) => string): string {
  const line = scrub(raw)
    .slice(0, MAX_RAW)
    .replaceAll(/\s+/gu, " ")
    .replaceAll(/[\p{Cc}\p{Cf}\p{Co}\p{Cs}]/gu, "")
    .trim();
  return scrub(line).slice(0, MAX_CHARACTERS).toWellFormed();
}
