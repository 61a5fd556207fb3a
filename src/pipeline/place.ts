import { keyOf, type RunKey, type WorkflowRun } from "../model/run.ts";
import type { RunRecord, Watch } from "../state/store.ts";
import type { MappingSettings } from "../trace/config.ts";
import { traceId } from "../trace/ids.ts";
import { circlePlacement, circleRoot, linkedPlacement, nestedPlacement, OWN_TRACE_FLAGS, ownPlacement } from "../trace/placement.ts";
import type { Placement } from "../trace/span.ts";
import type { PlaceContext } from "./context.ts";
import { countAbsence, GONE, hasSettled, isGone } from "./watch.ts";

/**
 * Decides which trace each run lies in (trace-model.md, "Placement"): once, stored with its identity.
 * An invoked run needs its ancestors for that; they are looked for in the page, then in the state, then
 * asked from the API. One that cannot be asked for now makes the run wait; one that is gone, dropped or
 * filtered away makes it a trace of its own with a link.
 */

/** How many levels of invocation are followed. */
const MAX_LEVELS = 100;

export interface Located {
  readonly placement: Placement;
  /** The run whose own trace this is; absent where it is the run itself or somebody else's trace. */
  readonly top?: RunKey;
}

export type Resolution =
  | ({ readonly kind: "placed" } & Located)
  /** It is not exported at all: what it invoked cannot nest in it. */
  | { readonly kind: "none" }
  | { readonly kind: "wait"; readonly absent?: Watch["absent"] };

export interface Resolved {
  /** Of the runs asked for, and of every run of the page or fetched that one of them lies under. */
  readonly resolutions: ReadonlyMap<string, Resolution>;
  /** Ancestors that had to be fetched: to be collected like any other run. */
  readonly fetched: readonly WorkflowRun[];
}

/** What the search for ancestors has found so far. */
interface Search {
  readonly context: PlaceContext;
  /** The runs of the page and the ancestors fetched for them. */
  readonly runs: Map<string, WorkflowRun>;
  readonly known: Map<string, RunRecord>;
  /** Ancestors that could not be asked for now. */
  readonly unavailable: Set<string>;
  /** False for runs that no destination gets (dropped, filtered, before the epoch). */
  readonly exported: (run: WorkflowRun) => boolean;
  readonly memo: Map<string, Resolution>;
  /** How long the ancestors of the run at hand were not to be found, this time included. */
  absence: NonNullable<Watch["absent"]>;
  /** Traces that are past their limit: they take no further run. */
  readonly full: Set<string>;
}

/**
 * @param wanted the runs to place
 * @param page all runs at hand, among them perhaps ancestors of those
 * @param known records of the page's runs; those of ancestors are added
 */
export async function resolvePlacements(
  context: PlaceContext,
  wanted: readonly WorkflowRun[],
  page: readonly WorkflowRun[],
  known: Map<string, RunRecord>,
  exported: (run: WorkflowRun) => boolean,
  signal: AbortSignal,
): Promise<Resolved> {
  const search: Search = {
    context,
    runs: new Map(page.map((run) => [keyOf(run), run])),
    known,
    unavailable: new Set(),
    exported,
    memo: new Map(),
    absence: { count: 0, since: 0 },
    full: new Set(),
  };
  const fetched: WorkflowRun[] = [];
  let frontier = wanted;
  for (let level = 0; level < MAX_LEVELS && frontier.length > 0; level += 1) {
    frontier = await findAncestors(search, missingInvokers(search, frontier), signal);
    for (const run of frontier) search.runs.set(keyOf(run), run);
    fetched.push(...frontier);
  }
  await noteFullTraces(search, [...wanted, ...fetched]);
  const absences = new Map([...wanted, ...fetched].map((run) => [run, absenceOf(search, run)]));
  // first those that have waited longest: what they stop waiting for, nobody else has to wait for
  for (const [run, absence] of [...absences].sort((a, b) => b[1].count - a[1].count || a[1].since - b[1].since)) {
    search.absence = absence;
    resolve(search, run, 0);
  }
  return { fetched, resolutions: search.memo };
}

