import type { Destination, Encoding, Outcome } from "../../src/destinations/destination.ts";
import { type ReceivedSpan, readSpans } from "../../src/fake-upstash/otlp-spans.ts";
import type { Clock } from "../../src/pipeline/clock.ts";

/** A backend without HTTP: it remembers every span it accepted, and answers as it is told to. */
export interface Backend {
  readonly destination: Destination;
  readonly requests: { readonly at: number; readonly spans: readonly ReceivedSpan[]; readonly outcome: Outcome }[];
  /** Of every accepted span its different contents; more than one is a fault. */
  readonly spans: Map<string, Set<string>>;
  answer: (spans: readonly ReceivedSpan[], body: Uint8Array) => Outcome | "lost";
  runIds(): string[];
}

export interface BackendOptions {
  readonly name?: string;
  readonly encoding?: Encoding;
  readonly concurrency?: number;
  readonly maxRequestBytes?: number;
  readonly latency?: number;
}

export const DELIVERED: Outcome = { kind: "delivered" };
export const refuses = (status = 400): Outcome => ({ kind: "refused", status, message: `refused with ${status}` });
export const busy = (retryAfterMs?: number): Outcome => ({
  kind: "retry",
  scope: "destination",
  reason: "HTTP 503",
  status: 503,
  suspect: false,
  ...(retryAfterMs !== undefined && { retryAfterMs }),
});
export const fails = (status = 500): Outcome => ({ kind: "retry", scope: "batch", reason: `HTTP ${status}`, status, suspect: true });
export const timesOut: Outcome = { kind: "retry", scope: "batch", reason: "no whole answer within 10000 ms", suspect: true };
export const resets: Outcome = { kind: "retry", scope: "destination", reason: "ECONNRESET", suspect: true };
export const unauthorized: Outcome = { kind: "misconfigured", status: 401, reason: "HTTP 401" };
export const partly = (rejectedSpans = 1): Outcome => ({ kind: "partial", rejectedSpans, message: "one was too odd" });

export const runIdOf = (span: ReceivedSpan): string => String(span.attributes["upstash.workflow.run.id"]);

export function backend(clock: Pick<Clock, "monotonic" | "sleep">, options: BackendOptions = {}): Backend {
  const { name = "jaeger", encoding = "protobuf", concurrency = 4, maxRequestBytes = 1_048_576, latency = 20 } = options;
  const found: Backend = {
    destination: {
      name,
      encoding,
      maxRequestBytes,
      concurrency,
      async send(body, signal) {
        const { spans, violations } = readSpans(body, encoding);
        if (violations.length > 0) throw new Error(violations.join("; "));
        const said = found.answer(spans, body);
        await clock.sleep(latency, signal);
        if (signal.aborted) return { kind: "retry", scope: "destination", reason: "aborted", suspect: false };
        const outcome = said === "lost" ? timesOut : said;
        found.requests.push({ at: clock.monotonic(), spans, outcome });
        if (said === "lost" || outcome.kind === "delivered") for (const span of spans) remember(found, span);
        return outcome;
      },
      refreshSecrets: () => false,
      close: async () => {},
    },
    requests: [],
    spans: new Map(),
    answer: () => DELIVERED,
    runIds: () => [...new Set(found.requests.flatMap(({ outcome, spans }) => (outcome.kind === "delivered" ? spans.map(runIdOf) : [])))],
  };
  return found;
}

function remember({ spans }: Backend, span: ReceivedSpan): void {
  const contents = spans.get(span.spanId) ?? new Set();
  spans.set(span.spanId, contents.add(JSON.stringify(span.wire)));
}
