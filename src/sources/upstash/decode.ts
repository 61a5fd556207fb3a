import type { MessageEvent } from "../../model/event.ts";
import { header, type RunKey, type WorkflowRun } from "../../model/run.ts";
import type { EventPage, RunPage, UnreadableEntry } from "../source.ts";
import { decodeFailureFunction, decodeGroups, decodeStep } from "./decode-steps.ts";
import { isObject, type Oddities, objectAt, parseMending, textsIn } from "./repair.ts";
import { filled, headerLists, httpStatus, millis, payloadText } from "./scalars.ts";
import { eventShape, invokerShape, runShape, type WireEvent, type WireIdentity, type WireRun } from "./wire.ts";

type Unreadable = { readonly ok: false } & Omit<UnreadableEntry, "position" | "beside">;

/**
 * One entry of a grouped log → the model. It is unreadable only where it is no object or cannot be
 * identified; anything else that is odd is mended or dropped field by field and named in `oddities`.
 * `reason` names a path and what was expected there, never a value.
 */
export function decodeRun(entry: unknown): { readonly ok: true; readonly run: WorkflowRun } | Unreadable {
  if (!isObject(entry)) return { ok: false, reason: "expected a run, an object", content: entry };
  const oddities: Oddities = new Set();
  const wire = parseMending(runShape, entry, "", oddities);
  const key = identify(wire, entry);
  return "reason" in key ? key : { ok: true, run: toRun(wire, key, oddities) };
}

/** One line of the flat message log → the model; unreadable without run, time and state. */
export function decodeEvent(entry: unknown): { readonly ok: true; readonly event: MessageEvent } | Unreadable {
  if (!isObject(entry)) return { ok: false, reason: "expected an event, an object", content: entry };
  const oddities: Oddities = new Set();
  const wire = parseMending(eventShape, entry, "", oddities);
  const key = identify(wire, entry);
  if ("reason" in key) return key;
  const time = millis(wire.time);
  if (time === undefined) return { ok: false, reason: "time: expected a time in milliseconds", key };
  const state = filled(wire.state);
  if (state === undefined) return { ok: false, reason: "state: expected a state", key };
  return { ok: true, event: toEvent(wire, { ...key, time, state }, oddities) };
}

/**
 * What a log API body is. An empty page may leave its list out, like everything that is empty; an
 * object with other fields and no list is something else (an error, another API).
 */
export function bodyKind(body: unknown): "runs" | "events" | "empty" | "other" {
  if (!isObject(body)) return "other";
  if (Array.isArray(body.runs)) return "runs";
  if (Array.isArray(body.events)) return "events";
  const rest = Object.keys(body).filter(
    (field) => field !== "cursor" && !(body[field] === null && (field === "runs" || field === "events")),
  );
  return rest.length === 0 ? "empty" : "other";
}

/** A grouped log body, `{cursor?, runs}`. One that is something else gives one unreadable entry. */
export function decodeRunsBody(body: unknown): RunPage {
  const runs: WorkflowRun[] = [];
  const unreadable = decodeEach(body, "runs", (entry) => {
    const decoded = decodeRun(entry);
    if (decoded.ok) runs.push(decoded.run);
    return decoded.ok ? decoded.run : decoded;
  });
  return { runs, unreadable, cursor: nextCursor(body) };
}

/** A flat log body, `{cursor?, events}`. One that is something else gives one unreadable entry. */
export function decodeEventsBody(body: unknown): EventPage {
  const events: MessageEvent[] = [];
  const unreadable = decodeEach(body, "events", (entry) => {
    const decoded = decodeEvent(entry);
    if (decoded.ok) events.push(decoded.event);
    return decoded.ok ? decoded.event : decoded;
  });
  return { events, unreadable, cursor: nextCursor(body) };
}

function decodeEach(body: unknown, list: "runs" | "events", decode: (entry: unknown) => RunKey | Unreadable): UnreadableEntry[] {
  const kind = bodyKind(body);
  if (kind === "empty") return [];
  const entries = isObject(body) ? body[list] : undefined;
  if (!Array.isArray(entries)) return [{ position: 0, reason: `${list}: expected a list`, content: body }];
  const decoded = entries.map(decode);
  const readable = decoded.map((one) => ("ok" in one ? undefined : { id: one.id, createdAt: one.createdAt }));
  return decoded.flatMap((one, position) => {
    if (!("ok" in one)) return [];
    const { ok: _, ...entry } = one;
    const beside = readable.findLast((key, index) => key !== undefined && index < position) ?? readable.find((key) => key !== undefined);
    return [{ position, ...entry, ...(beside && { beside }) }];
  });
}