function absenceOf({ known, context }: Search, run: WorkflowRun): NonNullable<Watch["absent"]> {
  if (context.past && hasSettled(run, context.server.now())) return GONE;
  const watch = known.get(keyOf(run))?.watch;
  return countAbsence(watch?.reason === "ancestor" ? watch.absent : undefined, context.server.now());
}

function resolve(search: Search, run: WorkflowRun, level: number): Resolution {
  const key = keyOf(run);
  const before = search.memo.get(key);
  if (before !== undefined) return before;
  const resolution = decide(search, run, level);
  search.memo.set(key, resolution);
  return resolution;
}

function decide(search: Search, run: WorkflowRun, level: number): Resolution {
  const { context, known, absence } = search;
  const stored = known.get(keyOf(run))?.placement;
  if (stored !== undefined) return decodePlacement(run, stored, context.settings);
  if (!search.exported(run)) return { kind: "none" };
  const invoker = invokerToFind(search, run);
  if (invoker === undefined) return { kind: "placed", placement: standalone(run, context) };
  if (level >= MAX_LEVELS) return linked(run, context);
  if (circleRoot(circleOf(search, run)) === run) return { kind: "placed", placement: circlePlacement(run, context.settings) };
  const ancestor = search.runs.get(keyOf(invoker));
  if (ancestor !== undefined) return nestIn(search, resolve(search, ancestor, level + 1), run, invoker);
  const ofAncestor = known.get(keyOf(invoker))?.placement;
  if (ofAncestor !== undefined) return nestIn(search, decodePlacement(invoker, ofAncestor, context.settings), run, invoker);
  if (!asksForInvokers(context.settings)) return linked(run, context);
  if (search.unavailable.has(keyOf(invoker))) return { kind: "wait" };
  return isGone(absence, context.server.now()) ? linked(run, context) : { kind: "wait", absent: absence };
}

/** The run and its ancestors, if the last of those was invoked by the run itself. */
function circleOf(search: Search, run: WorkflowRun): WorkflowRun[] {
  const line = [run];
  for (let one = run; line.length <= MAX_LEVELS; line.push(one)) {
    const invoker = invokerToFind(search, one);
    const next = invoker && search.runs.get(keyOf(invoker));
    if (next === run) return line;
    if (next === undefined) return [];
    one = next;
  }
  return [];
}

function nestIn(search: Search, ancestor: Resolution, run: WorkflowRun, invoker: RunKey): Resolution {
  const { context } = search;
  if (ancestor.kind === "wait") return ancestor.absent === undefined ? ancestor : { kind: "wait", absent: search.absence };
  if (ancestor.kind === "none") return linked(run, context);
  if (context.settings.traces.invoked_runs === "link" || search.full.has(ancestor.placement.traceId))
    return { kind: "placed", placement: linkedPlacement(run, context.settings, ancestor.placement) };
  const placement = nestedPlacement(run, ancestor.placement, context.settings);
  return { kind: "placed", placement, ...(placement.traceId === ancestor.placement.traceId && { top: ancestor.top ?? invoker }) };
}

function linked(run: WorkflowRun, context: PlaceContext): Resolution {
  return { kind: "placed", placement: linkedPlacement(run, context.settings) };
}

/** A run that nobody invoked, or whose invoker must not be nested in. */
function standalone(run: WorkflowRun, context: PlaceContext): Placement {
  return run.invoker === undefined ? ownPlacement(run, context.settings) : linkedPlacement(run, context.settings);
}

/** Where invoked runs only link, an invoker that the state does not know lies in its own trace, unless it may have joined its caller's. */
function asksForInvokers({ traces, workflows }: MappingSettings): boolean {
  return traces.invoked_runs === "nest" || [traces, ...workflows.map((rule) => rule.set)].some((one) => one.trace_context === "join");
}

function invokerToFind(search: Search, run: WorkflowRun): RunKey | undefined {
  if (run.invoker?.createdAt === undefined) return undefined;
  if (search.known.get(keyOf(run))?.placement !== undefined || !search.exported(run)) return undefined;
  return { id: run.invoker.id, createdAt: run.invoker.createdAt };
}

function missingInvokers(search: Search, frontier: readonly WorkflowRun[]): RunKey[] {
  const missing = new Map<string, RunKey>();
  for (const run of frontier) {
    const invoker = invokerToFind(search, run);
    if (invoker !== undefined && !search.runs.has(keyOf(invoker))) missing.set(keyOf(invoker), invoker);
  }
  return [...missing.values()];
}

