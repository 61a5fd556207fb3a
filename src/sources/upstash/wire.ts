/**
 * The log API's wire shape as its published sources describe it, every field optional: the API leaves
 * out what is zero, false or empty. What does not fit is mended or dropped field by field (repair.ts),
 * so the shapes themselves stay plain and quick: each field is looked at where it lies, and nothing is
 * copied that fits (a schema library's copy of each step was a sixth of all that reading allocates).
 */

/** A field where it is there at all: the type to mend another one into, if there is one, and what fits. */
export interface Field<T> {
  readonly type?: "string" | "number" | "boolean";
  readonly fits: (value: unknown) => value is T;
}
export type Shape = Readonly<Record<string, Field<unknown>>>;
export type Wire<S extends Shape> = { readonly [Name in keyof S]?: (S[Name] extends Field<infer T> ? T : never) | null };

/** The last instant that OTLP can carry: 2^64 − 1 nanoseconds, in the year 2554. */
const MAX_TIME_MS = 18_446_744_073_709;

const text: Field<string> = { type: "string", fits: (value) => typeof value === "string" };
const flag: Field<boolean> = { type: "boolean", fits: (value) => typeof value === "boolean" };
const whole = numberIn(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
const count = numberIn(0, Number.MAX_SAFE_INTEGER);
/** Milliseconds since the Unix epoch. 0 stands for "not set", as Go writes it. */
const time = numberIn(0, MAX_TIME_MS);
/** Milliseconds, seconds, or a duration such as "3d". */
const length: Field<number | string> = {
  fits: (value): value is number | string => typeof value === "string" || (typeof value === "number" && value >= 0 && value < Infinity),
};
const anything: Field<unknown> = { fits: (_): _ is unknown => true };
/** A body or result: JSON text, base64, plain or `REDACTED:<sha256>`; the SDK's own types say "unknown". */
const payload = anything;
/** A map whose values are a string or a list of strings; read by scalars.ts. */
const headers = anything;
/**
 * An object or a list of objects, each parsed by itself with the shape that is named beside it: so one odd
 * entry costs its own repair.
 */
const nested = anything;

function numberIn(min: number, max: number): Field<number> {
  return { type: "number", fits: (value): value is number => typeof value === "number" && value >= min && value <= max };
}

export const errorShape = { error: text, body: payload, headers, status: whole, time } satisfies Shape;

/** `errors`: errorShape. */
export const stepShape = {
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
  retries: count,
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
} satisfies Shape;

/** `steps`: stepShape. */
export const groupShape = { type: text, steps: nested } satisfies Shape;

/** `errors`: errorShape. */
export const failureFunctionShape = {
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
  maxRetries: count,
} satisfies Shape;

/** Two names for one time: the grouped log says `workflowRunCreatedAt`, the flat one and some older logs `workflowCreatedAt`. */
const identity = { workflowRunId: text, workflowRunCreatedAt: time, workflowCreatedAt: time };

export const invokerShape = { ...identity, workflowUrl: text } satisfies Shape;

/** `labels`: strings; `invoker`: invokerShape; `failureFunction`: failureFunctionShape; `steps`: groupShape. */
export const runShape = {
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
} satisfies Shape;

/** One line of the flat message log; `stepInfo`: stepShape. */
export const eventShape = {
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
} satisfies Shape;

export type WireRun = Wire<typeof runShape>;
export type WireIdentity = Pick<WireRun, "workflowRunId" | "workflowRunCreatedAt" | "workflowCreatedAt">;
export type WireStep = Wire<typeof stepShape>;
export type WireEvent = Wire<typeof eventShape>;
