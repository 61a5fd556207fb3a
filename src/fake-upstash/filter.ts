import type { Millis, WireEvent, WireRun } from "./wire.ts";

/** What `fromDate` and `toDate` compare: Upstash's own sources contradict each other, so the fake can mean any of them. */
export type DateReading = "creation" | "event" | "last-event";

export interface DateReadings {
  /** Of the grouped log. */
  readonly runs: DateReading;
  /** Of the flat log: the event's own time, or its run's. */
  readonly events: DateReading;
}

/** A query that the API would answer with 400 and these words. */
export class BadQuery extends Error {}

/** The predicate that the query's filters make for grouped runs. `workflowRuns` switches every other filter off. */
export function runFilter(query: URLSearchParams, reading: DateReading): (run: WireRun) => boolean {
  const wanted = query.get("workflowRuns");
  if (wanted !== null) {
    const keys = new Set(wanted.split(",").map(parseKey));
    return (run) => keys.has(`${run.workflowRunId}@${run.workflowRunCreatedAt}`);
  }
  const labels = query.getAll("label");
  const createdAt = integer(query, "workflowCreatedAt");
  const inWindow = dateFilter(query);
  return (run) =>
    equals(query, "workflowRunId", run.workflowRunId) &&
    equals(query, "workflowUrl", run.workflowUrl) &&
    equals(query, "flowControlKey", run.flowControlKey) &&
    equals(query, "callerIp", run.workflowRunCallerIp) &&
    (createdAt === undefined || createdAt === run.workflowRunCreatedAt) &&
    (labels.length === 0 || labels.some((label) => label === run.label || run.labels?.includes(label))) &&
    hasState(run, query.get("state")) &&
    inWindow(reading === "creation" ? [run.workflowRunCreatedAt] : timesOf(run), reading);
}

/** The same for the flat log. `lastEventTime` gives the time of the newest event of an event's run. */
export function eventFilter(
  query: URLSearchParams,
  reading: DateReading,
  lastEventTime: (event: WireEvent) => Millis,
): (event: WireEvent) => boolean {
  const createdAt = integer(query, "workflowCreatedAt");
  const state = query.get("state");
  const inWindow = dateFilter(query);
  return (event) =>
    equals(query, "workflowRunId", event.workflowRunId) &&
    equals(query, "workflowUrl", event.workflowUrl) &&
    equals(query, "messageId", event.stepInfo?.messageId) &&
    (createdAt === undefined || createdAt === event.workflowCreatedAt) &&
    (state === null || state === event.state || state === event.stepInfo?.state) &&
    inWindow([reading === "event" ? event.time : reading === "creation" ? event.workflowCreatedAt : lastEventTime(event)], reading);
}

/** An integer parameter, undefined where it is absent. */
export function integer(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  if (!/^-?\d{1,16}$/.test(text)) throw new BadQuery(`invalid ${name}: not a number`);
  return Number(text);
}

function parseKey(text: string): string {
  const at = text.lastIndexOf("@");
  if (at < 1 || !/^\d+$/.test(text.slice(at + 1))) throw new BadQuery("invalid workflowRuns: expected ID@TIMESTAMP");
  return text;
}

function equals(query: URLSearchParams, name: string, value: string | undefined): boolean {
  const wanted = query.get(name);
  return wanted === null || wanted === value;
}

function hasState(run: WireRun, state: string | null): boolean {
  if (state === null || state === run.workflowState) return true;
  return run.steps.some((group) => group.steps.some((step) => step.state === state));
}

function dateFilter(query: URLSearchParams): (times: readonly Millis[], reading: DateReading) => boolean {
  const from = integer(query, "fromDate") ?? Number.NEGATIVE_INFINITY;
  const to = integer(query, "toDate") ?? Number.POSITIVE_INFINITY;
  const inside = (time: Millis) => time >= from && time <= to;
  return (times, reading) => (reading === "last-event" ? inside(Math.max(...times)) : times.some(inside));
}

/** Every moment at which something happened in a run, as far as the grouped log says. */
function timesOf(run: WireRun): Millis[] {
  const steps = run.steps.flatMap((group) => group.steps);
  const errors = [...steps.flatMap((step) => step.errors ?? []), ...(run.failureFunction?.errors ?? [])];
  const known = [
    run.workflowRunCreatedAt,
    run.workflowRunCompletedAt,
    ...steps.map((step) => step.createdAt),
    ...errors.map((e) => e.time),
  ];
  return known.filter((time) => time !== undefined);
}
