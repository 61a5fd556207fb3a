import type { DrainResult } from "../pipeline/deliver.ts";
import type { Bridge } from "./bridge.ts";
import { EXIT } from "./io.ts";

/** `run --once`: one complete listing, every open run asked for once, everything delivered. */
export async function runOnce(bridge: Bridge, drainTimeout: number, signal: AbortSignal): Promise<number> {
  const { log, store, sources, deliverers } = bridge;
  const read = await Promise.all(sources.map((source) => source.once(signal)));
  const drained = await Promise.all(deliverers.map((deliverer) => deliverer.drain(drainTimeout, signal)));
  for (const [index, result] of drained.entries()) logLeft(bridge, index, result);
  for (const source of sources) {
    for (const { reason, count } of await store.watched(source.name)) {
      if (reason === "ancestor" || reason === "verdict")
        log.warn({ source: source.name, runs: count, reason }, "runs wait for another run and are not sent yet");
    }
  }
  const complete =
    read.every((report) => report.troubles.length === 0) && drained.every((result) => result.empty && result.quarantined === 0);
  return complete ? EXIT.done : EXIT.incomplete;
}

function logLeft({ log, deliverers }: Bridge, index: number, result: DrainResult): void {
  const destination = deliverers[index]?.snapshot().name;
  if (!result.empty) log.error({ destination, reason: result.reason }, "not everything was delivered; the rest stays in the queue");
  if (result.quarantined > 0) log.error({ destination, runs: result.quarantined }, "some runs were quarantined");
}
