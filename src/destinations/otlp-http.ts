import { isDeepStrictEqual, promisify } from "node:util";
import { gzip } from "node:zlib";
import { createHttpClient, type HttpClient } from "../http/client.ts";
import { classify, type Reply } from "../otlp/response.ts";
import { classifyError } from "../otlp/transport-error.ts";
import type { OtlpHttpConfig } from "./config.ts";
import type { Destination, Outcome } from "./destination.ts";
import { scrubber } from "./scrub.ts";
import { targetOf } from "./target.ts";
import { readTlsFiles, type TlsFiles } from "./tls.ts";

/** An OTLP answer is a few bytes; a backend's error page may be long, but not this long. */
const MAX_ANSWER_BYTES = 4 * 1024 * 1024;
/** Runs come in bursts, and a load balancer may close what is idle at any moment. */
const KEEP_ALIVE_MS = 4_000;
const CONTENT_TYPES = { protobuf: "application/x-protobuf", json: "application/json" } as const;

const zip = promisify(gzip);

export interface OtlpHttpDependencies {
  readonly userAgent: string;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** OTLP over HTTP/1.1. Throws where the files of `tls:` cannot be read. */
export function createOtlpHttp(config: OtlpHttpConfig, { userAgent, now }: OtlpHttpDependencies): Destination {
  const target = targetOf(config);
  let files = readTlsFiles(config.tls);
  let http = connect(config, target, files);

  const refreshSecrets = () => {
    const changed = Object.values(config.headers).map((secret) => secret.refresh()); // all of them, not only the first
    const fresh = refreshed(config, files);
    if (fresh === undefined) return changed.includes(true);
    files = fresh;
    http = connect(config, target, files); // what the old one has in flight ends, and soon its connections
    return true;
  };

  return {
    name: config.name,
    encoding: config.encoding,
    maxRequestBytes: config.max_request_bytes,
    concurrency: config.concurrency,
    refreshSecrets,
    close: async () => http.close(),
    async send(body, signal) {
      const secrets = secretHeaders(config);
      const headers = { "user-agent": userAgent, ...secrets, ...ownHeaders(config) };
      const scrub = scrubber([...Object.values(secrets), ...target.searchParams.values(), ...keysInPath(target)]);
      const limit = withDeadline(signal, config.timeout);
      try {
        const payload = config.compression === "gzip" ? await zip(body, { level: 1 }) : body;
        const reply = await post(http, `${target.pathname}${target.search}`, headers, payload, limit.signal);
        const outcome = classify(reply, { now: now(), scrub });
        return (reply.status === 401 || reply.status === 403) && refreshSecrets() ? rotated(reply.status) : outcome;
      } catch (error) {
        return classifyError(error, { aborted: signal.aborted, timedOut: limit.passed(), timeoutMs: config.timeout, scrub });
      } finally {
        limit.end();
      }
    },
  };
}

/** Not AbortSignal.any: on the daemon's lasting signal that would leave something behind for every request. */
function withDeadline(signal: AbortSignal, ms: number): { readonly signal: AbortSignal; passed(): boolean; end(): void } {
  const controller = new AbortController();
  const stop = () => controller.abort();
  const timer = setTimeout(stop, ms);
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  return {
    signal: controller.signal,
    passed: () => controller.signal.aborted && !signal.aborted,
    end() {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
    },
  };
}

function connect({ concurrency, tls }: OtlpHttpConfig, target: URL, files: TlsFiles): HttpClient {
  const trusted = { ...files, rejectUnauthorized: !tls.insecure };
  return createHttpClient(target, { connections: concurrency, keepAliveMs: KEEP_ALIVE_MS, tls: trusted });
}

/** The new content of the TLS files, where there is one; while they are being swapped, the old one holds. */
function refreshed(config: OtlpHttpConfig, old: TlsFiles): TlsFiles | undefined {
  try {
    const files = readTlsFiles(config.tls);
    return isDeepStrictEqual(files, old) ? undefined : files;
  } catch {
    return undefined;
  }
}

/** Names in lower case, so that ours replace the user's and not one is sent twice. */
function secretHeaders(config: OtlpHttpConfig): Record<string, string> {
  return Object.fromEntries(Object.entries(config.headers).map(([name, secret]) => [name.toLowerCase(), secret.reveal()]));
}

/** What stands in the path and is no plain word or version: some backends have their keys and tenants there. */
function keysInPath({ pathname }: URL): string[] {
  return pathname.split("/").filter((piece) => !/^(?:[a-z]*|v\d+)$/.test(piece));
}

function ownHeaders({ encoding, compression }: OtlpHttpConfig): Record<string, string> {
  const headers = { "content-type": CONTENT_TYPES[encoding], "accept-encoding": "identity" };
  return compression === "gzip" ? { ...headers, "content-encoding": "gzip" } : headers;
}

async function post(
  http: HttpClient,
  path: string,
  headers: Record<string, string>,
  body: Uint8Array,
  signal: AbortSignal,
): Promise<Reply> {
  const answer = await http.request({ method: "POST", path, headers, body, signal });
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of answer as AsyncIterable<Buffer>) {
    parts.push(part);
    size += part.length;
    if (size > MAX_ANSWER_BYTES) break; // leaving the loop closes the connection
  }
  return {
    status: answer.statusCode ?? 0,
    headers: answer.headers,
    body: Buffer.concat(parts).subarray(0, MAX_ANSWER_BYTES),
    truncated: size > MAX_ANSWER_BYTES,
  };
}

function rotated(status: number): Outcome {
  const reason = `HTTP ${status}; the credentials have changed since and were read again`;
  return { kind: "retry", scope: "destination", reason, status, retryAfterMs: 0, suspect: false };
}
