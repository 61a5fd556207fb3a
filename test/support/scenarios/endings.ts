import type { Millis, WireError, WireGroup, WireRun, WireStep } from "../../../src/fake-upstash/wire.ts";
import { type GaveUp, inDelivery } from "./messages.ts";
import { newId } from "./random.ts";
import { cut, emit, type PlayedRun, pendingMessages, type Recording, retriesOf, snapshot } from "./recording.ts";

export function succeed(recording: Recording, end: Millis): PlayedRun {
  const { response } = recording.program;
  emit(recording, end, "RUN_SUCCESS");
  const returned = response === undefined ? {} : { workflowRunResponse: JSON.stringify(response) };
  snapshot(recording, end, [], { workflowState: "RUN_SUCCESS", workflowRunCompletedAt: end, ...returned });
  return finished(recording);
}

export function cancel(recording: Recording, end: Millis): PlayedRun {
  recording.groups.splice(0, recording.groups.length, ...cut(recording, end, "STEP_CANCELED"));
  for (const message of pendingMessages(recording)) emit(recording, end, "CANCELED", message);
  emit(recording, end, "RUN_CANCELED");
  snapshot(recording, end, [], { workflowState: "RUN_CANCELED", workflowRunCompletedAt: end });
  return finished(recording);
}

export function fail(recording: Recording, { carrier, at: end, errors, failed }: GaveUp): PlayedRun {
  const groups = cut(recording, end, "STEP_CANCELED").filter((group) => group.type !== "next");
  const retries = retriesOf(recording);
  const told = { state: "STEP_FAILED", retries, errors };
  const isFailed = (step: WireStep) => step.stepId === failed.plan?.stepId && failed.plan !== undefined;
  const mark = (group: WireGroup) => ({ ...group, steps: group.steps.map((step) => (isFailed(step) ? { ...step, ...told } : step)) });
  const next = failed.plan === undefined ? [inDelivery(carrier, { ...told, stepName: failed.work.name })] : [];
  recording.groups.splice(0, recording.groups.length, ...groups.map(mark), ...next);
  emit(recording, end, "FAILED", carrier);
  emit(recording, end, "RUN_FAILED");
  const dlqId = newId(recording.random, "dlq");
  const ended: Partial<WireRun> = { workflowState: "RUN_FAILED", workflowRunCompletedAt: end, dlqId };
  snapshot(recording, end, [], { ...ended, ...failureFunction(recording, end, errors, dlqId, false) });
  const settled = end + (recording.program.failureFunction?.ms ?? 0);
  if (settled > end) snapshot(recording, settled, [], { ...ended, ...failureFunction(recording, settled, errors, dlqId, true) });
  return finished(recording);
}

function failureFunction(
  recording: Recording,
  now: Millis,
  errors: readonly WireError[],
  dlqId: string,
  settled: boolean,
): Partial<WireRun> {
  const last = errors.at(-1);
  const { failureFunction: declared, url } = recording.program;
  if (declared === undefined || last === undefined) return {};
  const { headers = {}, status = 500, body = "" } = last;
  const messageId = `${recording.identity.workflowRunId.replace("wfr", "msg")}_failure`;
  const asked = { messageId, url, failHeaders: headers, failStatus: status, failResponse: body, dlqId, maxRetries: retriesOf(recording) };
  if (!settled) return { failureFunction: { ...asked, state: "CALLBACK_INPROGRESS" } };
  const responseHeaders = { "Content-Type": ["application/json"], Date: [new Date(now).toUTCString()] };
  const responseBody = JSON.stringify({ result: declared.response });
  return { failureFunction: { ...asked, state: "CALLBACK_SUCCESS", responseStatus: 200, responseHeaders, responseBody } };
}

function finished({ versions, events, truth }: Recording): PlayedRun {
  return { versions: versions.toSorted((a, b) => a.since - b.since), events: events.toSorted((a, b) => a.time - b.time), truth };
}
