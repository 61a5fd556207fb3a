import type { LogStore } from "../log-store.ts";
import type { Millis, WireEvent, WireGroup, WireRun, WireStep } from "../wire.ts";

/** What both logs of a program's runs said, as they grew: the versions of its runs, each from its `since` on, and the lines of the message log. */
export interface Logs {
  readonly versions: readonly { readonly since: Millis; readonly run: WireRun }[];
  readonly events: readonly WireEvent[];
}

/** The same, small: what repeats stands once, in `runs` and `steps`, and a number is a place there. Times count from the end of the last run. */
export interface Recording {
  readonly runs: readonly Identity[];
  readonly steps: readonly WireStep[];
  readonly versions: readonly PackedVersion[];
  readonly events: readonly PackedEvent[];
}

interface Identity {
  readonly workflowRunId: string;
  readonly workflowUrl: string;
  readonly workflowCreatedAt: Millis;
}

interface PackedVersion extends Omit<WireRun, "workflowRunId" | "workflowUrl" | "workflowRunCreatedAt" | "steps"> {
  readonly since: Millis;
  readonly of: number;
  readonly steps: readonly (Omit<WireGroup, "steps"> & { readonly steps: readonly number[] })[];
}

interface PackedEvent extends Omit<WireEvent, keyof Identity | "stepInfo"> {
  readonly of: number;
  readonly stepInfo?: number;
}

export function pack(logs: Logs): Recording {
  const end = Math.max(...logs.versions.flatMap(({ run }) => run.workflowRunCompletedAt ?? []));
  const runs = table<Identity>();
  const steps = table<WireStep>();
  const { versions, events } = shift(logs, -end);
  const packedVersions = versions.filter(isLastOfItsTime).map(({ since, run }) => {
    const { workflowRunId, workflowUrl, workflowRunCreatedAt, ...rest } = run;
    const of = runs.placeOf({ workflowRunId, workflowUrl, workflowCreatedAt: workflowRunCreatedAt });
    return { since, of, ...rest, steps: run.steps.map((group) => ({ ...group, steps: group.steps.map(steps.placeOf) })) };
  });
  const packedEvents = events.map(({ workflowRunId, workflowUrl, workflowCreatedAt, stepInfo, ...rest }) => ({
    of: runs.placeOf({ workflowRunId, workflowUrl, workflowCreatedAt }),
    ...rest,
    ...(stepInfo !== undefined && { stepInfo: steps.placeOf(stepInfo) }),
  }));
  return { runs: runs.entries(), steps: steps.entries(), versions: packedVersions, events: packedEvents };
}

/** Of versions with one `since` only the last is ever seen. */
function isLastOfItsTime({ since, run }: Logs["versions"][number], at: number, all: Logs["versions"]): boolean {
  return !all.slice(at + 1).some((later) => later.since === since && later.run.workflowRunId === run.workflowRunId);
}

function table<T>(): { placeOf(entry: T): number; entries(): T[] } {
  const places = new Map<string, number>();
  return {
    placeOf(entry) {
      const key = JSON.stringify(entry);
      const place = places.get(key) ?? places.size;
      places.set(key, place);
      return place;
    },
    entries: () => [...places.keys()].map((key) => JSON.parse(key) as T),
  };
}

/** As if the last run ended at `end` (ms): a day's sleep can be over in a moment, and nothing is scaled. */
export function unpack(recording: Recording, end: Millis): Logs {
  const { runs, steps, versions, events } = shift(recording, end);
  const entry = <T>(of: readonly T[], place: number): T => {
    const found = of[place];
    if (found === undefined) throw new Error(`a recording without its entry ${place}`);
    return found;
  };
  return {
    versions: versions.map(({ since, of, ...rest }) => {
      const { workflowRunId, workflowUrl, workflowCreatedAt } = entry(runs, of);
      const groups = rest.steps.map((group) => ({ ...group, steps: group.steps.map((place) => entry(steps, place)) }));
      return { since, run: { workflowRunId, workflowUrl, workflowRunCreatedAt: workflowCreatedAt, ...rest, steps: groups } };
    }),
    events: events.map(({ of, stepInfo, ...rest }) => ({
      ...entry(runs, of),
      ...rest,
      ...(stepInfo !== undefined && { stepInfo: entry(steps, stepInfo) }),
    })),
  };
}

/** Every field that is a time (ms), wherever it stands. Times inside of bodies stay what they were. */
const TIMES: ReadonlySet<string> = new Set([
  "since",
  "time",
  "createdAt",
  "workflowRunCreatedAt",
  "workflowRunCompletedAt",
  "workflowCreatedAt",
  "invokerWorkflowCreatedAt",
  "invokedWorkflowCreatedAt",
  "nextDeliveryTime",
  "sleepUntil",
  "waitTimeoutDeadline",
]);

function shift<T>(value: T, by: Millis): T {
  const text = JSON.stringify(value, (key, field: unknown) => {
    if (key === "Date" && Array.isArray(field)) return field.map((date: unknown) => shiftDate(date, by));
    return TIMES.has(key) && typeof field === "number" ? field + by : field;
  });
  return JSON.parse(text) as T;
}

/** A `Date` header tells a time too; packed, it is a number like the others. */
function shiftDate(date: unknown, by: Millis): unknown {
  if (typeof date === "number") return new Date(date + by).toUTCString();
  return typeof date === "string" ? Date.parse(date) + by : date;
}

/** Puts runs into a store as they were at every moment; those of the future appear when their time has come. */
export function putLogs(store: Pick<LogStore, "putRun" | "putEvent">, { versions, events }: Logs): void {
  for (const { since, run } of versions) store.putRun(run, since);
  for (const event of events) store.putEvent(event);
}
