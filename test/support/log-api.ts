import { type Headers, keyOf, type RunKey, type Step, type WorkflowRun } from "../../src/model/run.ts";
import type { Clock } from "../../src/pipeline/clock.ts";
import type {
  EventPage,
  EventQuery,
  FetchedRuns,
  Purpose,
  Reply,
  RunEvent,
  RunPage,
  RunQuery,
  RunSource,
} from "../../src/sources/source.ts";
import type { DateReading } from "../../src/state/source-state.ts";
import { group, initial, step, T0 } from "./run-builder.ts";

/** A log API without HTTP: programs with their times, and what the API shows of them now. */

/** An hour into what the log holds. */
export const START = T0 + 3_600_000;

export interface Program extends RunKey {
  readonly url?: string;
  /** Absent: it never ends. All times are the API's, in ms since the epoch. */
  readonly endsAt?: number;
  readonly state?: "RUN_SUCCESS" | "RUN_FAILED" | "RUN_CANCELED";
  readonly failure?: { readonly settlesAt: number };
  readonly invoker?: RunKey;
  readonly invokes?: readonly RunKey[];
  /** What it was triggered with. */
  readonly headers?: Headers;
  /** The API stops showing it. */
  readonly goneAt?: number;
  readonly labels?: readonly string[];
  readonly over?: Partial<WorkflowRun>;
  /** What the message log shows besides start and end. */
  readonly log?: readonly Omit<RunEvent, "id" | "createdAt" | "url">[];
}

/** A run that is created `from` ms after START and ends `to` ms after it, or never. */
export function program(id: string, from: number, to?: number, over: Partial<Program> = {}): Program {
  return { id, createdAt: START + from, ...(to !== undefined && { endsAt: START + to }), ...over };
}

export function invokedBy({ id, createdAt }: Program): Partial<Program> {
  return { invoker: { id, createdAt } };
}

export type Call =
  | { readonly method: "list"; readonly purpose: Purpose; readonly cursor: string | undefined }
  | { readonly method: "events"; readonly purpose: Purpose; readonly cursor: string | undefined; readonly run: string | undefined }
  | { readonly method: "fetch"; readonly purpose: Purpose; readonly keys: readonly RunKey[] };

/** What goes wrong with one request: an answer of its own, or what is done to the true page. */
export type Fault = Exclude<Reply<never>, { kind: "ok" }> | "empty" | "twice" | "reversed" | "repeated cursor";

export interface LogApi {
  readonly source: RunSource;
  readonly programs: Program[];
  readonly calls: Call[];
  /** When each of them was made, on the monotonic clock. */
  readonly callTimes: number[];
  fault: (call: Call) => Fault | undefined;
  /** The message log: there, not there, or one that does not name these. */
  feed: "none" | "honest" | ((event: RunEvent) => boolean);
  ascending: boolean;
  eventsPerPage: number;
  /** Runs that no listing shows, though they can be asked for. */
  unlisted: (run: RunKey) => boolean;
  /** How long after it happened something is shown. */
  lag: number;
  /** What `fromDate` and `toDate` compare. */
  dates: DateReading;
  /** Whether the message log looks at them. */
  eventDates: boolean;
  now(): number;
}

/** @param start the API's clock at monotonic 0 */
export function logApi(clock: Pick<Clock, "monotonic" | "sleep">, start: number, latency = 50): LogApi {
  const never = new AbortController().signal;
  const api: LogApi = {
    source: {
      name: "eu",
      list: (query, purpose, signal) => answer({ method: "list", purpose, cursor: query.cursor }, signal, () => listed(api, query)),
      fetch: (keys, purpose, signal) => answer({ method: "fetch", purpose, keys }, signal, () => fetched(api, keys)),
      events: (query, purpose, signal) =>
        answer({ method: "events", purpose, cursor: query.cursor, run: query.workflowRunId }, signal, () => eventPage(api, query)),
      budget: () => ({ allowed: 10, ceiling: 10, used: {}, foreign: 0 }),
      refreshSecrets: () => false,
      close: async () => {},
    },
    programs: [],
    calls: [],
    callTimes: [],
    fault: () => undefined,
    feed: "none",
    ascending: false,
    eventsPerPage: 1_000,
    unlisted: () => false,
    lag: 0,
    dates: "creation",
    eventDates: true,
    now: () => start + clock.monotonic(),
  };

  async function answer<T extends object>(call: Call, signal: AbortSignal, page: () => T | undefined): Promise<Reply<T>> {
    api.calls.push(call);
    api.callTimes.push(clock.monotonic());
    const fault = api.fault(call);
    await clock.sleep(latency, never);
    if (signal.aborted) return { kind: "aborted" };
    if (typeof fault === "object") return fault;
    const value = page();
    if (value === undefined) return { kind: "refused", reason: "not_found", message: "not found" };
    const serverTime = Math.floor(api.now() / 1_000) * 1_000;
    return { kind: "ok", value: spoilt(value, fault, call), serverTime };
  }
  return api;
}

function spoilt<T extends object>(value: T, fault: Fault | undefined, call: Call): T {
  if (fault === undefined || typeof fault === "object") return value;
  const name = "events" in value ? "events" : "runs";
  const list = (value as Record<string, unknown[]>)[name] ?? [];
  if (fault === "empty") return { ...value, [name]: [] };
  if (fault === "twice") return { ...value, [name]: [...list, ...list] };
  if (fault === "repeated cursor") return "cursor" in call && call.cursor !== undefined ? { ...value, cursor: call.cursor } : value;
  return { ...value, [name]: list.toReversed() };
}

