/**
 * A workflow run as the rest of the program sees it: the log API's wire shape with its oddities
 * (numbers as strings, two names for one field, headers in two forms, …) already taken out by the
 * source's decoder, and nothing inferred yet. All times are integer milliseconds since the Unix
 * epoch, as the API reports them. Strings are raw: redaction is the mapper's work.
 */
export type Millis = number;

/** A run's identity. Ids can be chosen by the caller and repeat, so the id alone is never enough. */
export interface RunKey {
  readonly id: string;
  readonly createdAt: Millis;
}

/** Header names as received (look them up without case), every value as a list. */
export type Headers = Readonly<Record<string, readonly string[]>>;

export interface WorkflowRun extends RunKey {
  readonly url: string;
  /** RUN_STARTED, RUN_SUCCESS, RUN_FAILED, RUN_CANCELED, or whatever comes next. */
  readonly state: string;
  readonly completedAt?: Millis;
  readonly callerIp?: string;
  /** What the workflow returned, as text. */
  readonly response?: string;
  readonly labels: readonly string[];
  readonly flowControlKey?: string;
  readonly dlqId?: string;
  readonly invoker?: Invoker;
  readonly failureFunction?: FailureFunction;
  readonly groups: readonly StepGroup[];
  /** What the decoder had to repair, one short word each (`completedAt:string`); for the metric. */
  readonly oddities: readonly string[];
}

/** The run whose Invoke step started this one. */
export interface Invoker {
  readonly id: string;
  readonly createdAt?: Millis;
  readonly url?: string;
}

export interface StepGroup {
  /** sequential, parallel, next, single, or whatever comes next. */
  readonly type: string;
  readonly steps: readonly Step[];
}

export interface Step {
  readonly id?: number;
  readonly name: string;
  /** Initial, Run, Call, …; empty where the log does not say (an entry of a `next` group). */
  readonly type: string;
  readonly callType?: string;
  readonly messageId?: string;
  /** STEP_SUCCESS, STEP_RETRY, STEP_FAILED, STEP_PROGRESS, STEP_CANCELED, …; empty where unknown. */
  readonly state: string;
  readonly createdAt?: Millis;
  readonly concurrent?: number;
  readonly out?: string;
  readonly headers?: Headers;
  /** Retries that were configured, not those that happened. */
  readonly retries?: number;
  readonly retryDelay?: string;
  readonly nextDeliveryTime?: Millis;
  readonly errors: readonly DeliveryError[];
  readonly call?: CallDetails;
  readonly sleepFor?: SleepLength;
  readonly sleepUntil?: Millis;
  readonly wait?: WaitDetails;
  readonly invoked?: InvokedRun;
}

export interface DeliveryError {
  readonly message: string;
  readonly status?: number;
  readonly body?: string;
  readonly headers?: Headers;
  /** When the error response arrived. */
  readonly time?: Millis;
}

export interface CallDetails {
  readonly url?: string;
  readonly method?: string;
  readonly requestHeaders?: Headers;
  readonly requestBody?: string;
  readonly responseStatus?: number;
  readonly responseHeaders?: Headers;
  readonly responseBody?: string;
}

/** The log writes a bare number in milliseconds or in seconds; `unknown` leaves that to the timeline. */
export interface SleepLength {
  readonly value: number;
  readonly unit: "ms" | "unknown";
}

export interface WaitDetails {
  readonly eventId?: string;
  readonly deadline?: Millis;
  /** Milliseconds. */
  readonly duration?: number;
  readonly timedOut: boolean;
}

export interface InvokedRun {
  readonly id?: string;
  readonly url?: string;
  readonly createdAt?: Millis;
  readonly body?: string;
  readonly headers?: Headers;
}

export interface FailureFunction {
  /** CALLBACK_INPROGRESS, CALLBACK_SUCCESS, CALLBACK_FAIL, CALLBACK_CANCELED, DELIVERED (early 2025), … */
  readonly state: string;
  readonly messageId?: string;
  readonly url?: string;
  readonly failHeaders?: Headers;
  readonly failStatus?: number;
  readonly failResponse?: string;
  readonly dlqId?: string;
  readonly errors: readonly DeliveryError[];
  readonly responseStatus?: number;
  readonly responseHeaders?: Headers;
  readonly responseBody?: string;
  readonly maxRetries?: number;
}

/** RUN_STARTED goes on; any other state has ended if it is one of the three known ends or shows an end time. */
export function isTerminal(run: Pick<WorkflowRun, "state" | "completedAt">): boolean {
  if (run.state === "RUN_SUCCESS" || run.state === "RUN_FAILED" || run.state === "RUN_CANCELED") return true;
  return run.state !== "RUN_STARTED" && run.completedAt !== undefined;
}

/** When a terminal run ended; the latest time it shows where the log does not say. */
export function endOf(run: WorkflowRun): Millis {
  if (run.completedAt !== undefined) return run.completedAt;
  let latest = run.createdAt;
  for (const group of run.groups) {
    for (const step of group.steps) {
      for (const time of [step.createdAt, ...step.errors.map((error) => error.time)])
        if (time !== undefined && time > latest) latest = time;
    }
  }
  return latest;
}

/** A failure function that has reached a state it will not leave. */
export function isSettled(failure: FailureFunction): boolean {
  return failure.state !== "CALLBACK_INPROGRESS" && failure.state !== "";
}

/** The step that a run begins with: what triggered it. */
export function initialStep(run: Pick<WorkflowRun, "groups">): Step | undefined {
  for (const { steps } of run.groups) for (const step of steps) if (step.type === "Initial") return step;
  return undefined;
}

/** First value of a header, looked up without case. */
export function header(headers: Headers | undefined, name: string): string | undefined {
  if (headers === undefined) return undefined;
  const wanted = name.toLowerCase();
  for (const key of Object.keys(headers)) {
    if (key.toLowerCase() === wanted) return headers[key]?.[0];
  }
  return undefined;
}

/** One word for an identity, as a key of maps. */
export function keyOf(key: RunKey): string {
  return `${key.createdAt}@${key.id}`;
}

/** One entry per run, in the order of first sight; where a run is there twice, the one that shows it ended. */
export function distinctRuns(runs: readonly WorkflowRun[]): WorkflowRun[] {
  const byKey = new Map<string, WorkflowRun>();
  for (const run of runs) {
    const before = byKey.get(keyOf(run));
    if (before === undefined || (!isTerminal(before) && isTerminal(run))) byKey.set(keyOf(run), run);
  }
  return [...byKey.values()];
}
