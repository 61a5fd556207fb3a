import type { Millis, WireError } from "../../src/fake-upstash/wire.ts";
import type { Core } from "./core.ts";
import { backoffMs } from "./duration.ts";
import { exchange, type Outgoing, type Reply, replyHeader } from "./exchange.ts";
import { logMessage, logRun } from "./log.ts";
import { type EngineRun, hasEnded, type Message } from "./run.ts";
import { sign } from "./signature.ts";

/** What an answer means for the message that was sent. */
export type Verdict = "done" | "retry" | "fail" | { readonly retryAfterMs: Millis };

export interface Delivery {
  /** Made anew for each attempt. */
  readonly request: () => Outgoing;
  readonly judge: (reply: Reply) => Verdict;
}

/** What became of a message; undefined if its run ended first. */
export type Outcome = { readonly reply: Reply; readonly failed: boolean } | undefined;

/** Sends a message when it is due, again while it fails and retries are left; both logs see every attempt. */
export async function deliver(core: Core, message: Message, { request, judge }: Delivery): Promise<Outcome> {
  const { run } = message;
  for (;;) {
    await core.clock.until(message.deliverAt, run.over.signal);
    const { heldBack, leave } = await core.flow.enter(message.flowControl, run.over.signal);
    if (hasEnded(run)) return undefined;
    if (heldBack) message.deliverAt = core.clock.now();
    message.state = "active";
    logMessage(core, message, "ACTIVE");
    logRun(core, run);
    const reply = await core.clock.hold(() => exchange(request(), core));
    leave();
    if (hasEnded(run)) return undefined;
    const verdict = judge(reply);
    if (verdict === "done") {
      message.state = "done";
      logMessage(core, message, "DELIVERED");
      logRun(core, run);
      return { reply, failed: false };
    }
    const time = fault(core, message, reply);
    if (!mayRetry(core, message, verdict)) {
      message.state = "failed";
      logMessage(core, message, "FAILED", { time });
      return { reply, failed: true };
    }
    backOff(core, message, verdict, time);
  }
}

/** Returns when the error was known, in ms: the moment of all that follows from it. */
function fault(core: Core, message: Message, reply: Reply): Millis {
  const error = errorOf(reply, core.clock.now());
  message.errors.push(error);
  message.failedStep = replyHeader(reply, "Upstash-Error-Step-Name");
  const { status, body, headers, time } = error;
  logMessage(core, message, "ERROR", {
    time,
    error: error.error,
    ...(status !== undefined && { responseStatus: status }),
    ...(body !== undefined && { responseBody: body }),
    ...(headers !== undefined && { headers }),
  });
  return time;
}

function mayRetry({ switches }: Core, message: Message, verdict: Verdict): boolean {
  if (verdict === "fail") return false;
  return (typeof verdict === "object" && switches.retryAfter === "free") || message.retried < message.retries;
}

function backOff(core: Core, message: Message, verdict: Verdict, time: Millis): void {
  const { retryDelay, retried } = message;
  message.deliverAt = time + (typeof verdict === "object" ? verdict.retryAfterMs : backoffMs(retryDelay, retried));
  if (typeof verdict !== "object" || core.switches.retryAfter === "counts") message.retried++;
  message.state = "retrying";
  logMessage(core, message, "RETRY", { time, nextDeliveryTime: message.deliverAt });
  logRun(core, message.run);
}

export function errorOf(reply: Reply, time: Millis): WireError {
  const { status, headers, body, message } = reply;
  if (status === undefined) return { error: message, time };
  return { error: message, body: body.toString(), headers, status, time };
}

/** A new message of a run, in both logs from now on. */
export function createMessage(core: Core, run: EngineRun, own: Pick<Message, "destination" | "body" | "info"> & Partial<Message>): Message {
  const { retries, retryDelay, flowControl } = run.terms;
  const createdAt = own.createdAt ?? core.clock.now();
  const message: Message = {
    id: core.newId("msg"),
    run,
    callType: "step",
    createdAt,
    retries,
    retryDelay,
    flowControl,
    deliverAt: createdAt,
    state: "waiting",
    retried: 0,
    errors: [],
    ...own,
  };
  run.messages.push(message);
  logMessage(core, message, "CREATED", { time: createdAt, nextDeliveryTime: message.deliverAt });
  return message;
}

/** Headers of whatever is sent to a workflow's URL in the name of a run. */
export function deliveryHeaders(
  core: Core,
  run: EngineRun,
  url: string,
  body: string,
  own: Readonly<Record<string, string>>,
): Record<string, string> {
  core.deliveries.set(run.id, (core.deliveries.get(run.id) ?? 0) + 1);
  return {
    "content-type": "application/json",
    ...run.terms.headers,
    ...own,
    "upstash-workflow-runid": run.id,
    "upstash-workflow-createdat": String(run.createdAt),
    ...(run.terms.labels.length > 0 && { "upstash-label": run.terms.labels.join(",") }),
    ...(core.signingKeys !== undefined && { "upstash-signature": sign(core.signingKeys.current, url, body) }),
  };
}
