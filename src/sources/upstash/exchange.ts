import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import type { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import type { HttpClient } from "../../http/client.ts";

/** What became of one HTTP request. Times are of the monotonic clock given, in ms. */
export type Exchange<Body> =
  | {
      readonly kind: "answer";
      readonly status: number;
      readonly headers: IncomingHttpHeaders;
      /** Of a 200, as `read` made it; of any other status undefined. */
      readonly body: Body | undefined;
      /** Of any status but 200: its text, as far as it may be of use in a message. */
      readonly text: string;
      readonly sentAt: number;
      readonly receivedAt: number;
    }
  | { readonly kind: "failed"; readonly reason: "connection" | "timeout"; readonly message: string }
  | { readonly kind: "aborted" };

/** Reads a whole 200 body, already decompressed; it may stop early. */
export type ReadBody<Body> = (chunks: AsyncIterable<Buffer>) => Promise<Body>;

export interface ExchangeRequest<Body> {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** From now to the last byte, whatever happens between: a server that drips does not get longer. */
  readonly deadlineMs: number;
  readonly read: ReadBody<Body>;
}

/** An error's body is read this far; it only serves a message. */
const ERROR_TEXT_BYTES = 16 * 1024;

/** Sends one GET. Never throws for what the other side did. */
export async function exchange<Body>(
  http: HttpClient,
  { path, headers, deadlineMs, read }: ExchangeRequest<Body>,
  monotonic: () => number,
  signal: AbortSignal,
): Promise<Exchange<Body>> {
  if (signal.aborted) return { kind: "aborted" };
  const stop = new AbortController();
  const abort = () => stop.abort();
  const deadline = setTimeout(abort, deadlineMs);
  signal.addEventListener("abort", abort, { once: true });
  const sentAt = monotonic();
  try {
    const answer = await http.request({ method: "GET", path, headers, signal: stop.signal });
    const receivedAt = monotonic();
    const { statusCode: status = 0, headers: received } = answer;
    const whole = <Value>(consume: ReadBody<Value>) => readDecoded(answer, consume);
    const body = status === 200 ? await whole(read) : undefined;
    const text = status === 200 ? "" : await whole((chunks) => startOf(chunks, ERROR_TEXT_BYTES)).catch(() => "");
    return { kind: "answer", status, headers: received, body, text, sentAt, receivedAt };
  } catch (error) {
    if (signal.aborted) return { kind: "aborted" };
    if (stop.signal.aborted) return { kind: "failed", reason: "timeout", message: `no whole answer within ${deadlineMs / 1_000} s` };
    return { kind: "failed", reason: "connection", message: `the connection failed (${codeOf(error)})` };
  } finally {
    clearTimeout(deadline);
    signal.removeEventListener("abort", abort);
  }
}

/** All bytes of a body, or `too_large` as soon as there are more than `maxBytes`. */
export async function readUpTo(chunks: AsyncIterable<Buffer>, maxBytes: number): Promise<Buffer | "too_large"> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    length += chunk.length;
    if (length > maxBytes) return "too_large";
    parts.push(chunk);
  }
  return Buffer.concat(parts, length);
}

async function startOf(chunks: AsyncIterable<Buffer>, maxBytes: number): Promise<string> {
  let text = "";
  for await (const chunk of chunks) {
    text += chunk.toString("latin1"); // a cut character does no harm in latin1
    if (text.length >= maxBytes) break;
  }
  return Buffer.from(text, "latin1").toString("utf8");
}

/** Whatever happens, nothing of the body stays behind, neither bytes to come nor an error nobody hears. */
async function readDecoded<Value>(body: IncomingMessage, read: ReadBody<Value>): Promise<Value> {
  const encoding = String(body.headers["content-encoding"] ?? "identity").toLowerCase();
  try {
    if (encoding === "identity") return await read(body);
    if (encoding !== "gzip" && encoding !== "x-gzip") throw Object.assign(new Error(), { code: "an encoding that was not asked for" });
    return await read(gunzipped(body));
  } finally {
    body.destroy();
  }
}

function gunzipped(body: Readable): Readable {
  const gunzip = createGunzip();
  gunzip.on("error", () => undefined);
  body.once("error", (error) => gunzip.destroy(error));
  return body.pipe(gunzip);
}

/** An error's code, its cause's if need be; never its message, which may quote what was sent. */
function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return "unknown";
  if ("code" in error && typeof error.code === "string") return error.code;
  return error.cause === undefined ? error.name : codeOf(error.cause);
}
