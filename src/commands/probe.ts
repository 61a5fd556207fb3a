import { access, constants, stat } from "node:fs/promises";
import { dirname } from "node:path";
import type { Destination, Encoding } from "../destinations/destination.ts";
import type { WorkflowRun } from "../model/run.ts";
import type { Reply, RunSource } from "../sources/source.ts";

/** The smallest question one can ask a source or a destination, and its answer in words. */

export interface Seen {
  readonly ok: boolean;
  readonly text: string;
}

export interface SeenSource extends Seen {
  /** The newest runs. */
  readonly runs: readonly WorkflowRun[];
}

/** Lists a few runs, and asks whether there is a message log; without one, `detail: messages` cannot be had. */
export async function probeSource(source: RunSource, detail: "auto" | "messages" | "runs", signal: AbortSignal): Promise<SeenSource> {
  const reply = await source.list({ count: 10 }, "probe", signal);
  if (reply.kind !== "ok") return { ok: false, text: troubleOf(reply), runs: [] };
  const { runs, unreadable } = reply.value;
  const log = await source.events({ count: 1 }, "probe", signal);
  const newest = runs[0] === undefined ? "no runs yet" : `newest run ${runs[0].id}`;
  const odd = unreadable[0] === undefined ? "" : `, ${unreadable.length} of the newest cannot be read (${unreadable[0].reason})`;
  const said = log.kind === "ok" ? "answers" : `${troubleOf(log)}${detail === "messages" ? "; detail: messages needs it" : ""}`;
  return { ok: log.kind === "ok" || detail !== "messages", text: `reachable, ${newest}${odd}; message log: ${said}`, runs };
}

function troubleOf(reply: Exclude<Reply<unknown>, { kind: "ok" }>): string {
  return reply.kind === "aborted" ? "aborted" : `${reply.kind} (${reply.reason}): ${reply.message}`;
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
  return {
    ok: false,
    text: `${outcome.kind === "retry" ? "unavailable" : outcome.kind}${status}: ${outcome.kind === "refused" ? outcome.message : outcome.reason}`,
  };
}

/** Whether a file can be written, or made; it is left as it is. */
export async function probeFile(path: string): Promise<Seen> {
  const found = await stat(path).catch(errorCode);
  if (found === "ENOENT") {
    const refused = await access(dirname(path), constants.W_OK | constants.X_OK).then(() => undefined, errorCode);
    if (refused === "ENOENT") return { ok: false, text: "its folder is not there (ENOENT): create it" };
    return refused === undefined
      ? { ok: true, text: "its file can be created" }
      : { ok: false, text: `its folder cannot be written (${refused})` };
  }
  if (typeof found !== "string" && found.isDirectory()) return { ok: false, text: "its path is a folder, not a file" };
  const refused = typeof found === "string" ? found : await access(path, constants.W_OK).then(() => undefined, errorCode);
  return refused === undefined
    ? { ok: true, text: "its file can be written" }
    : { ok: false, text: `its file cannot be written (${refused})` };
}

function errorCode(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}
