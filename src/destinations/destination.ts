/**
 * Where encoded traces go. An implementation sends exactly one request per call and says what became of
 * it; queueing, batching, retrying, bisecting and quarantine are the pipeline's.
 *
 * Rules an implementer must keep:
 * - `send` never throws for what the other side did; it throws only for bugs.
 * - It obeys `signal` (answer: `retry` with reason `aborted`) and has a total deadline of its own.
 * - `delivered` only when the other side has said so in the protocol's own words.
 * - No outcome's text holds a secret; the backend's own words are cut to 2,048 characters and redacted.
 */
export interface Destination {
  readonly name: string;
  /** The one encoding it takes; the outbox stores each run once per encoding in use. */
  readonly encoding: Encoding;
  /** No request may be larger, in encoded bytes before compression. */
  readonly maxRequestBytes: number;
  /** How many requests may be in flight. */
  readonly concurrency: number;
  /** `body` is one whole ExportTraceServiceRequest in this destination's encoding. */
  send(body: Uint8Array, signal: AbortSignal): Promise<Outcome>;
  /** Reads `${file:}` secrets again. True if one changed. */
  refreshSecrets(): boolean;
  close(): Promise<void>;
}

export type Encoding = "protobuf" | "json";

/** What became of one request. Source: the OTLP specification and delivery.md's table. */
export type Outcome =
  /** `warning`: the backend accepted everything and had something to say. */
  | { readonly kind: "delivered"; readonly warning?: string }
  /** Accepted but for `rejectedSpans`; the protocol forbids sending any of it again. */
  | { readonly kind: "partial"; readonly rejectedSpans: number; readonly message: string }
  /** It may pass by itself. `scope: batch`: another request may well succeed meanwhile. */
  | {
      readonly kind: "retry";
      readonly scope: "destination" | "batch";
      readonly reason: string;
      readonly status?: number;
      readonly retryAfterMs?: number;
      /** The request's own fault is possible (5xx other, timeout): counts towards bisecting. */
      readonly suspect: boolean;
    }
  /** The backend says this request is bad: bisect it. */
  | { readonly kind: "refused"; readonly status: number; readonly message: string }
  /** Nothing will be accepted until somebody mends something. */
  | { readonly kind: "misconfigured"; readonly status?: number; readonly reason: string };
