import { type Attribute, define } from "./attribute.ts";

/** Behind the name of a value: its size before it was cut, in bytes of UTF-8. */
export const SIZE_SUFFIX = ".size";

/**
 * The public attribute names: dashboards and alerts are built on them. The README's table is made from this
 * one, and its order is the order of importance when a span keeps only some of them (`attributes: lean`).
 * Durations are seconds as doubles, other times ISO 8601.
 */
export const ATTRIBUTES = {
  RUN_ID: define("upstash.workflow.run.id", "string", "every span", "The run's id as Upstash shows it"),
  WORKFLOW_NAME: define("upstash.workflow.name", "string", "every span", "The workflow's name, the same for all of its runs"),
  STEP_NAME: define("upstash.workflow.step.name", "string", "step", "The step's name, whole (up to 64 KiB)"),
  STEP_TYPE: define("upstash.workflow.step.type", "string", "step", "Run, Call, SleepFor, SleepUntil, Wait, Invoke, …"),
  STEP_ID: define("upstash.workflow.step.id", "int", "step", "The step's number in its run"),
  STEP_STATE: define("upstash.workflow.step.state", "string", "step", "STEP_SUCCESS, STEP_FAILED, STEP_CANCELED, …"),
  RUN_STATE: define("upstash.workflow.run.state", "string", "run", "RUN_SUCCESS, RUN_FAILED or RUN_CANCELED"),
  RUN_URL: define("upstash.workflow.run.url", "string", "run", "The workflow's URL, secrets removed"),
  RUN_CREATED_AT: define("upstash.workflow.run.created_at", "string", "run", "When the run was created; with its id, the run's identity"),
  ERROR_TYPE: define(
    "error.type",
    "string",
    "what failed; event attempt.failed",
    "An HTTP status, timeout, connection, non_retryable or _OTHER",
  ),
  TIME_SOURCE: define(
    "upstash.workflow.time.source",
    "string",
    "step, its parts",
    "log: the log states both its start and its end; inferred: one is a neighbour's",
  ),
  TIME_ADJUSTED: define("upstash.workflow.time.adjusted", "boolean", "run, step", "The log contradicts itself here and a time had to move"),
  STEP_CRITICAL: define("upstash.workflow.step.critical", "boolean", "step", "The run's duration depends on this step"),
  STEP_ATTEMPTS: define(
    "upstash.workflow.step.attempts",
    "int",
    "step",
    "Attempts seen: all of them in the message log, in the grouped log only those of a step that shows errors",
  ),
  HTTP_METHOD: define("http.request.method", "string", "Call", "Request method"),
  HTTP_STATUS: define("http.response.status_code", "int", "Call; failure function; event attempt.failed", "Response status"),
  URL_FULL: define("url.full", "string", "Call", "Request URL, secrets removed"),
  SERVER_ADDRESS: define("server.address", "string", "Call", "Host called"),
  SERVER_PORT: define("server.port", "int", "Call", "Port called"),
  PEER_NAME: define("service.peer.name", "string", "Call", "Host called, for service graphs"),
  PEER_SERVICE: define("peer.service", "string", "Call", "The same under its older name"),
  INVOKED_ID: define("upstash.workflow.step.invoked.run.id", "string", "Invoke", "The run that was started"),
  INVOKED_URL: define("upstash.workflow.step.invoked.url", "string", "Invoke", "Its workflow's URL, secrets removed"),
  SLEEP_DURATION: define("upstash.workflow.step.sleep.duration", "double", "SleepFor", "How long it was to sleep, s"),
  SLEEP_UNTIL: define("upstash.workflow.step.sleep.until", "string", "SleepUntil", "Until when"),
  WAIT_EVENT_ID: define("upstash.workflow.step.wait.event.id", "string", "Wait, WaitForWebhook", "The event waited for"),
  WAIT_TIMED_OUT: define("upstash.workflow.step.wait.timed_out", "boolean", "Wait, WaitForWebhook", "It ended without the event"),
  WAIT_TIMEOUT: define("upstash.workflow.step.wait.timeout", "double", "Wait, WaitForWebhook", "How long it was to wait at most, s"),
  GEN_AI_PROVIDER: define("gen_ai.provider.name", "string", "LLM call", "openai, anthropic, or as configured for the host"),
  GEN_AI_OPERATION: define("gen_ai.operation.name", "string", "LLM call", "chat, embeddings, …"),
  GEN_AI_STREAM: define(
    "gen_ai.request.stream",
    "boolean",
    "LLM call",
    "The answer was streamed: its model, tokens and finish reasons are not known",
  ),
  GEN_AI_REQUEST_MODEL: define("gen_ai.request.model", "string", "LLM call", "The model asked for"),
  GEN_AI_RESPONSE_MODEL: define("gen_ai.response.model", "string", "LLM call", "The model that answered"),
  GEN_AI_INPUT_TOKENS: define("gen_ai.usage.input_tokens", "int", "LLM call", "Tokens of the prompt"),
  GEN_AI_OUTPUT_TOKENS: define("gen_ai.usage.output_tokens", "int", "LLM call", "Tokens of the answer"),
  GEN_AI_FINISH_REASONS: define("gen_ai.response.finish_reasons", "string[]", "LLM call", "Why the answer ended"),
  CRITICAL_RUN: critical("run", "Run, Notify, CreateWebhook and failed deliveries"),
  CRITICAL_CALL: critical("call", "calls"),
  CRITICAL_SLEEP: critical("sleep", "sleeps"),
  CRITICAL_WAIT: critical("wait", "waits for events and webhooks"),
  CRITICAL_INVOKE: critical("invoke", "invoked runs"),
  CRITICAL_RETRY: critical("retry", "what followed a first attempt that failed"),
  CRITICAL_UNKNOWN: critical("unknown", "start delay, gaps, and types this version does not know"),
  STEPS_TOTAL: define("upstash.workflow.run.steps.total", "int", "run", "Steps, without Initial and those carried over"),
  STEPS_FAILED: define("upstash.workflow.run.steps.failed", "int", "run", "Steps that failed"),
  STEPS_CANCELED: define("upstash.workflow.run.steps.canceled", "int", "run", "Steps that were canceled"),
  STEPS_RETRIED: define("upstash.workflow.run.steps.retried", "int", "run", "Steps seen to be attempted more than once"),
  RUN_INVOKER_ID: define("upstash.workflow.run.invoker.id", "string", "run", "The run that invoked this one"),
  RUN_RESUMED_FROM: define("upstash.workflow.run.resumed_from.id", "string", "run", "The run this one resumes, where known"),
  RUN_LABELS: define("upstash.workflow.run.labels", "string[]", "run", "The run's labels"),
  RUN_FLOW_CONTROL: define("upstash.workflow.run.flow_control.key", "string", "run", "Its flow-control key"),
  RUN_DLQ_ID: define("upstash.workflow.run.dlq.id", "string", "run", "Its entry in the dead letter queue"),
  CLIENT_ADDRESS: define("client.address", "string", "run", "Who triggered it"),
  GROUP_INDEX: define("upstash.workflow.step.group.index", "int", "step", "Position of its group in the run, from 0"),
  GROUP_SIZE: define("upstash.workflow.step.group.size", "int", "step", "How many steps run side by side in it"),
  STEP_CALL_TYPE: define("upstash.workflow.step.call_type", "string", "step", "step, parallelPlan, parallelResult, …"),
  STEP_MESSAGE_ID: define("upstash.workflow.step.message.id", "string", "step", "The QStash message that carries it"),
  STEP_RETRIES: define("upstash.workflow.step.retries", "int", "step", "Retries that were configured"),
  STEP_CREATED_AT: define("upstash.workflow.step.created_at", "string", "event step.carried", "When the carried-over step was made"),
  FAILURE_STATE: define("upstash.workflow.failure.state", "string", "failure function", "CALLBACK_SUCCESS, CALLBACK_FAIL, …"),
  FAILURE_URL: define("upstash.workflow.failure.url", "string", "failure function", "Its URL, secrets removed"),
  FAILURE_MESSAGE_ID: define("upstash.workflow.failure.message.id", "string", "failure function", "The message that carries it"),
  FAILURE_DLQ_ID: define("upstash.workflow.failure.dlq.id", "string", "failure function", "Its entry in the dead letter queue"),
  FAILURE_MAX_RETRIES: define("upstash.workflow.failure.max_retries", "int", "failure function", "Retries that were configured"),
  ATTEMPT_NUMBER: define("upstash.workflow.attempt.number", "int", "attempt; event attempt.failed", "Which attempt, from 1"),
  ATTEMPT_MESSAGE: define("upstash.workflow.attempt.message", "string", "event attempt.failed", "What went wrong, secrets removed"),
  EXCEPTION_TYPE: define("exception.type", "string", "event exception", "As error.type"),
  EXCEPTION_MESSAGE: define("exception.message", "string", "event exception", "What went wrong, secrets removed"),
  STEP_OUTPUT: define("upstash.workflow.step.output", "string", "step (capture)", "What the step returned"),
  STEP_OUTPUT_SIZE: size("upstash.workflow.step.output"),
  CALL_REQUEST_BODY: define("upstash.workflow.call.request.body", "string", "Call (capture)", "Request body"),
  CALL_REQUEST_BODY_SIZE: size("upstash.workflow.call.request.body"),
  CALL_RESPONSE_BODY: define("upstash.workflow.call.response.body", "string", "Call (capture)", "Response body"),
  CALL_RESPONSE_BODY_SIZE: size("upstash.workflow.call.response.body"),
  RUN_REQUEST_BODY: define("upstash.workflow.run.request.body", "string", "run (capture)", "The payload it was triggered with"),
  RUN_REQUEST_BODY_SIZE: size("upstash.workflow.run.request.body"),
  RUN_RESPONSE_BODY: define("upstash.workflow.run.response.body", "string", "run (capture)", "What the run returned"),
  RUN_RESPONSE_BODY_SIZE: size("upstash.workflow.run.response.body"),
  REQUEST_HEADER: define("http.request.header.<name>", "string[]", "Call (capture)", "Allow-listed request headers, names in lower case"),
  RESPONSE_HEADER: define("http.response.header.<name>", "string[]", "Call (capture)", "Allow-listed response headers"),
  SIZE: define("<name>.size", "int", "beside a value that was cut", "Its original size in bytes"),
  SERVICE_NAME: define("service.name", "string", "resource", "The application the workflow belongs to"),
  SERVICE_NAMESPACE: define("service.namespace", "string", "resource", "Its namespace, from a rule"),
  ENVIRONMENT: define("deployment.environment.name", "string", "resource", "The environment, from the configuration"),
} as const;

export const EVENTS = {
  STARTED: "upstash.workflow.started",
  CARRIED: "upstash.workflow.step.carried",
  CANCELED: "upstash.workflow.canceled",
  ATTEMPT_FAILED: "upstash.workflow.attempt.failed",
  EXCEPTION: "exception",
} as const;

/** Attributes that are doubles on the wire even where their value is integral. */
export const DOUBLE_ATTRIBUTES: ReadonlySet<string> = new Set(
  Object.values(ATTRIBUTES)
    .filter((attribute) => attribute.type === "double")
    .map((attribute) => attribute.name),
);

function critical(kind: string, of: string): Attribute<"double"> {
  const says = `Share of the run's duration that lies in ${of}, s; the seven add up to the whole`;
  return define(`upstash.workflow.critical_path.${kind}.duration`, "double", "run", says);
}

function size(of: string): Attribute<"int"> {
  return define(of + SIZE_SUFFIX, "int", "beside it", "Its original size in bytes");
}
