/**
 * The log API's wire shapes as this fake serves them, field for field as Upstash's REST reference and the official
 * SDK's types have them. Times are milliseconds since the Unix epoch. Deliberately not the decoder's own schema: a
 * fake that shared it would agree with its mistakes.
 */
export type Millis = number;
export type WireHeaders = Readonly<Record<string, readonly string[]>>;

export interface WireRun {
  readonly workflowRunId: string;
  readonly workflowUrl: string;
  readonly workflowState: string;
  readonly workflowRunCreatedAt: Millis;
  readonly workflowRunCompletedAt?: Millis;
  readonly workflowRunCallerIp?: string;
  readonly workflowRunResponse?: string;
  readonly label?: string;
  readonly labels?: readonly string[];
  readonly flowControlKey?: string;
  readonly dlqId?: string;
  readonly invoker?: WireInvoker;
  readonly failureFunction?: WireFailureFunction;
  readonly steps: readonly WireGroup[];
}

export interface WireInvoker {
  readonly workflowRunId: string;
  readonly workflowUrl: string;
  readonly workflowRunCreatedAt: Millis;
}

export interface WireGroup {
  readonly type: string;
  readonly steps: readonly WireStep[];
}

/** What a step says by its type; the same fields lie in an event's `stepInfo`. */
export interface WireStep {
  readonly stepId?: number;
  readonly stepName?: string;
  readonly stepType?: string;
  readonly callType?: string;
  readonly messageId?: string;
  readonly state?: string;
  readonly createdAt?: Millis;
  readonly concurrent?: number;
  readonly out?: string;
  readonly headers?: WireHeaders;
  readonly retries?: number;
  readonly retryDelay?: string;
  readonly nextDeliveryTime?: Millis;
  readonly errors?: readonly WireError[];
  readonly callUrl?: string;
  readonly callMethod?: string;
  readonly callHeaders?: WireHeaders;
  readonly callBody?: string;
  readonly callResponseStatus?: number;
  readonly callResponseBody?: string;
  readonly callResponseHeaders?: WireHeaders;
  /** Milliseconds. */
  readonly sleepFor?: number;
  readonly sleepUntil?: Millis;
  readonly waitEventId?: string;
  readonly waitTimeoutDeadline?: Millis;
  readonly waitTimeoutDuration?: string;
  readonly waitTimeout?: boolean;
  readonly invokedWorkflowRunId?: string;
  readonly invokedWorkflowUrl?: string;
  readonly invokedWorkflowCreatedAt?: Millis;
  readonly invokedWorkflowRunBody?: string;
  readonly invokedWorkflowRunHeaders?: WireHeaders;
}

export interface WireError {
  readonly error: string;
  readonly body?: string;
  readonly headers?: WireHeaders;
  readonly status?: number;
  readonly time: Millis;
}

export interface WireFailureFunction {
  readonly messageId: string;
  readonly url: string;
  readonly state: string;
  readonly failHeaders?: WireHeaders;
  readonly failStatus?: number;
  readonly failResponse?: string;
  readonly dlqId?: string;
  readonly errors?: readonly WireError[];
  readonly responseStatus?: number;
  readonly responseHeaders?: WireHeaders;
  readonly responseBody?: string;
  readonly maxRetries?: number;
}

/** One line of the flat message log. */
export interface WireEvent {
  readonly time: Millis;
  readonly state: string;
  readonly workflowRunId: string;
  readonly workflowUrl: string;
  readonly workflowCreatedAt: Millis;
  readonly stepInfo?: WireStep;
  readonly nextDeliveryTime?: Millis;
  readonly headers?: WireHeaders;
  readonly error?: string;
  readonly responseStatus?: number;
  readonly responseBody?: string;
  readonly responseHeaders?: WireHeaders;
  readonly invokerWorkflowRunId?: string;
  readonly invokerWorkflowCreatedAt?: Millis;
  readonly invokerWorkflowUrl?: string;
  readonly workflowRunResponse?: string;
}
