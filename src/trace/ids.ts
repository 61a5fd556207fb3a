import { hash } from "node:crypto";

/**
 * Every id of a run's trace, computed from the run's identity alone, so that a repetition, a replica or the
 * user's own program arrives at the same ones. Also published as `upstash-workflow-otel/ids`; hence no import
 * but node's hash. Rule: SHA-256 of the UTF-8 JSON array of the parts; trace ids are its first 16 bytes, span
 * ids its first 8, in lower-case hex. Test vectors: ids.vectors.json. `createdAt` is always a number, in ms.
 */
type Part = string | number;

/** A step's stepId where no other step of its run has it, else its position `"group.index"`. */
export type StepKey = number | string;

export type PartKind = "attempt" | "queued" | "backoff";

/** The trace a run lies in, unless it was nested in its invoker's or joined its caller's. */
export function traceId(runId: string, createdAt: number): string {
  return id(16, "trace", runId, createdAt);
}

export function runSpanId(runId: string, createdAt: number): string {
  return id(8, "run", runId, createdAt);
}

export function stepSpanId(runId: string, createdAt: number, key: StepKey): string {
  return id(8, "step", runId, createdAt, key);
}

/** An Invoke step's span: the invoked run computes it from its own `invoker`, so either may be exported first. */
export function invokeSpanId(invokerRunId: string, invokerCreatedAt: number, invokedRunId: string): string {
  return id(8, "invoke", invokerRunId, invokerCreatedAt, invokedRunId);
}

/** The n-th (from 1) attempt, wait in the queue or back-off of a step. */
export function partSpanId(kind: PartKind, runId: string, createdAt: number, key: StepKey, n: number): string {
  return id(8, kind, runId, createdAt, key, n);
}

export function delaySpanId(runId: string, createdAt: number): string {
  return id(8, "delay", runId, createdAt);
}

/** The failure function; `n` counts its repetitions from 2. */
export function failureSpanId(runId: string, createdAt: number, n = 1): string {
  return n < 2 ? id(8, "failure", runId, createdAt) : id(8, "failure", runId, createdAt, n);
}

/** The k-th (from 1) trace in which a run too large for one goes on. */
export function continuationTraceId(runId: string, createdAt: number, k: number): string {
  return id(16, "trace", runId, createdAt, k);
}

export function continuationRootSpanId(runId: string, createdAt: number, k: number): string {
  return id(8, "run", runId, createdAt, k);
}

/** For an OpenTelemetry link (or parent): the run's span in the run's own trace, made by another process. Flags: sampled, random. */
export function runSpanContext(runId: string, createdAt: number): { traceId: string; spanId: string; traceFlags: number; isRemote: true } {
  return { traceId: traceId(runId, createdAt), spanId: runSpanId(runId, createdAt), traceFlags: 3, isRemote: true };
}

/** Of the last text: a run's ids are made one after the other. */
let quoted = { text: "", json: '""' };

function toJson(text: string): string {
  if (text !== quoted.text) quoted = { text, json: JSON.stringify(text) };
  return quoted.json;
}

/** All zeros is no valid id: hashed again with a trailing 1. */
function id(bytes: number, kind: string, runId: string, createdAt: number, ...rest: readonly Part[]): string {
  let json = `["${kind}",${toJson(runId)},${createdAt}`;
  for (const part of rest) json += `,${typeof part === "number" ? part : JSON.stringify(part)}`;
  const hex = hash("sha256", `${json}]`, "hex").slice(0, bytes * 2);
  return ZEROS.startsWith(hex) ? id(bytes, kind, runId, createdAt, ...rest, 1) : hex;
}

const ZEROS = "0".repeat(32);
