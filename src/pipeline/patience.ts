import type { Reply, RunSource } from "../sources/source.ts";
import { backoff } from "./backoff.ts";
import type { SourceContext } from "./context.ts";

/** A source for work that nobody else repeats: what passes by itself is sat out, for a while. */
export interface PatientSource extends Pick<RunSource, "list" | "fetch" | "events"> {
  /** How often it was asked. */
  requests(): number;
  /** Why it gives no answer; undefined while it does, and for the first moments of a silence. */
  stalled(): string | undefined;
}

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 30_000;
/** A failure that the next request or another worker's gets over is nobody's news. */
const STALLED_AFTER_MS = 3_000;
/** With no answer at all for so long, it gives up. */
export const GIVE_UP_AFTER_MS = 600_000;

export function patientSource({ source, clock }: Pick<SourceContext, "source" | "clock">): PatientSource {
  let answeredAt = clock.monotonic();
  let failure: string | undefined;
  let requests = 0;

  async function ask<T>(send: () => Promise<Reply<T>>, signal: AbortSignal): Promise<Reply<T>> {
    for (let failures = 0; ; failures += 1) {
      const reply = await send();
      requests += 1;
      if (reply.kind !== "unavailable") {
        answeredAt = clock.monotonic();
        failure = undefined;
        return reply;
      }
      failure = reply.message;
      if (signal.aborted || clock.monotonic() - answeredAt > GIVE_UP_AFTER_MS) return reply;
      const pause = backoff(failures, clock.random(), FIRST_PAUSE_MS, LONGEST_PAUSE_MS);
      await clock.sleep(Math.max(reply.retryAfterMs ?? 0, pause), signal);
    }
  }

  return {
    requests: () => requests,
    stalled: () => (clock.monotonic() - answeredAt < STALLED_AFTER_MS ? undefined : failure),
    list: (query, purpose, signal) => ask(() => source.list(query, purpose, signal), signal),
    events: (query, purpose, signal) => ask(() => source.events(query, purpose, signal), signal),
    fetch: (keys, purpose, signal) => ask(() => source.fetch(keys, purpose, signal), signal),
  };
}
