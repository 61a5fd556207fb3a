import type { CallDetails, DeliveryError, FailureFunction, InvokedRun, Step, StepGroup, WaitDetails } from "../../model/run.ts";
import { type Oddities, objectAt, objectsIn, parseMending } from "./repair.ts";
import { filled, headerLists, httpStatus, millis, millisOrSeconds, payloadText, sleepLength, timeoutMs, whole } from "./scalars.ts";
import { errorShape, failureFunctionShape, groupShape, stepShape, type WireStep } from "./wire.ts";

/** The groups of a run in their order. */
export function decodeGroups(groups: unknown, oddities: Oddities): StepGroup[] {
  return objectsIn(groups, "steps", oddities).map((entry) => {
    const group = parseMending(groupShape, entry, "steps.", oddities);
    const steps = objectsIn(group.steps, "steps.steps", oddities).map((step) => decodeStep(step, "steps.steps.", oddities));
    const type = filled(group.type);
    if (type === undefined) oddities.add("steps.type:missing");
    return { type: type ?? (steps.length > 1 ? "parallel" : "sequential"), steps };
  });
}

/** Undefined where the run has none, which some logs write as an empty object. */
export function decodeFailureFunction(entry: unknown, oddities: Oddities): FailureFunction | undefined {
  const object = objectAt(entry, "failureFunction", oddities);
  const wire = object && parseMending(failureFunctionShape, object, "failureFunction.", oddities);
  if (wire === undefined || !someSet(wire.state, wire.messageId, wire.url)) return undefined;
  return {
    state: wire.state ?? "",
    messageId: filled(wire.messageId),
    url: filled(wire.url),
    failHeaders: headerLists(wire.failHeaders, "failureFunction.failHeaders", oddities),
    failStatus: httpStatus(wire.failStatus),
    failResponse: payloadText(wire.failResponse, "failureFunction.failResponse", oddities),
    dlqId: filled(wire.dlqId),
    errors: decodeErrors(wire.errors, "failureFunction.errors", oddities),
    responseStatus: httpStatus(wire.responseStatus),
    responseHeaders: headerLists(wire.responseHeaders, "failureFunction.responseHeaders", oddities),
    responseBody: payloadText(wire.responseBody, "failureFunction.responseBody", oddities),
    maxRetries: whole(wire.maxRetries),
  };
}

/** One step; `path` names where it stands, and ends in a dot. */
export function decodeStep(entry: object, path: string, oddities: Oddities): Step {
  const wire = parseMending(stepShape, entry, path, oddities);
  return {
    id: wire.stepId === 0 ? undefined : whole(wire.stepId), // 0 is left out or written: one step, one identity
    name: wire.stepName ?? "",
    type: wire.stepType ?? "",
    callType: filled(wire.callType),
    messageId: filled(wire.messageId),
    state: wire.state ?? "",
    createdAt: millis(wire.createdAt),
    concurrent: whole(wire.concurrent),
    out: payloadText(wire.out, "steps.steps.out", oddities),
    headers: headerLists(wire.headers, "steps.steps.headers", oddities),
    retries: whole(wire.retries),
    retryDelay: filled(wire.retryDelay),
    nextDeliveryTime: millis(wire.nextDeliveryTime),
    errors: decodeErrors(wire.errors, "steps.steps.errors", oddities),
    call: decodeCall(wire, oddities),
    sleepFor: sleepLength(wire.sleepFor, "steps.steps.sleepFor", oddities),
    sleepUntil: millisOrSeconds(wire.sleepUntil),
    wait: decodeWait(wire, oddities),
    invoked: decodeInvoked(wire, oddities),
  };
}

function decodeErrors(errors: unknown, path: string, oddities: Oddities): DeliveryError[] {
  return objectsIn(errors, path, oddities).map((entry) => {
    const wire = parseMending(errorShape, entry, `${path}.`, oddities);
    return {
      message: wire.error ?? "",
      status: httpStatus(wire.status),
      body: payloadText(wire.body, `${path}.body`, oddities),
      headers: headerLists(wire.headers, `${path}.headers`, oddities),
      time: millis(wire.time),
    };
  });
}

function decodeCall(wire: WireStep, oddities: Oddities): CallDetails | undefined {
  const request = someSet(wire.callUrl, wire.callMethod, wire.callHeaders, wire.callBody);
  const response = someSet(wire.callResponseStatus, wire.callResponseHeaders, wire.callResponseBody);
  if (!request && !response) return undefined;
  return {
    url: filled(wire.callUrl),
    method: filled(wire.callMethod),
    requestHeaders: headerLists(wire.callHeaders, "steps.steps.callHeaders", oddities),
    requestBody: payloadText(wire.callBody, "steps.steps.callBody", oddities),
    responseStatus: httpStatus(wire.callResponseStatus),
    responseHeaders: headerLists(wire.callResponseHeaders, "steps.steps.callResponseHeaders", oddities),
    responseBody: payloadText(wire.callResponseBody, "steps.steps.callResponseBody", oddities),
  };
}

function decodeWait(wire: WireStep, oddities: Oddities): WaitDetails | undefined {
  if (!someSet(wire.waitEventId, wire.waitTimeoutDeadline, wire.waitTimeoutDuration, wire.waitTimeout)) return undefined;
  return {
    eventId: filled(wire.waitEventId),
    deadline: millisOrSeconds(wire.waitTimeoutDeadline),
    duration: timeoutMs(wire.waitTimeoutDuration, "steps.steps.waitTimeoutDuration", oddities),
    timedOut: wire.waitTimeout === true,
  };
}

function decodeInvoked(wire: WireStep, oddities: Oddities): InvokedRun | undefined {
  const run = someSet(wire.invokedWorkflowRunId, wire.invokedWorkflowUrl, wire.invokedWorkflowCreatedAt);
  if (!run && !someSet(wire.invokedWorkflowRunBody, wire.invokedWorkflowRunHeaders)) return undefined;
  return {
    id: filled(wire.invokedWorkflowRunId),
    url: filled(wire.invokedWorkflowUrl),
    createdAt: millis(wire.invokedWorkflowCreatedAt),
    body: payloadText(wire.invokedWorkflowRunBody, "steps.steps.invokedWorkflowRunBody", oddities),
    headers: headerLists(wire.invokedWorkflowRunHeaders, "steps.steps.invokedWorkflowRunHeaders", oddities),
  };
}

/** Whether one of the fields says anything: zero, false and empty ones may as well be left out. */
function someSet(...fields: readonly unknown[]): boolean {
  return fields.some((field) => field !== undefined && field !== null && field !== "" && field !== 0 && field !== false);
}