function shown(api: LogApi): Program[] {
  const now = api.now() - api.lag;
  return api.programs.filter((run) => run.createdAt <= now && (run.goneAt === undefined || run.goneAt > now));
}

const place = (of: RunKey) => `${String(of.createdAt).padStart(14, "0")}-${of.id}`;

function listed(api: LogApi, query: RunQuery): RunPage {
  const now = api.now() - api.lag;
  const programs = shown(api)
    .filter((program) => !api.unlisted(program) && (query.state === undefined || stateOf(program, now) === query.state))
    .filter((program) => query.workflowRunId === undefined || query.workflowRunId === program.id)
    .filter((program) => isInWindow(api, program, query, now))
    .map((program) => ({ program, at: place(program) }))
    .filter(({ at }) => query.cursor === undefined || at < query.cursor)
    .sort((a, b) => (a.at < b.at ? 1 : -1));
  const page = programs.slice(0, Math.min(query.count ?? 10, 10));
  const last = page.at(-1);
  const cursor = last !== undefined && programs.length > page.length ? { cursor: last.at } : {};
  return { runs: page.map(({ program }) => runOf(program, now)), unreadable: [], ...cursor }; // only a page's are worth making
}

function isInWindow(
  { dates }: LogApi,
  program: Program,
  { fromDate = 0, toDate = Number.POSITIVE_INFINITY }: RunQuery,
  now: number,
): boolean {
  const middle = program.createdAt + Math.floor(((program.endsAt ?? now) - program.createdAt) / 2);
  const times = [program.createdAt, middle, program.endsAt ?? program.createdAt].filter((time) => time <= now);
  const compared = { creation: [program.createdAt], event: times, "last-event": [Math.max(...times)] }[dates];
  return compared.some((time) => time >= fromDate && time <= toDate);
}

function fetched(api: LogApi, keys: readonly RunKey[]): FetchedRuns {
  const wanted = new Set(keys.map(keyOf));
  const runs = shown(api).filter((program) => wanted.has(keyOf(program)));
  return { runs: runs.map((program) => runOf(program, api.now() - api.lag)), unreadable: [], refused: [] };
}

function eventPage(api: LogApi, query: EventQuery): EventPage | undefined {
  const { feed } = api;
  if (feed === "none") return undefined;
  const now = api.now() - api.lag;
  const events = api.programs
    .filter(({ id }) => query.workflowRunId === undefined || query.workflowRunId === id)
    .flatMap(({ id, createdAt, endsAt, state, url = "", log = [] }): RunEvent[] => [
      ...log.map((event) => ({ id, createdAt, url, ...event })),
      { id, createdAt, url, time: createdAt, state: "RUN_STARTED" },
      ...(endsAt === undefined ? [] : [{ id, createdAt, url, time: endsAt, state: state ?? "RUN_SUCCESS" }]),
    ])
    .filter((event) => event.time <= now && (feed === "honest" || feed(event)))
    .filter((event) => !api.eventDates || (event.time >= (query.fromDate ?? 0) && event.time <= (query.toDate ?? event.time)))
    .map((event, index) => ({ event, at: event.time - START + index / 1e6 })) // its place, whatever comes later
    .sort((a, b) => (api.ascending ? a.at - b.at : b.at - a.at))
    .filter(({ at }) => query.cursor === undefined || (api.ascending ? at > Number(query.cursor) : at < Number(query.cursor)));
  const page = events.slice(0, api.eventsPerPage);
  return {
    events: page.map(({ event }) => event),
    unreadable: [],
    ...(events.length > page.length && { cursor: String(page.at(-1)?.at) }),
  };
}

function stateOf({ endsAt, state = "RUN_SUCCESS", over }: Program, now: number): WorkflowRun["state"] {
  return over?.state ?? (endsAt !== undefined && endsAt <= now ? state : "RUN_STARTED");
}

/** What the API shows of a program at `now`. */
export function runOf(program: Program, now: number): WorkflowRun {
  const { id, createdAt, endsAt, failure, invoker, invokes = [], headers, over } = program;
  const url = program.url ?? "https://shop.example.com/api/orders";
  const ended = endsAt !== undefined && endsAt <= now;
  const middle = createdAt + Math.floor(((endsAt ?? createdAt + 2) - createdAt) / 2);
  const own: Step = { ...step("Run", "work"), id: 1, createdAt: middle };
  const invoked = invokes.map((child, index): Step => {
    return {
      ...step("Invoke", "invoke"),
      id: index + 2,
      createdAt: ended ? endsAt : createdAt,
      invoked: { id: child.id, createdAt: child.createdAt },
    };
  });
  const begun: Step = { ...initial(headers && { headers }), id: 0, createdAt };
  return {
    id,
    createdAt,
    url,
    state: stateOf(program, now),
    ...(ended && { completedAt: endsAt }),
    labels: program.labels ?? [],
    groups: [group(begun), ...(ended ? [group(own)] : []), ...invoked.map((one) => group(one))],
    oddities: [],
    ...(invoker && { invoker: { ...invoker, url } }),
    ...(ended &&
      failure && { failureFunction: { state: failure.settlesAt <= now ? "CALLBACK_SUCCESS" : "CALLBACK_INPROGRESS", errors: [] } }),
    ...over,
  };
}
