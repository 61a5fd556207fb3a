import type { Outcome } from "../destinations/destination.ts";
import { errorMessage, parseAnswer } from "./answer.ts";
import { words } from "./words.ts";

/** An HTTP answer; header names in lower case. */
export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: Uint8Array;
  /** The body went on past what was read. */
  readonly truncated?: boolean;
}

export interface ReplyContext {
  /** Milliseconds since the epoch; for a Retry-After date of a server that does not send its own time. */
  readonly now: number;
  /** Takes secrets out of what the server says. */
  readonly scrub: (text: string) => string;
}

/** A server may ask for less, but not put a destination to sleep for days: an hour later one request finds out. */
const MAX_RETRY_AFTER_MS = 3_600_000;

/** What became of a request that was answered. Source: delivery.md's table and the OTLP specification, "OTLP/HTTP Response". */
export function classify(reply: Reply, context: ReplyContext): Outcome {
  const { status } = reply;
  if (status >= 200 && status < 300) return accepted(reply, context);
  const said = words(errorMessage(reply.body, header(reply, "content-type")), context.scrub);
  const reason = said === "" ? `HTTP ${status}` : `HTTP ${status}: ${said}`;
  if (status === 400 || status === 413 || status === 422) return { kind: "refused", status, message: said };
  if (status === 408 || status === 429 || (status >= 502 && status <= 504)) {
    return { kind: "retry", scope: "destination", reason, status, suspect: false, ...retryAfter(reply, context.now) };
  }
  if (status >= 500) return { kind: "retry", scope: "batch", reason, status, suspect: true, ...retryAfter(reply, context.now) };
  return { kind: "misconfigured", status, reason: `${reason}${advice(reply, context)}` };
}

function accepted(reply: Reply, { scrub }: ReplyContext): Outcome {
  const { status } = reply;
  const contentType = header(reply, "content-type");
  const answer = reply.truncated ? undefined : parseAnswer(reply.body, contentType);
  if (answer === undefined) {
    const said = words(new TextDecoder().decode(reply.body.subarray(0, 4_096)), scrub).slice(0, 200);
    const reason = `HTTP ${status} with a body that is no OTLP answer: is this the address of an OTLP receiver? It says: ${said}`;
    return { kind: "misconfigured", status, reason };
  }
  const message = words(answer.message, scrub);
  if (answer.rejectedSpans > 0) return { kind: "partial", rejectedSpans: answer.rejectedSpans, message };
  return message === "" ? { kind: "delivered" } : { kind: "delivered", warning: message };
}

function advice(reply: Reply, { scrub }: ReplyContext): string {
  const { status } = reply;
  if (status === 401 || status === 403) return " (check the destination's headers)";
  if (status === 404 || status === 405) return " (check the path: endpoint has v1/traces appended, traces_endpoint is taken as it is)";
  if (status === 415) return " (try the other encoding, or compression: none)";
  if (status < 300 || status >= 400) return "";
  const to = URL.parse(header(reply, "location"));
  return ` (redirects are not followed${to === null ? "" : `; it points to ${words(to.origin + to.pathname, scrub)}`})`;
}

/** Seconds or a date; a date is compared with the server's own clock where it states it. */
function retryAfter(reply: Reply, now: number): { retryAfterMs?: number } {
  const value = header(reply, "retry-after").trim();
  if (value === "") return {};
  const serverNow = Date.parse(header(reply, "date"));
  const ms = /^\d+(\.\d+)?$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - (Number.isNaN(serverNow) ? now : serverNow);
  return Number.isNaN(ms) ? {} : { retryAfterMs: Math.round(Math.min(Math.max(ms, 0), MAX_RETRY_AFTER_MS)) };
}

function header(reply: Reply, name: string): string {
  const value = reply.headers[name] ?? "";
  return typeof value === "string" ? value : (value[0] ?? "");
}
