import type { Outcome } from "../destinations/destination.ts";
import { keyOf } from "../model/run.ts";
import type { Batch } from "./batch.ts";
import { type DeliveryState, NO_STREAK, putBack, type Refusal } from "./delivery-state.ts";
import { pauseMisconfigured } from "./pause.ts";
import type { Loaded } from "./queue.ts";

/**
 * Runs that are refused by themselves: their own fault, or does the destination refuse everything? Until
 * the next answers tell they are held, neither delivered nor quarantined.
 */

/** Refusals in a row, of different runs with one status and nothing delivered between, that mean it is not the runs' fault. */
const REFUSALS_IN_A_ROW = 5;

type Refused = Extract<Outcome, { kind: "refused" }>;

/** A lone run was refused. @throws StoreError */
export async function holdRefused(state: DeliveryState, { batch, items }: Loaded, outcome: Refused): Promise<void> {
  const [item] = items;
  if (item === undefined) return;
  if (state.pause?.cause === "refuses") {
    release(state, [batch]);
    return refusesEverything(state, outcome);
  }
  if (state.streak.status !== outcome.status) releaseHeld(state);
  const { held, settled } = state.streak;
  const refusals = [...held, { batch, key: item.key, part: item.part }];
  state.streak = { status: outcome.status, held: refusals, settled };
  const runs = new Set([...refusals, ...settled].map((refusal) => keyOf(refusal.key)));
  if (runs.size < REFUSALS_IN_A_ROW) return;
  releaseHeld(state);
  refusesEverything(state, outcome);
  await takeBack(state, settled);
}

function refusesEverything(state: DeliveryState, { status, message }: Refused): void {
  pauseMisconfigured(state, `refuses everything with ${status}: ${message}`, "refuses");
}

/** Something was delivered, or everything is refused: what was held goes back, to be taken apart if it is refused again. */
export function releaseHeld(state: DeliveryState): void {
  release(
    state,
    state.streak.held.map((refusal) => refusal.batch),
  );
  state.streak = NO_STREAK;
}

function release(state: DeliveryState, batches: readonly Batch[]): void {
  for (const batch of batches) batch.refused = true;
  putBack(state, batches);
}

/** Nothing else is left to try: the first that is held is to be taken apart, and quarantined if nothing of it is accepted. */
export function decideHeld(state: DeliveryState): void {
  const { status, held, settled } = state.streak;
  const [first, ...rest] = held;
  if (first === undefined) return;
  first.batch.refused = true;
  state.streak = { status, held: rest, settled: [...settled, first] };
}

/** Runs of this streak that went into quarantine meanwhile. @throws StoreError */
async function takeBack({ context: { store, destination, now } }: DeliveryState, refusals: readonly Refusal[]): Promise<void> {
  for (const { key, part } of refusals) {
    const entries = await store.quarantined({ destination: destination.name, runId: key.id });
    const own = entries.filter((entry) => entry.key.createdAt === key.createdAt && entry.part === part);
    await store.requeue(
      own.map((entry) => entry.id),
      now(),
    );
  }
}
