import { createHash } from "node:crypto";
import { keyOf } from "../model/run.ts";
import type { UnreadableEntry } from "../sources/source.ts";
import type { PageCommit } from "../state/store.ts";
import { redactorOf } from "../trace/mapping.ts";
import type { SourceContext } from "./context.ts";

/**
 * Entries of a page that are no run go into the quarantine: nobody knows whether one was a run that ended. The store
 * keeps and counts each once; the log names each once in the life of the process.
 */
export function unreadableRows(
  { source, log, settings }: Pick<SourceContext, "source" | "log" | "settings">,
  entries: readonly UnreadableEntry[],
  warned: Set<string>,
): NonNullable<PageCommit["unreadable"]> {
  return entries.map((entry) => {
    const { position, beside, reason, key, id } = entry;
    const hash = key === undefined ? hashOf(entry, settings) : undefined;
    if (isNews(warned, `entry ${key === undefined ? hash : keyOf(key)}`)) {
      const where = { position, ...(beside && { beside: `${beside.id}@${beside.createdAt}` }) };
      log.warn(
        { source: source.name, run: key?.id ?? id, createdAt: key?.createdAt, ...where, entry: hash, reason },
        "a run could not be read",
      );
    }
    return {
      key: key ?? { id: id ?? `unreadable ${hash}`, createdAt: 0 },
      reason: reason.startsWith("too_large") ? "too_large" : "unreadable",
      message: hash === undefined ? reason : `${reason} (entry ${hash})`,
      count: "unreadable",
    };
  });
}

/** Tells entries without a key apart; of what it is made nobody can read a secret. 64 bits as hex. */
function hashOf({ content, reason }: UnreadableEntry, settings: SourceContext["settings"]): string {
  const text = redactorOf(settings).payload(JSON.stringify([reason, content ?? null]));
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}

/** So many different words are remembered as warned about. */
const MAX_WARNED = 1_000;

/** Remembers the word; false if it was there. */
export function isNews(warned: Set<string>, word: string): boolean {
  if (warned.has(word)) return false;
  if (warned.size >= MAX_WARNED) warned.clear();
  warned.add(word);
  return true;
}
