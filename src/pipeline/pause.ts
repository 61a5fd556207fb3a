import { StoreError } from "../state/store.ts";
import { backoff } from "./backoff.ts";
import type { DeliveryState, Pause } from "./delivery-state.ts";

/** When a destination is left alone, for how long, and how that is shown. */

/** A destination that accepts nothing is probed at growing intervals, in ms. */
const PROBE_BASE_MS = 5_000;
const PROBE_CAP_MS = 300_000;
/** `Retry-After: 0` is a promise that a busy server does not keep: up to a second all the same. */
const RETRY_AFTER_FLOOR_MS = 1_000;
/** A busy destination is worth a line once it was so this often in a row. */
const BUSY_LOGGED_AT = 2;

/** It passes by itself; a destination that is paused for another reason stays so. @param wait in ms, given how often it was so in a row */
export function pauseBusy(state: DeliveryState, reason: string, wait: (attempts: number) => number): void {
  const { log, destination } = state.context;
  const attempts = nextAttempt(state);
  if (attempts === BUSY_LOGGED_AT)
    log.warn({ destination: destination.name, reason }, "the destination is not available: everything is kept");
  const lasting = state.pause?.cause === "busy" ? undefined : state.pause;
  setPause(state, { attempts, reason: lasting?.reason ?? reason, cause: lasting?.cause ?? "busy" }, wait(attempts));
}

/** Nothing will be accepted until somebody mends something. */
export function pauseMisconfigured(state: DeliveryState, reason: string, cause: "misconfigured" | "refuses"): void {
  const { log, destination } = state.context;
  const again = state.pause !== undefined && state.pause.cause !== "busy";
  const attempts = again ? nextAttempt(state) : 0;
  if (!again) {
    const line = "the destination is paused: everything is kept, and it is tried again from time to time";
    log.error({ destination: destination.name, reason }, line);
  }
  setPause(state, { attempts, reason, cause }, Math.min(PROBE_CAP_MS, PROBE_BASE_MS * 2 ** Math.min(attempts, 10)));
}

/** What was on its way when the pause began says nothing new. */
function nextAttempt({ pause, context: { clock } }: DeliveryState): number {
  if (pause === undefined) return 0;
  return pause.attempts + (clock.monotonic() >= pause.until ? 1 : 0);
}

function setPause(state: DeliveryState, pause: Omit<Pause, "until" | "after" | "since">, wait: number): void {
  const { clock, now } = state.context;
  const until = Math.max(clock.monotonic() + wait, state.pause?.until ?? 0);
  state.pause = { ...pause, until, after: state.sent, since: state.pause?.since ?? now() };
}

/** The destination took the n-th request for what it is: the pause is over, unless that request had left before it began. */
export function answered(state: DeliveryState, number: number): void {
  if (number > (state.pause?.after ?? 0)) resume(state);
}

export function resume(state: DeliveryState): void {
  const { log, destination } = state.context;
  const { pause } = state;
  if (pause === undefined) return;
  if (pause.cause !== "busy" || pause.attempts >= BUSY_LOGGED_AT)
    log.info({ destination: destination.name }, "the destination accepts again");
  state.pause = undefined;
}

/** How long to wait before an attempt is repeated: as long as the other side says, else exponentially longer. */
export function retryDelay(state: DeliveryState, attempts: number, retryAfterMs: number | undefined, cap?: number): number {
  const own = backoff(attempts, state.context.clock.random(), undefined, cap);
  return retryAfterMs === undefined ? own : Math.max(retryAfterMs, Math.min(own, RETRY_AFTER_FLOOR_MS));
}

/** Leaves word for `status`, which is another process. */
export async function showPause(state: DeliveryState): Promise<void> {
  const { store, destination } = state.context;
  const { pause } = state;
  if (state.shownPause === pause?.reason) return;
  try {
    state.shownPause = pause?.reason;
    await store.setPaused(destination.name, pause && { reason: pause.reason, since: pause.since });
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    state.shownPause = null;
  }
}
