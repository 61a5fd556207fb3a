import type { Purpose, Reply, RunPage, RunQuery, RunSource } from "../sources/source.ts";
import { type Trouble, troubleOf } from "./trouble.ts";

/** Pages through the grouped log, newest first: the one place that knows cursors, and what goes wrong with them. */

export type OkPage = Reply<RunPage> & { readonly kind: "ok" };

export interface Paging {
  readonly query: Omit<RunQuery, "cursor">;
  readonly purpose: Purpose;
  /** Where to go on. */
  readonly cursor?: string | undefined;
  /** So often the listing begins again where a cursor has expired. */
  readonly restarts: number;
  /** True: that is enough. */
  readonly visit: (page: OkPage) => Promise<boolean>;
  /** What was visited so far comes again. */
  readonly onRestart?: () => void;
  readonly maxPages?: number | undefined;
}

export interface Paged {
  /** It came to its end, or to what is enough; false: there is more behind `cursor`. */
  readonly complete: boolean;
  readonly cursor?: string | undefined;
  readonly trouble?: Trouble;
}

/** Throws nothing of its own; what `visit` throws goes through. */
export async function readPages(source: Pick<RunSource, "list">, paging: Paging, signal: AbortSignal): Promise<Paged> {
  const { query, purpose, restarts, visit, maxPages = Number.POSITIVE_INFINITY } = paging;
  const seen = new Set<string>();
  let { cursor } = paging;
  let restarted = 0;
  for (let pages = 0; pages < maxPages; pages += 1) {
    const reply = await source.list({ ...query, ...(cursor !== undefined && { cursor }) }, purpose, signal);
    if (reply.kind === "refused" && reply.reason === "bad_request" && cursor !== undefined && restarted < restarts) {
      restarted += 1;
      seen.clear();
      cursor = undefined;
      paging.onRestart?.();
      continue;
    }
    if (reply.kind !== "ok") return { complete: false, cursor, trouble: troubleOf(reply) };
    const enough = await visit(reply);
    const next = reply.value.cursor;
    if (next === undefined || enough) return { complete: true, cursor: next ?? cursor };
    cursor = next;
    if (seen.has(next)) return { complete: false, cursor, trouble: REPEATED };
    seen.add(next);
  }
  return { complete: false, cursor };
}

const REPEATED: Trouble = { kind: "refused", message: "the API repeats a cursor: its paging does not end" };
