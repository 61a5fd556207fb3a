import type { Millis, RunKey } from "../model/run.ts";
import type { Store } from "../state/store.ts";
import type { Bridge } from "./bridge.ts";
import type { CommandIo } from "./io.ts";
import { pause } from "./job.ts";

/** What becomes of runs that were queued again: for `quarantine retry` and `verify --repair`. */

export interface QueuedRun {
  readonly source: string;
  readonly key: RunKey;
  /** Absent: all destinations. */
  readonly destination?: string;
}

/** Waits until the running bridge has settled these. How many it has not, because it made no headway for `patience` ms. */
export async function waitSettled(store: Store, runs: readonly QueuedRun[], patience: number, io: CommandIo): Promise<number> {
  let before = Number.POSITIVE_INFINITY;
  let since = performance.now();
  for (;;) {
    const left = await countUnsettled(store, runs);
    if (left === 0) return 0;
    if (left !== before) {
      io.stderr.write(`${left} of ${runs.length} to be settled\n`);
      before = left;
      since = performance.now();
    } else if (performance.now() - since > patience) return left;
    await pause(io, "the bridge goes on delivering");
  }
}

/**
 * Waits until the running bridge has settled whatever was queued before `until`. How many deliveries it has not,
 * because it made no headway for `patience` ms; later ones are counted with them.
 */
export async function waitDelivered(store: Store, until: Millis, patience: number, io: CommandIo): Promise<number> {
  let before = Number.POSITIVE_INFINITY;
  let since = performance.now();
  for (;;) {
    const { destinations } = await store.status(Date.now());
    const busy = destinations.filter(({ removedAt, oldestQueuedAt }) => removedAt === undefined && (oldestQueuedAt ?? until + 1) <= until);
    const left = busy.reduce((sum, { queued }) => sum + queued, 0);
    if (left === 0) return 0;
    if (left !== before) {
      before = left;
      since = performance.now();
    } else if (performance.now() - since > patience) return left;
    await pause(io, "the bridge goes on delivering");
  }
}

/** Without a running bridge: delivers what is queued, fetching first what has to be fetched again. */
export async function deliverAlone(
  bridge: Bridge,
  runs: readonly QueuedRun[],
  { fetch, patience }: { readonly fetch: boolean; readonly patience: number },
  signal: AbortSignal,
): Promise<number> {
  if (fetch) await Promise.all(bridge.sources.map((source) => source.once(signal)));
  await Promise.all(bridge.deliverers.map((deliverer) => deliverer.drain(patience, signal)));
  return countUnsettled(bridge.store, runs);
}

async function countUnsettled(store: Store, runs: readonly QueuedRun[]): Promise<number> {
  let left = 0;
  for (const [source, own] of Map.groupBy(runs, (run) => run.source)) {
    const outcomes = await store.outcomes(
      source,
      own.map((run) => run.key),
    );
    for (const [i, { destination }] of own.entries()) {
      const { phase, destinations = {} } = outcomes[i] ?? {};
      const words = destination === undefined ? Object.values(destinations) : [destinations[destination]];
      if (words.some((word) => word === "queued" || word === "refetch") || (destination === undefined && phase === "waiting")) left += 1;
    }
  }
  return left;
}
