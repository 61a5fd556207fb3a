import type { Store } from "../state/store.ts";
import type { Clock } from "./clock.ts";

/** A size stands for so long, in ms: it is asked for at every page. */
const VALID_MS = 1_000;

/**
 * Whether the state may take new payloads: below `maxSize` bytes. Where no payload waits there is nothing to wait for
 * either, so whatever fills it then (identities of many runs) does not stop the bridge for ever.
 */
export function roomIn(store: Pick<Store, "size">, maxSize: number, clock: Pick<Clock, "monotonic">): () => Promise<boolean> {
  let lookedAt = Number.NEGATIVE_INFINITY;
  let room = true;
  return async () => {
    if (clock.monotonic() - lookedAt < VALID_MS) return room;
    const { liveBytes, payloadBytes } = await store.size();
    room = liveBytes < maxSize || payloadBytes === 0;
    lookedAt = clock.monotonic();
    return room;
  };
}
