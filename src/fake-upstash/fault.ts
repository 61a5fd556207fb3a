import type { ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

/** What goes wrong with one answer. Fields combine: a delayed 503 with a Retry-After, a true page that is cut off. */
export interface Fault {
  /** Wait this long first (ms). */
  readonly delayMs?: number;
  /** Never answer; the connection stays open until the client or `close()` ends it. */
  readonly hang?: boolean;
  /** Cut the connection instead of an answer. */
  readonly reset?: boolean;
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Instead of the true body: an HTML page of some proxy, a token that leaks, nonsense. */
  readonly body?: string;
  /** Change the true body, as parsed: a page that comes twice, empty or reordered; fields that are new, gone or of another type. */
  readonly rewrite?: (body: unknown) => unknown;
  /** Send only this many bytes, then cut the connection. */
  readonly truncate?: number;
  /** Send the body in eighths, with this pause between them (ms). */
  readonly dripMs?: number;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Parsed JSON, not yet text. */
  readonly body: unknown;
}

/** Sends an answer, spoilt as the fault says. Resolves with the status that was sent, undefined if none was. */
export async function sendAnswer(response: ServerResponse, answer: Answer, fault: Fault): Promise<number | undefined> {
  if (fault.delayMs !== undefined) await sleep(fault.delayMs, undefined, { ref: false });
  if (fault.hang === true) return undefined;
  if (fault.reset === true) {
    response.destroy();
    return undefined;
  }
  const value = fault.rewrite === undefined ? answer.body : fault.rewrite(answer.body);
  const body = Buffer.from(fault.body ?? JSON.stringify(value));
  const status = fault.status ?? answer.status;
  response.writeHead(status, { "Content-Type": "application/json", ...answer.headers, ...fault.headers, "Content-Length": body.length });
  await sendBody(response, body, fault);
  return status;
}

async function sendBody(response: ServerResponse, body: Buffer, fault: Fault): Promise<void> {
  const sent = body.subarray(0, fault.truncate);
  if (fault.dripMs !== undefined) {
    const piece = Math.max(1, Math.ceil(sent.length / 8));
    for (let at = 0; at < sent.length && !response.destroyed; at += piece) {
      response.write(sent.subarray(at, at + piece));
      await sleep(fault.dripMs, undefined, { ref: false });
    }
  } else if (sent.length > 0) {
    response.write(sent);
  }
  if (sent.length < body.length) response.socket?.destroySoon();
  else response.end();
}
