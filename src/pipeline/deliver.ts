import type { Outcome } from "../destinations/destination.ts";
import { StoreError } from "../state/store.ts";
import { createDeliveryState, type DeliverContext, type DeliveryState, putBack } from "./delivery-state.ts";
import { attempt } from "./outcome.ts";
import { pauseBusy, resume, retryDelay, showPause } from "./pause.ts";
import { type Loaded, loadBatch, nextBatch } from "./queue.ts";
import { decideHeld } from "./refusals.ts";

/**
 * Delivers one destination's queue, oldest first. What is not settled stays in the store, so stopping at
 * any moment only means sending again: the same bytes.
 */
export interface Deliverer {
  /** Delivers until `signal` is aborted; then gives requests in flight up to `grace` ms. */
  run(signal: AbortSignal, grace: number): Promise<void>;
  /** Delivers until the queue is empty, the destination is paused for good, or nothing was accepted for `timeout` ms. */
  drain(timeout: number, signal: AbortSignal): Promise<DrainResult>;
  snapshot(): DelivererSnapshot;
}

export interface DrainResult {
  /** The queue is empty. */
  readonly empty: boolean;
  readonly reason?: string;
  readonly quarantined: number;
}

export interface DelivererSnapshot {
  readonly name: string;
  readonly inFlight: number;
  readonly paused?: string;
  readonly delivered: number;
  readonly quarantined: number;
}

/** How often the queue is looked at without being rung for, in ms: while something is in it, and while nothing is (whoever fills it rings). */
const LOOK_EVERY_MS = 1_000;
const LOOK_IDLE_MS = 30_000;
/** What requests in flight get when a drain is stopped, in ms. */
const DRAIN_GRACE_MS = 5_000;

export function createDeliverer(context: DeliverContext): Deliverer {
  const state = createDeliveryState(context);
  return {
    async run(signal, grace) {
      const requests = new AbortController();
      while (!signal.aborted && state.bug === undefined) {
        const idle = await step(state, requests.signal, signal);
        if (idle) await context.wake.wait(LOOK_IDLE_MS, signal);
      }
      await finish(state, requests, grace);
    },
    async drain(timeout, signal) {
      const requests = new AbortController();
      const result = await drain(state, timeout, requests.signal, signal);
      await finish(state, requests, signal.aborted ? DRAIN_GRACE_MS : 0);
      return { ...result, quarantined: state.quarantined };
    },
    snapshot: () => ({
      name: context.destination.name,
      inFlight: state.inFlight.size,
      ...(state.pause && { paused: state.pause.reason }),
      delivered: state.delivered,
      quarantined: state.quarantined,
    }),
  };
}

async function finish(state: DeliveryState, requests: AbortController, grace: number): Promise<void> {
  const { clock } = state.context;
  const end = clock.monotonic() + grace;
  while (state.inFlight.size > 0 && clock.monotonic() < end) await clock.sleep(20, requests.signal);
  requests.abort();
  while (state.inFlight.size > 0) await clock.sleep(5, new AbortController().signal);
  if (state.bug !== undefined) throw state.bug.error;
}

async function drain(
  state: DeliveryState,
  timeout: number,
  requests: AbortSignal,
  signal: AbortSignal,
): Promise<Omit<DrainResult, "quarantined">> {
  const { clock } = state.context;
  let progress = -1;
  let since = clock.monotonic();
  for (;;) {
    if (await step(state, requests, signal)) return { empty: true };
    if (signal.aborted || state.bug !== undefined) return { empty: false, reason: "stopped" };
    const { pause, inFlight } = state;
    if (pause !== undefined && pause.cause !== "busy" && inFlight.size === 0) return { empty: false, reason: pause.reason };
    if (state.succeeded + state.quarantined !== progress) {
      progress = state.succeeded + state.quarantined;
      since = clock.monotonic();
    } else if (clock.monotonic() - since > timeout) {
      return { empty: false, reason: pause?.reason ?? "nothing was accepted in time" };
    }
  }
}

/** Starts one batch, or waits until there may be one. True if the queue is empty and nothing is in flight. */
async function step(state: DeliveryState, requests: AbortSignal, signal: AbortSignal): Promise<boolean> {
  const { context, inFlight } = state;
  const allowed = state.pause === undefined ? context.destination.concurrency : 1;
  const paused = (state.pause?.until ?? 0) - context.clock.monotonic();
  if (paused <= 0 && inFlight.size < allowed) {
    const send: Send = (body) => context.destination.send(body, requests);
    const work = await nextWork(state, send);
    if (work !== undefined && work !== "later") {
      launch(state, work);
      return false;
    }
    if (work === undefined && isEmpty(state)) {
      if (state.pause?.cause === "busy") resume(state);
      await showPause(state);
      return true;
    }
  }
  await context.wake.wait(untilNext(state), signal);
  return false;
}

type Send = (body: Uint8Array) => Promise<Outcome>;
interface Work {
  readonly loaded: Loaded;
  readonly run: () => Promise<void>;
}

function isEmpty({ inFlight, waiting, streak }: DeliveryState): boolean {
  return inFlight.size === 0 && waiting.length === 0 && streak.held.length === 0;
}

/** Undefined: there is nothing to do now. */
async function nextWork(state: DeliveryState, send: Send): Promise<Work | "later" | undefined> {
  try {
    const loaded = await nextBatch(state);
    if (loaded !== undefined) return { loaded, run: () => attempt(state, loaded, send) };
    if (state.inFlight.size > 0) return undefined;
    const held = state.streak.held[0]?.batch;
    const again = held && (await loadBatch(state, held, false));
    decideHeld(state);
    return again && { loaded: again, run: () => attempt(state, again, send) };
  } catch (error) {
    pauseForState(state, error);
    return "later";
  }
}

function launch(state: DeliveryState, work: Work): void {
  state.inFlight.add(work); // not the batch: that may be launched again before this has ended
  void work
    .run()
    .catch((error) => {
      pauseForState(state, error);
      putBack(state, [work.loaded.batch]);
    })
    .then(() => showPause(state))
    .catch((error) => {
      state.bug = { error };
    })
    .finally(() => {
      state.inFlight.delete(work);
      state.context.wake.ring();
    });
}

/** A state that cannot be read or written now: nothing more is sent until it can, or it would all be sent again. */
function pauseForState(state: DeliveryState, error: unknown): void {
  if (!(error instanceof StoreError) || error.kind === "corrupt") throw error;
  const { log, destination } = state.context;
  log.error({ destination: destination.name, kind: error.kind, error: error.message }, "the state cannot be used: delivery waits for it");
  pauseBusy(state, `the state cannot be used (${error.kind})`, (attempts) => retryDelay(state, attempts, undefined));
}

/** In ms: the end of a pause or of a batch's back-off, or soon, whatever is first. What is in flight rings when it is done. */
function untilNext({ context: { clock }, pause, waiting }: DeliveryState): number {
  const now = clock.monotonic();
  const times = [pause?.until ?? 0, ...waiting.map((batch) => batch.notBefore)].filter((time) => time > now);
  return Math.max(1, Math.min(LOOK_EVERY_MS, ...times.map((time) => time - now)));
}
