import type { Millis } from "../model/run.ts";
import type { UpstashSourceConfig } from "../sources/upstash/config.ts";
import type { SourceState } from "../state/source-state.ts";
import { type Store, StoreError } from "../state/store.ts";

/** An identity outlives what the API still shows by this much. */
const MARGIN_MS = 86_400_000;
/** How long identities live while nothing is known of the API's retention; a sweep that learnt nothing saw nothing that had ended a day before. */
const UNKNOWN_RETENTION_MS = 30 * 86_400_000;

/** Forgets what can never be shown again, trims the quarantine, ends removed destinations. A store that cannot write now is left alone. */
export async function maintainStore(store: Store, sources: readonly UpstashSourceConfig[], now: Millis): Promise<void> {
  try {
    const forgetBefore: Record<string, Millis> = {};
    for (const source of sources) {
      const state = await store.readSource(source.name);
      if (state !== undefined) forgetBefore[source.name] = forgetLimit(source, state, now);
    }
    await store.maintain({ now, forgetBefore });
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
  }
}

/**
 * Runs that ended before this are shown by no listing any more. It counts from what the API itself was seen
 * to have created last, so that a wrong clock of ours forgets nothing; where the retention is learnt, from the
 * last complete sweep: whatever is still visible was visible then, and so had ended that long before, at most.
 * One sweep may have been shown less than there is: what the one before it saw is remembered as long.
 */
export function forgetLimit(source: Pick<UpstashSourceConfig, "retention">, state: SourceState, now: Millis): Millis {
  if (state.watermark === undefined) return 0;
  const latest = Math.min(now, state.watermark);
  if (source.retention !== undefined) return latest - source.retention - MARGIN_MS;
  const { learnedRetentionMs: learned, previousRetentionMs: previous = 0 } = state;
  const sweptAt = state.sweep?.finishedAt;
  if (sweptAt === undefined || learned === undefined) return latest - UNKNOWN_RETENTION_MS - MARGIN_MS;
  return Math.min(latest, sweptAt) - Math.max(learned, previous) - MARGIN_MS;
}
