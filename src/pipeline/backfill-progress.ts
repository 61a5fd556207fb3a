import * as z from "zod";
import type { DateReading } from "../state/source-state.ts";
import { StoreError } from "../state/store.ts";
import type { BackfillCounts } from "./backfill-counts.ts";
import type { Clock } from "./clock.ts";
import type { SourceContext } from "./context.ts";
import type { PatientSource } from "./patience.ts";
import type { Window } from "./windows.ts";

/** How far a backfill is: shown, and stored in its job, so that whoever goes on with it knows what is left. */

export interface SourceBackfill {
  readonly source: string;
  /** All that is listed for it, and what of that is still to be done. */
  readonly range: Window;
  readonly left: readonly Window[];
  /** Of the windows that are done. */
  readonly counts: BackfillCounts;
  readonly requests: number;
  /** Requests per second that it may use now. */
  readonly allowed: number;
  /** How long it ran, in ms; like the requests, with what was done of it before it was stopped. */
  readonly took: number;
  readonly dates?: DateReading | undefined;
  /** Why the API gives no answer now. */
  readonly stalled?: string | undefined;
  readonly complete: boolean;
  /** Why it is not complete. */
  readonly trouble?: string;
}

export type Report = (progress: SourceBackfill) => Promise<void>;

const windowSchema = z.object({ from: z.number(), to: z.number() });

/** What a stopped backfill has left, as far as a row that another version wrote can be believed. */
export const leftSchema = z.object({
  sources: z.array(
    z.object({
      source: z.string(),
      range: windowSchema,
      left: z.array(windowSchema),
      counts: z.record(z.string(), z.number()),
      requests: z.number(),
      took: z.number().default(0),
    }),
  ),
});

/** What was done of the same range before. */
export type Before = z.infer<typeof leftSchema>["sources"][number] | undefined;

/** Shown also while nothing happens, in ms. */
const TICK_MS = 1_000;

/** What is told of a source beside how far its windows are. */
export function createProgress({ source, clock }: Pick<SourceContext, "source" | "clock">, asked: PatientSource, before: Before) {
  const startedAt = clock.monotonic();
  return (now: Pick<SourceBackfill, "range" | "left" | "counts" | "dates">): SourceBackfill => ({
    ...now,
    source: source.name,
    requests: (before?.requests ?? 0) + asked.requests(),
    allowed: source.budget().allowed,
    took: (before?.took ?? 0) + clock.monotonic() - startedAt,
    stalled: asked.stalled(),
    complete: false,
  });
}

/** Reports once a second until `work` is done. @throws what `work` throws */
export async function reporting<T>(clock: Clock, report: () => Promise<void>, work: () => Promise<T>): Promise<T> {
  const done = new AbortController();
  const ticking = tick(clock, report, done.signal);
  try {
    return await work();
  } finally {
    done.abort();
    await ticking;
  }
}

/** A state that cannot be written now is met by the work itself. */
async function tick(clock: Clock, report: () => Promise<void>, signal: AbortSignal): Promise<void> {
  for (;;) {
    await clock.sleep(TICK_MS, signal);
    if (signal.aborted) return;
    await report().catch((error: unknown) => {
      if (!(error instanceof StoreError)) throw error;
    });
  }
}