/** From the state (then only their record is needed), else from the API. */
async function findAncestors(search: Search, wanted: readonly RunKey[], signal: AbortSignal): Promise<readonly WorkflowRun[]> {
  if (wanted.length === 0) return [];
  const { context, known } = search;
  const records = await context.store.findRuns(context.source.name, wanted);
  for (const record of records) if (record !== undefined) known.set(keyOf(record.key), record);
  const toFetch = wanted.filter((key) => known.get(keyOf(key))?.placement === undefined);
  if (toFetch.length === 0 || !asksForInvokers(context.settings)) return [];
  const reply = await context.source.fetch(toFetch, "ancestors", signal);
  if (reply.kind === "ok") {
    context.server.observe(reply.serverTime);
    return reply.value.runs;
  }
  for (const key of toFetch) search.unavailable.add(keyOf(key));
  return [];
}

/** The traces of ancestors that were placed before, and that nothing more may go into. */
async function noteFullTraces({ context, known, full }: Search, runs: readonly WorkflowRun[]): Promise<void> {
  const { max_spans_per_trace, max_trace_bytes } = context.settings.traces;
  for (const { invoker } of runs) {
    const record = invoker?.createdAt === undefined ? undefined : known.get(keyOf({ id: invoker.id, createdAt: invoker.createdAt }));
    if (record?.placement === undefined) continue;
    const located = decodePlacement(record.key, record.placement, context.settings);
    if (located.kind !== "placed") continue;
    const { spans, bytes } = await context.store.traceSize(located.placement.traceId);
    if (spans >= max_spans_per_trace || bytes >= max_trace_bytes) full.add(located.placement.traceId);
  }
}

const OWN = "own";
const NONE = "none";

/** As stored with the identity: a word where the run alone gives the placement, so that an identity stays small. */
export function encodePlacement(run: RunKey, resolution: Resolution): string | undefined {
  if (resolution.kind === "wait") return undefined;
  if (resolution.kind === "none") return NONE;
  const { placement, top } = resolution;
  return isOwn(run, placement) ? OWN : JSON.stringify({ ...placement, ...(top && { top }) });
}

/** It says no more than the key does. */
function isOwn({ id, createdAt }: RunKey, placement: Placement): boolean {
  const { parentSpanId, traceState, traceFlags, links } = placement;
  const isAlone = parentSpanId === undefined && traceState === undefined && traceFlags === OWN_TRACE_FLAGS && links.length === 0;
  return isAlone && placement.traceId === traceId(id, createdAt);
}

/** A text that was damaged on the disk gives the run its own trace: nothing that is stored may end the program. */
export function decodePlacement(key: RunKey, text: string, settings: MappingSettings): Resolution {
  if (text === NONE) return { kind: "none" };
  const stored = text === OWN ? undefined : parsePlacement(text);
  if (stored === undefined)
    return { kind: "placed", placement: ownPlacement({ ...EMPTY_RUN, id: key.id, createdAt: key.createdAt }, settings) };
  const { top, ...placement } = stored;
  return { kind: "placed", placement, ...(top && { top }) };
}

function parsePlacement(text: string): (Placement & { top?: RunKey }) | undefined {
  try {
    const stored = JSON.parse(text) as Placement & { top?: RunKey };
    const { traceId, parentSpanId, traceFlags, traceState, links, top } = stored;
    const sound =
      isHex(traceId, 32) &&
      (parentSpanId === undefined || isHex(parentSpanId, 16)) &&
      Number.isInteger(traceFlags) &&
      (traceState === undefined || typeof traceState === "string") &&
      links.every((link) => isHex(link.traceId, 32) && isHex(link.spanId, 16)) &&
      (top === undefined || (typeof top.id === "string" && Number.isInteger(top.createdAt)));
    return sound ? stored : undefined;
  } catch {
    return undefined;
  }
}

const isHex = (text: unknown, length: number): boolean => typeof text === "string" && text.length === length && /^[0-9a-f]+$/.test(text);

const EMPTY_RUN: WorkflowRun = { id: "", createdAt: 0, url: "", state: "", labels: [], groups: [], oddities: [] };
