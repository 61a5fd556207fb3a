import type { Millis } from "../model/run.ts";
import type { UpstashSourceConfig } from "../sources/upstash/config.ts";
import type { SourceState } from "../state/source-state.ts";
import { type Store, StoreError } from "../state/store.ts";

/** An identity outlives what the API still shows by this much. */
const MARGIN_MS = 86_400_000;
/** How long identities live while nothing is known of the API's retention: longer than any plan keeps runs. */
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
 * last complete sweep: whatever is still visible was visible then, and so was at most that old.
 */
export function forgetLimit(source: Pick<UpstashSourceConfig, "retention">, state: SourceState, now: Millis): Millis {
  if (state.watermark === undefined) return 0;
  const latest = Math.min(now, state.watermark);
  if (source.retention !== undefined) return latest - source.retention - MARGIN_MS;
  const sweptAt = state.sweep?.finishedAt;
  if (sweptAt === undefined || state.learnedRetentionMs === undefined) return latest - UNKNOWN_RETENTION_MS - MARGIN_MS;
  return Math.min(latest, sweptAt) - state.learnedRetentionMs - MARGIN_MS;
}
