import type { Millis, WireError, WireFailureFunction, WireInvoker, WireStep } from "../../src/fake-upstash/wire.ts";
import type { FlowControl } from "./flow-control.ts";

/** How a run's deliveries are made; only its trigger says so, and it holds for all of them. */
export interface Terms {
  /** Sent with every delivery, names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly retries: number;
  readonly retryDelay?: string | undefined;
  readonly flowControl?: FlowControl | undefined;
  readonly labels: readonly string[];
  readonly failure?: FailureTerms | undefined;
  /** `Upstash-Redact-Fields`: "body", "header", "header[Name]". */
  readonly redact: readonly string[];
}

export interface FailureTerms {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly retries: number;
  readonly retryDelay?: string | undefined;
}

/** A run as the engine holds it. Both logs are views of this. */
export interface EngineRun {
  readonly id: string;
  readonly url: string;
  readonly createdAt: Millis;
  readonly payload: string;
  readonly terms: Terms;
  readonly callerIp?: string | undefined;
  readonly invoker?: Invoker | undefined;
  /** What the SDK is sent, in order: Initial, plans, results. */
  readonly entries: Message[];
  /** Every message, calls and callbacks too, by creation. */
  readonly messages: Message[];
  /** Steps that were begun, and that nobody at the endpoint executes: calls, waits, invocations. */
  readonly pending: Map<number, Pending>;
  /** Events that came before anybody waited for them, by event id. */
  readonly early: Map<string, string>;
  /** Aborted when the run ends. */
  readonly over: AbortController;
  state: "RUN_STARTED" | "RUN_SUCCESS" | "RUN_FAILED" | "RUN_CANCELED";
  completedAt?: Millis;
  response?: string;
  dlqId?: string;
  /** The message whose delivery failed the run. */
  failed?: Message;
  failureFunction?: WireFailureFunction | undefined;
}

/** The step of another run that waits for this one. */
export interface Invoker extends WireInvoker {
  readonly run: EngineRun;
  readonly step: SubmittedStep;
}

/** A step as the SDK submits it: its result, or (stepId 0, with a target) its plan. */
export interface SubmittedStep {
  readonly stepId: number;
  readonly stepName: string;
  readonly stepType: string;
  readonly concurrent: number;
  readonly targetStep?: number;
  readonly out?: string;
  readonly sleepFor?: number | string;
  readonly sleepUntil?: number;
  readonly waitEventId?: string;
  readonly waitTimeout?: boolean;
}

export interface Message {
  readonly id: string;
  readonly run: EngineRun;
  readonly destination: string;
  readonly callType: "step" | "toCallback" | "fromCallback";
  /** As it was submitted. */
  readonly body: string;
  /** What the logs show of it, without its own id and times. */
  readonly info: WireStep;
  /** Of a plan. */
  readonly target?: number | undefined;
  /** Of the result of a Call, Wait or Invoke: how it began. */
  readonly begun?: Pending | undefined;
  readonly createdAt: Millis;
  readonly retries: number;
  readonly retryDelay?: string | undefined;
  readonly flowControl?: FlowControl | undefined;
  /** When it is, or was, to be delivered next. */
  deliverAt: Millis;
  state: "waiting" | "active" | "retrying" | "done" | "failed" | "canceled";
  retried: number;
  readonly errors: WireError[];
  /** Name of the step that threw, where the endpoint said it. */
  failedStep?: string | undefined;
}

/** A step that is in progress without a delivery. */
export interface Pending {
  readonly info: WireStep;
  /** START of the step. */
  readonly createdAt: Millis;
  /** Of a Call: its request and the answer to it. */
  request?: Message;
  response?: Message;
}

export const hasEnded = (run: EngineRun): boolean => run.state !== "RUN_STARTED";

export const isPending = ({ state }: Message): boolean => state === "waiting" || state === "active" || state === "retrying";

/** Messages that carry steps: the entries, and plans that are no entries yet (ordered by delivery, and not delivered). */
export function stepMessages({ entries, messages }: EngineRun): Message[] {
  return [...entries, ...messages.filter((message) => message.target !== undefined && !entries.includes(message))];
}
