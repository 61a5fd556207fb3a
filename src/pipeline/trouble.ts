import type { Reply } from "../sources/source.ts";
import { StoreError } from "../state/store.ts";

/**
 * Why a part of reading stopped short. Nothing has moved then, and it is read again. `storage` and
 * `unavailable` pass by themselves; `refused` and `unauthorized` need somebody.
 */
export interface Trouble {
  readonly kind: "unavailable" | "refused" | "unauthorized" | "storage" | "aborted";
  readonly message: string;
}

export function troubleOf(reply: Exclude<Reply<unknown>, { kind: "ok" }>): Trouble {
  if (reply.kind === "aborted") return { kind: "aborted", message: "stopped" };
  const unauthorized = reply.kind === "refused" && reply.reason === "unauthorized";
  return { kind: unauthorized ? "unauthorized" : reply.kind, message: reply.message };
}

/** A store that cannot be read or written now is an outcome, not an exception; one that is damaged does not come back by itself. */
export async function guarded<T>(work: () => Promise<T>): Promise<T | { readonly trouble: Trouble }> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof StoreError) || error.kind === "corrupt") throw error;
    return { trouble: { kind: "storage", message: `the state cannot be used (${error.kind}): ${error.message}` } };
  }
}
