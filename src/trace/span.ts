import type { Millis } from "../model/run.ts";

/**
 * A span as plain data: what the mapper makes, the waterfall draws and otlp/encode.ts turns into bytes.
 * Nothing of the exporting process may appear in it: the same run always gives the same bytes.
 */
export interface Span {
  /** 32 lower-case hex digits; 16 for `spanId` and `parentSpanId`. */
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  /** The parent was made by another process (a caller, or the run that invoked this one). */
  readonly parentIsRemote: boolean;
  /** W3C tracestate, only where the span joined a caller's trace. */
  readonly traceState?: string;
  /** W3C trace flags, bits 0–7. */
  readonly traceFlags: number;
  readonly name: string;
  readonly kind: SpanKind;
  readonly start: Millis;
  readonly end: Millis;
  readonly attributes: Attributes;
  readonly events: readonly SpanEvent[];
  readonly links: readonly SpanLink[];
  readonly status: SpanStatus;
  /** Which instrumentation scope it lies in: the mapping's, or the one of GenAI calls. */
  readonly scope: "workflow" | "gen_ai";
  /** What it is; a failure function's span is delivered by itself when it settles after the run was sent. */
  readonly role: SpanRole;
  /** The event that it was woken by or woke others with, where outputs are captured. Not exported: it is what links are found by. */
  readonly event?: EventWords;
}

/**
 * What the two sides of an event leave behind to be found by. The words stand for the side and the event's raw id;
 * they are hashes, since ids are the user's own and redaction could make several of them one.
 */
export interface EventWords {
  readonly own: string;
  readonly other: string;
}

export type SpanKind = "internal" | "server" | "client" | "producer" | "consumer";
export type SpanRole = "run" | "step" | "part" | "delivery" | "delay" | "failure" | "continuation";

export type AttributeValue = string | number | boolean | readonly string[] | readonly number[] | readonly boolean[];
export type Attributes = Readonly<Record<string, AttributeValue>>;

export interface SpanEvent {
  readonly name: string;
  readonly time: Millis;
  readonly attributes: Attributes;
}

export interface SpanLink {
  readonly traceId: string;
  readonly spanId: string;
  readonly traceFlags: number;
  readonly traceState?: string;
  readonly isRemote: boolean;
  readonly attributes: Attributes;
}

/** OpenTelemetry's instrumentations never set OK, and neither do we: a success is `unset`. */
export interface SpanStatus {
  readonly code: "unset" | "error";
  readonly message?: string;
}

/** Which trace a run lies in; decided once, when it is collected, and stored with its identity. */
export interface Placement {
  readonly traceId: string;
  readonly parentSpanId?: string;
  readonly traceFlags: number;
  readonly traceState?: string;
  readonly links: readonly SpanLink[];
}

/** One run's spans, the run span first, and the resource they share. */
export interface MappedRun {
  readonly resource: Attributes;
  readonly spans: readonly Span[];
}
