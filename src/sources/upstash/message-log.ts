import type { EventPage, EventQuery, Purpose, Reply } from "../source.ts";
import { bodyKind, decodeEventsBody } from "./decode.ts";
import { type ReadBody, readUpTo } from "./exchange.ts";
import type { Limits } from "./listing.ts";
import { EVENTS_PER_PAGE, eventsQuery } from "./query.ts";
import { parseLog } from "./read.ts";
import { ask, type Channel, type Read } from "./request.ts";

/** The flat message log, where the API has one. */

/** The path that was documented until October 2025, and the one that probably does the same. */
const PATHS = ["/v2/workflows/messageLogs", "/v2/workflows/events"] as const;

export type AskEvents = (query: EventQuery, purpose: Purpose, signal: AbortSignal) => Promise<Reply<EventPage>>;

/** A page that is larger is not kept to be compared with. */
const MOST_KEPT_BYTES = 512 * 1024;

/** What was decoded last, to be compared with. */
interface Last {
  readonly bytes: Buffer;
  readonly page: EventPage;
}

/** What a 200's body was: what it was the last time, or new JSON. */
type Body = { readonly same: EventPage } | { readonly same?: undefined; readonly json: unknown; readonly bytes: Buffer };

/** Remembers which path answered. 404 and 400 of both, or grouped runs instead of events, are `not_found`. */
export function createMessageLog(channel: Channel, limits: Limits): AskEvents {
  let known: number | undefined;
  let last: Last | undefined;
  const pageOf = (body: Body, isNewest: boolean): EventPage => {
    if (body.same !== undefined) return body.same;
    const page = decodeEventsBody(body.json);
    if (isNewest) last = body.bytes.length <= MOST_KEPT_BYTES ? { bytes: body.bytes, page } : undefined;
    return page;
  };
  return async (query, purpose, signal) => {
    const isNewest = query.cursor === undefined && query.workflowRunId === undefined;
    const read = readBody(limits.maxBodyBytes, isNewest ? last : undefined);
    let badRequest: Reply<never> | undefined;
    for (const index of known === 1 ? [1, 0] : [0, 1]) {
      const reply = await askSmaller(channel, `${PATHS[index]}`, query, { purpose, limits, read }, signal);
      if (reply.kind === "ok" && (reply.value.same !== undefined || bodyKind(reply.value.json) !== "runs")) {
        known = index;
        return { ...reply, value: pageOf(reply.value, isNewest) };
      }
      if (reply.kind === "refused" && reply.reason === "bad_request") badRequest = reply;
      else if (reply.kind !== "ok" && (reply.kind !== "refused" || reply.reason !== "not_found")) return reply;
      if (badRequest !== undefined && query.cursor !== undefined && known === index) return badRequest; // the cursor expired, the log is there
    }
    if (badRequest !== undefined && query.cursor !== undefined) return badRequest;
    known = undefined;
    return { kind: "refused", reason: "not_found", message: `${channel.base.host} has no message log` };
  };
}

/** A log to which nothing happens answers with the same bytes at each poll: they are neither parsed nor decoded again. */
function readBody(maxBytes: number, last: Last | undefined): ReadBody<Read<Body>> {
  return async (chunks) => {
    const bytes = await readUpTo(chunks, maxBytes);
    if (bytes === "too_large") return { kind: "too_large" };
    if (last?.bytes.equals(bytes)) return { kind: "value", value: { same: last.page } };
    const read = parseLog(bytes, ["events", "empty", "runs"]);
    return read.kind === "value" ? { kind: "value", value: { json: read.value, bytes } } : read;
  };
}

/** A page over the size limit is asked for with fewer events; its cursor goes on right behind them. */
async function askSmaller(
  channel: Channel,
  path: string,
  query: EventQuery,
  { purpose, limits, read }: { purpose: Purpose; limits: Limits; read: ReadBody<Read<Body>> },
  signal: AbortSignal,
): Promise<Reply<Body>> {
  const count = query.count ?? EVENTS_PER_PAGE;
  let reply: Reply<Body> = { kind: "aborted" };
  for (const fewer of [count, ...[100, 10, 1].filter((smaller) => smaller < count)]) {
    const request = { path: `${path}?${eventsQuery({ ...query, count: fewer })}`, purpose, deadlineMs: limits.deadlineMs, read };
    reply = await ask(channel, request, signal);
    if (reply.kind !== "refused" || reply.reason !== "too_large") break;
  }
  return reply;
}
