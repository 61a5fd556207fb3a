import type { EventPage, EventQuery, Purpose, Reply } from "../source.ts";
import { bodyKind, decodeEventsBody } from "./decode.ts";
import type { Limits } from "./listing.ts";
import { EVENTS_PER_PAGE, eventsQuery } from "./query.ts";
import { readLog } from "./read.ts";
import { ask, type Channel } from "./request.ts";

/** The flat message log, where the API has one. */

/** The path that was documented until October 2025, and the one that probably does the same. */
const PATHS = ["/v2/workflows/messageLogs", "/v2/workflows/events"] as const;

export type AskEvents = (query: EventQuery, purpose: Purpose, signal: AbortSignal) => Promise<Reply<EventPage>>;

/** Remembers which path answered. 404 and 400 of both, or grouped runs instead of events, are `not_found`. */
export function createMessageLog(channel: Channel, limits: Limits): AskEvents {
  let known: number | undefined;
  return async (query, purpose, signal) => {
    let badRequest: Reply<never> | undefined;
    for (const index of known === 1 ? [1, 0] : [0, 1]) {
      const reply = await askSmaller(channel, `${PATHS[index]}`, query, { purpose, limits }, signal);
      if (reply.kind === "ok" && bodyKind(reply.value) !== "runs") {
        known = index;
        return { ...reply, value: decodeEventsBody(reply.value) };
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

/** A page over the size limit is asked for with fewer events; its cursor goes on right behind them. */
async function askSmaller(
  channel: Channel,
  path: string,
  query: EventQuery,
  { purpose, limits }: { purpose: Purpose; limits: Limits },
  signal: AbortSignal,
): Promise<Reply<unknown>> {
  const read = readLog(limits.maxBodyBytes, ["events", "empty", "runs"]);
  const count = query.count ?? EVENTS_PER_PAGE;
  let reply: Reply<unknown> = { kind: "aborted" };
  for (const fewer of [count, ...[100, 10, 1].filter((smaller) => smaller < count)]) {
    const request = { path: `${path}?${eventsQuery({ ...query, count: fewer })}`, purpose, deadlineMs: limits.deadlineMs, read };
    reply = await ask(channel, request, signal);
    if (reply.kind !== "refused" || reply.reason !== "too_large") break;
  }
  return reply;
}