/** The end of paging is a cursor that is missing, `""` or `null`. */
export function nextCursor(body: unknown): string | undefined {
  const cursor = isObject(body) ? body.cursor : undefined;
  if (typeof cursor === "number") return String(cursor);
  return typeof cursor === "string" && cursor !== "" ? cursor : undefined;
}

function identify(wire: WireIdentity, entry: Record<string, unknown>): RunKey | Unreadable {
  const id = filled(wire.workflowRunId);
  if (id === undefined) return { ok: false, reason: "workflowRunId: expected an id", content: entry };
  const createdAt = millis(wire.workflowRunCreatedAt) ?? millis(wire.workflowCreatedAt);
  if (createdAt !== undefined) return { id, createdAt };
  const content = [id, entry.workflowRunCreatedAt, entry.workflowCreatedAt];
  return { ok: false, reason: "workflowRunCreatedAt: expected a time in milliseconds", id, content };
}

function toRun(wire: WireRun, key: RunKey, oddities: Oddities): WorkflowRun {
  const run = {
    ...key,
    url: wire.workflowUrl ?? "",
    state: wire.workflowState ?? "",
    completedAt: millis(wire.workflowRunCompletedAt),
    callerIp: filled(wire.workflowRunCallerIp),
    response: payloadText(wire.workflowRunResponse, "workflowRunResponse", oddities),
    labels: labelsOf(wire, oddities),
    flowControlKey: filled(wire.flowControlKey),
    dlqId: filled(wire.dlqId),
    invoker: invokerOf(wire, oddities),
    failureFunction: decodeFailureFunction(wire.failureFunction, oddities),
    groups: decodeGroups(wire.steps, oddities),
  };
  return { ...run, oddities: [...oddities] };
}

/** `label` is the deprecated first of `labels`, and in older logs stands alone. */
function labelsOf(wire: WireRun, oddities: Oddities): string[] {
  const labels = textsIn(wire.labels, "labels", oddities);
  const single = filled(wire.label);
  return labels.length === 0 && single !== undefined ? [single] : labels;
}

function invokerOf(wire: WireRun, oddities: Oddities): WorkflowRun["invoker"] {
  const entry = objectAt(wire.invoker, "invoker", oddities);
  const invoker = entry && parseMending(invokerShape, entry, "invoker.", oddities);
  const id = filled(invoker?.workflowRunId);
  if (invoker === undefined || id === undefined) return undefined;
  return {
    id,
    createdAt: millis(invoker.workflowRunCreatedAt) ?? millis(invoker.workflowCreatedAt),
    url: filled(invoker.workflowUrl),
  };
}

/** The SDK's endpoint says which step threw. */
const FAILED_STEP_HEADER = "Upstash-Error-Step-Name";

function toEvent(wire: WireEvent, own: Pick<MessageEvent, "id" | "createdAt" | "time" | "state">, oddities: Oddities): MessageEvent {
  const entry = objectAt(wire.stepInfo, "stepInfo", oddities);
  const step = entry && decodeStep(entry, "stepInfo.", oddities);
  const invokerId = filled(wire.invokerWorkflowRunId);
  const sources = [wire.responseHeaders, wire.headers].map((headers) => headerLists(headers, "headers", oddities));
  return {
    ...own,
    url: wire.workflowUrl ?? "",
    messageId: filled(wire.messageId) ?? step?.messageId,
    step,
    nextDeliveryTime: millis(wire.nextDeliveryTime),
    error: filled(wire.error),
    responseStatus: httpStatus(wire.responseStatus),
    failedStepName: sources.map((headers) => filled(header(headers, FAILED_STEP_HEADER))).find((name) => name !== undefined),
    invoker:
      invokerId === undefined
        ? undefined
        : { id: invokerId, createdAt: millis(wire.invokerWorkflowCreatedAt), url: filled(wire.invokerWorkflowUrl) },
    runResponse: payloadText(wire.workflowRunResponse, "workflowRunResponse", oddities),
  };
}
