import type { UnreadableEntry } from "../source.ts";
import { bodyKind, decodeRun, nextCursor } from "./decode.ts";
import { type ReadBody, readUpTo } from "./exchange.ts";
import type { Read } from "./request.ts";
import { scanRuns } from "./scan.ts";

/** What may be made of a 200's body. */

type Kinds = readonly ReturnType<typeof bodyKind>[];

/** A log body, parsed, of one of these kinds. */
export function readLog(maxBytes: number, kinds: Kinds): ReadBody<Read<unknown>> {
  return async (chunks) => {
    const bytes = await readUpTo(chunks, maxBytes);
    return bytes === "too_large" ? { kind: "too_large" } : parseLog(bytes, kinds);
  };
}

export function parseLog(bytes: Buffer, kinds: Kinds): Read<unknown> {
  const text = bytes.toString("utf8");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { kind: "unreadable", reason: /^\s*</.test(text) ? "with an HTML page instead of JSON; is `url` right?" : "not with JSON" };
  }
  if (kinds.includes(bodyKind(value))) return { kind: "value", value };
  return { kind: "unreadable", reason: `not with the JSON of a log: expected an object with ${kinds[0]}` };
}

/** A page whose only run is over the size limit: nothing is kept of it but who it is and where the list goes on. */
export function readIdentities(maxBytes: number): ReadBody<Read<{ readonly unreadable: UnreadableEntry[]; readonly cursor?: string }>> {
  const reason = `too_large: expected a run of at most ${maxBytes} bytes`;
  return async (chunks) => {
    const { entries, cursor, complete } = await scanRuns(chunks);
    if (!complete || entries.length === 0) return { kind: "unreadable", reason: "not with the whole JSON of a log" };
    const unreadable = entries.map((entry, position) => {
      const decoded = decodeRun(entry);
      return decoded.ok
        ? { position, reason, key: { id: decoded.run.id, createdAt: decoded.run.createdAt } }
        : { position, reason, id: decoded.id, content: decoded.content };
    });
    return { kind: "value", value: { unreadable, cursor: nextCursor({ cursor }) } };
  };
}
