import { createServer, type IncomingHttpHeaders, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { gunzipSync } from "node:zlib";
import { type ReceivedSpan, readSpans } from "./otlp-spans.ts";

/** A strict OTLP/HTTP trace receiver: it records every span it accepted, and answers with the faults it is told to. */
export interface OtlpReceiver {
  /** `http://127.0.0.1:PORT`: what a destination's `endpoint` is. */
  readonly url: string;
  /** Every request, in the order of arrival, whatever it was answered. */
  readonly requests: readonly ReceivedRequest[];
  /** Every accepted span, as often as it came. */
  readonly spans: readonly ReceivedSpan[];
  /** What was wrong with requests; a test of a correct sender ends with `toEqual([])`. */
  readonly violations: readonly string[];
  byTrace(): Map<string, ReceivedSpan[]>;
  close(): Promise<void>;
}

export interface ReceivedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** Unzipped. */
  readonly body: Uint8Array;
  readonly spans: readonly ReceivedSpan[];
  readonly violations: readonly string[];
}

export interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** Before the answer starts. */
  readonly delayMs?: number;
  /** Never answers. */
  readonly hang?: boolean;
  /** Milliseconds between two bytes of the body. */
  readonly drip?: number;
  /** Cuts the connection in place of an answer. */
  readonly reset?: boolean;
  /** Whether the spans count as accepted; by default those of a 2xx that is really answered do. */
  readonly accept?: boolean;
}

export interface ReceiverOptions {
  readonly tls?: { readonly cert: string | Buffer; readonly key: string | Buffer; readonly clientCa?: string | Buffer };
  /** Headers that every request must carry; 401 otherwise. */
  readonly auth?: Readonly<Record<string, string>>;
  /** The answer to the n-th request (from 1); undefined = the normal one. */
  readonly respond?: (request: ReceivedRequest, n: number) => Reply | undefined;
  /** Answer 400 to anything that breaks a rule (default), or only record it. */
  readonly strict?: boolean;
  /** Unzipped; 413 above it. */
  readonly maxBodyBytes?: number;
  /** Default `/v1/traces`; 404 elsewhere. */
  readonly path?: string;
}

/** Listens on a free port of 127.0.0.1. */
export async function startOtlpReceiver(options: ReceiverOptions = {}): Promise<OtlpReceiver> {
  const requests: ReceivedRequest[] = [];
  const spans: ReceivedSpan[] = [];
  const violations: string[] = [];
  const answer = async (incoming: IncomingMessage, response: ServerResponse) => {
    const request = parse(incoming, await bodyOf(incoming), options);
    requests.push(request);
    violations.push(...request.violations);
    const reply = options.respond?.(request, requests.length) ?? normalReply(request, options);
    if (reply.accept ?? (reply.status < 300 && !reply.hang && !reply.reset)) spans.push(...request.spans);
    await send(response, reply);
  };
  const server = listenerFor(options, (incoming, response) => {
    answer(incoming, response).catch(() => response.destroy()); // the client went away
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `${options.tls ? "https" : "http"}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    spans,
    violations,
    byTrace: () => Map.groupBy(spans, (span) => span.traceId),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listenerFor({ tls }: ReceiverOptions, listener: (incoming: IncomingMessage, response: ServerResponse) => void): Server {
  if (tls === undefined) return createServer(listener);
  const client = tls.clientCa === undefined ? {} : { ca: tls.clientCa, requestCert: true, rejectUnauthorized: true };
  return createTlsServer({ cert: tls.cert, key: tls.key, ...client }, listener);
}

async function bodyOf(incoming: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of incoming) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

const ENCODINGS: Readonly<Record<string, "protobuf" | "json">> = { "application/x-protobuf": "protobuf", "application/json": "json" };

function parse(incoming: IncomingMessage, raw: Buffer, options: ReceiverOptions): ReceivedRequest {
  const path = incoming.url ?? "";
  const request = { method: incoming.method ?? "", path, headers: incoming.headers };
  const refused = (violation: string, body: Uint8Array = raw) => ({ ...request, body, spans: [], violations: [violation] });
  const encoding = ENCODINGS[incoming.headers["content-type"] ?? ""];
  if (request.method !== "POST") return refused(`method ${request.method}`);
  if (path.split("?")[0] !== (options.path ?? "/v1/traces")) return refused(`path ${path}`);
  if (encoding === undefined) return refused(`content-type ${incoming.headers["content-type"]}`);
  const limit = options.maxBodyBytes ?? 20 * 1024 * 1024;
  const body = unzip(raw, incoming.headers["content-encoding"], limit);
  if (typeof body === "string") return refused(body);
  if (body.length > limit) return refused("oversize", body);
  return { ...request, body, ...readSpans(body, encoding) };
}

function unzip(raw: Buffer, encoding: string | undefined, limit: number): Buffer | string {
  if (encoding === undefined || encoding === "identity") return raw;
  if (encoding !== "gzip") return `content-encoding ${encoding}`;
  try {
    return gunzipSync(raw, { maxOutputLength: limit });
  } catch (error) {
    return (error as { code?: string }).code === "ERR_BUFFER_TOO_LARGE" ? "oversize" : "not gzip";
  }
}

function normalReply(request: ReceivedRequest, options: ReceiverOptions): Reply {
  for (const [name, value] of Object.entries(options.auth ?? {})) {
    if (request.headers[name.toLowerCase()] !== value) return refusal(401, `${name} is missing or wrong`);
  }
  const [violation] = request.violations;
  if (violation !== undefined && (options.strict !== false || request.spans.length === 0)) return refusal(statusOf(violation), violation);
  const json = request.headers["content-type"] === "application/json";
  return { status: 200, headers: { "content-type": request.headers["content-type"] ?? "" }, body: json ? "{}" : "" };
}

function statusOf(violation: string): number {
  if (violation === "oversize") return 413;
  if (violation.startsWith("method ")) return 405;
  if (violation.startsWith("path ")) return 404;
  return violation.startsWith("content-") ? 415 : 400;
}

function refusal(status: number, message: string): Reply {
  return { status, headers: { "content-type": "application/json" }, body: JSON.stringify({ code: 3, message }) };
}

async function send(response: ServerResponse, reply: Reply): Promise<void> {
  if (reply.delayMs !== undefined) await sleep(reply.delayMs);
  if (reply.hang) return;
  if (reply.reset) return void response.destroy();
  response.writeHead(reply.status, reply.headers);
  if (reply.drip === undefined) return void response.end(reply.body);
  for (const byte of Buffer.from(reply.body ?? "")) {
    if (response.destroyed) return;
    response.write(Buffer.of(byte));
    await sleep(reply.drip);
  }
  response.end();
}
