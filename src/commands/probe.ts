import type { Destination, Encoding } from "../destinations/destination.ts";
import type { RunSource } from "../sources/source.ts";

/** The smallest question one can ask a source or a destination, and its answer in words. */

export interface Seen {
  readonly ok: boolean;
  readonly text: string;
}

/** Lists one run. */
export async function probeSource(source: RunSource, signal: AbortSignal): Promise<Seen> {
  const reply = await source.list({ count: 1 }, "probe", signal);
  if (reply.kind === "aborted") return { ok: false, text: "aborted" };
  if (reply.kind !== "ok") return { ok: false, text: `${reply.kind} (${reply.reason}): ${reply.message}` };
  const newest = reply.value.runs[0];
  const unreadable = reply.value.unreadable[0];
  if (unreadable !== undefined) return { ok: true, text: `reachable; its newest run cannot be read: ${unreadable.reason}` };
  return { ok: true, text: newest === undefined ? "reachable, no runs yet" : `reachable, newest run ${newest.id}` };
}

/** An ExportTraceServiceRequest without spans; in protobuf that is no bytes at all. */
const EMPTY: Readonly<Record<Encoding, Uint8Array>> = {
  protobuf: new Uint8Array(0),
  json: new TextEncoder().encode('{"resourceSpans":[]}'),
};

/** Sends a request that holds no spans. */
export async function probeDestination(destination: Destination, signal: AbortSignal): Promise<Seen> {
  const outcome = await destination.send(EMPTY[destination.encoding], signal);
  if (outcome.kind === "delivered")
    return { ok: true, text: `accepts OTLP (${destination.encoding})${outcome.warning ? `; it says: ${outcome.warning}` : ""}` };
  if (outcome.kind === "partial") return { ok: false, text: `partly refused an empty request: ${outcome.message}` };
  const status = outcome.status === undefined ? "" : ` (status ${outcome.status})`;
  return { ok: false, text: `${outcome.kind}${status}: ${outcome.kind === "refused" ? outcome.message : outcome.reason}` };
}
