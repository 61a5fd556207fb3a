import * as z from "zod";

/**
 * The log API's wire shape as its published sources describe it, every field optional: the API leaves
 * out what is zero, false or empty. What does not fit is mended or dropped field by field (repair.ts),
 * so the shapes themselves stay plain and quick; unknown fields fall away.
 */

/** The last instant that OTLP can carry: 2^64 − 1 nanoseconds, in the year 2554. */
const MAX_TIME_MS = 18_446_744_073_709;

const text = z.string().nullish();
const flag = z.boolean().nullish();
const whole = z.number().min(Number.MIN_SAFE_INTEGER).max(Number.MAX_SAFE_INTEGER).nullish();
/** Milliseconds since the Unix epoch. 0 stands for "not set", as Go writes it. */
const time = z.number().min(0).max(MAX_TIME_MS).nullish();
/** Milliseconds, seconds, or a duration such as "3d". */
const length = z.union([z.number().min(0), z.string()]).nullish();
/** A body or result: JSON text, base64, plain or `REDACTED:<sha256>`; the SDK's own types say "unknown". */
const payload = z.unknown().optional();
/** A map whose values are a string or a list of strings; read by decode.ts, since zod copies maps key by key and knows `__proto__` badly. */
const headers = z.unknown().optional();
/**
 * An object or a list of objects, each parsed by itself with the shape that is named beside it: so one odd
 * entry costs its own repair, and a list of any length is read (zod gathers a list's issues on the stack).
 */
const nested = z.unknown().optional();

export const errorShape = z.object({ error: text, body: payload, headers, status: whole, time });

/** `errors`: errorShape. */
export const stepShape = z.object({
  stepId: whole,
  stepName: text,
  stepType: text,
  callType: text,
  messageId: text,
  state: text,
  createdAt: time,
  concurrent: whole,
  out: payload,
  headers,
  retries: whole,
  retryDelay: text,
  nextDeliveryTime: time,
  errors: nested,
  callUrl: text,
  callMethod: text,
  callHeaders: headers,
  callBody: payload,
  callResponseStatus: whole,
  callResponseBody: payload,
  callResponseHeaders: headers,
  sleepFor: length,
  sleepUntil: time,
  waitEventId: text,
  waitTimeoutDeadline: time,
  waitTimeoutDuration: length,
  waitTimeout: flag,
  invokedWorkflowRunId: text,
  invokedWorkflowUrl: text,
  invokedWorkflowCreatedAt: time,
  invokedWorkflowRunBody: payload,
  invokedWorkflowRunHeaders: headers,
});

/** `steps`: stepShape. */
export const groupShape = z.object({ type: text, steps: nested });

/** `errors`: errorShape. */
export const failureFunctionShape = z.object({
  messageId: text,
  url: text,
  state: text,
  failHeaders: headers,
  failStatus: whole,
  failResponse: payload,
  dlqId: text,
  errors: nested,
  responseBody: payload,
  responseHeaders: headers,
  responseStatus: whole,
  maxRetries: whole,
});

/** Two names for one time: the grouped log says `workflowRunCreatedAt`, the flat one and some older logs `workflowCreatedAt`. */
const identity = { workflowRunId: text, workflowRunCreatedAt: time, workflowCreatedAt: time };

export const invokerShape = z.object({ ...identity, workflowUrl: text });

/** `labels`: strings; `invoker`: invokerShape; `failureFunction`: failureFunctionShape; `steps`: groupShape. */
export const runShape = z.object({
  ...identity,
  workflowUrl: text,
  workflowState: text,
  workflowRunCompletedAt: time,
  workflowRunCallerIp: text,
  workflowRunResponse: payload,
  label: text,
  labels: nested,
  flowControlKey: text,
  dlqId: text,
  invoker: nested,
  failureFunction: nested,
  steps: nested,
});

/** One line of the flat message log; `stepInfo`: stepShape. */
export const eventShape = z.object({
  ...identity,
  time,
  state: text,
  workflowUrl: text,
  messageId: text,
  stepInfo: nested,
  nextDeliveryTime: time,
  headers,
  error: text,
  responseStatus: whole,
  responseHeaders: headers,
  invokerWorkflowRunId: text,
  invokerWorkflowCreatedAt: time,
  invokerWorkflowUrl: text,
  workflowRunResponse: payload,
});

export type WireRun = z.infer<typeof runShape>;
export type WireIdentity = Pick<WireRun, "workflowRunId" | "workflowRunCreatedAt" | "workflowCreatedAt">;
export type WireStep = z.infer<typeof stepShape>;
export type WireEvent = z.infer<typeof eventShape>;
