import * as z from "zod";
import { endOf, type Millis, type WorkflowRun } from "../model/run.ts";
import type { RunPage, RunQuery } from "../sources/source.ts";
import type { DateReading } from "../state/source-state.ts";
import { createCounter } from "./backfill-counts.ts";
import { createEventShelf } from "./backfill-events.ts";
import { type BackfillWork, storeWindow, waitForRoom } from "./backfill-page.ts";
import { type Before, createProgress, type Report, reporting, type SourceBackfill } from "./backfill-progress.ts";
import { settleWaiting } from "./backfill-waiting.ts";
import { dateReading } from "./date-reading.ts";
import { listWindows, type WindowsListed } from "./list-windows.ts";
import type { SourceLoop } from "./loop.ts";
import { type PatientSource, patientSource } from "./patience.ts";
import type { Reader } from "./reader.ts";
import type { Trouble } from "./trouble.ts";
import { addWindows, type Plan, planOf, RUNS_PER_WINDOW, remainingWindows, subtractWindows, type Window } from "./windows.ts";

/**
 * Collects the runs that were created in a range of time, whenever they ended: lists windows of it, oldest first,
 * under all three readings of `fromDate` and `toDate`. It can be stopped at any moment: what is left is in its
 * progress, and the state knows what was collected.
 */

/** The log API's page of grouped runs. */
const PAGE = 10;
/** However dense the newest page is, the first windows are not smaller than this share of the range. */
const MOST_FIRST_WINDOWS = 200;

/** As it stands in the job's row. */
export const backfillSchema = z.object({
  from: z.number(),
  to: z.number(),
  workflowUrls: z.array(z.string()),
  labels: z.array(z.string()),
  states: z.array(z.string()),
  force: z.boolean(),
  /** The user's own words: who says the same again wants to go on with it. */
  words: z.string(),
  dryRun: z.boolean(),
  concurrency: z.int().positive(),
});
export type BackfillArgs = z.infer<typeof backfillSchema>;

/** @throws StoreError where the state cannot be used: it goes on when it is called again with what was reported last */
export async function backfillSource(
  loop: Pick<SourceLoop, "context" | "reader">,
  args: BackfillArgs,
  before: Before,
  report: Report,
  signal: AbortSignal,
): Promise<SourceBackfill> {
  const { context } = loop;
  const source = patientSource(context);
  const progress = createProgress(context, source, before);
  const range = { from: args.from, to: args.to };
  const early = { range: before?.range ?? range, left: before?.left ?? [range], counts: createCounter(undefined, before?.counts).total() };
  const course: Course = { args, before, source, progress, now: () => progress(early) };
  return reporting(
    context.clock,
    () => report(course.now()),
    async () => {
      const begun = await begin(loop, source, args, signal);
      if ("trouble" in begun) return { ...course.now(), trouble: begun.trouble.message };
      return collectRange(course, begun, report, signal);
    },
  );
}

/** What the parts of one backfill share. */
interface Course {
  readonly args: BackfillArgs;
  readonly before: Before;
  readonly source: PatientSource;
  readonly progress: ReturnType<typeof createProgress>;
  /** How far it is now. */
  now: () => SourceBackfill;
}

async function collectRange(course: Course, begun: Begun, report: Report, signal: AbortSignal): Promise<SourceBackfill> {
  const { args, before, source, progress } = course;
  const { context } = begun.reader;
  let plan = earlyPlan(begun, args, before);
  let found: Awaited<typeof known> | undefined;
  const known = prepare(course, begun, signal);
  const listed = await listWindows(
    {
      source,
      server: context.server,
      query: queryOf(args),
      purpose: "backfill",
      concurrency: args.concurrency,
      plan,
      later: known.then((now) => {
        found = now;
        const rest = subtractWindows(now.open, plan.open);
        plan = addWindows(plan, rest);
        course.now = () => progress({ ...now.shown(), left: remainingWindows(plan) });
        return rest;
      }),
      splits: () => found?.work.dates === "creation",
      openEnd: () => found?.openEnd,
      async onPlan(next) {
        const { work } = await known;
        plan = next;
        work.counter.finish(plan.active);
        work.shelf?.release(remainingWindows(plan));
        return report(course.now());
      },
      async store(window, pages, stop) {
        const { work } = await known;
        if (!args.dryRun) await waitForRoom(context, stop);
        await storeWindow(work, window, pages, stop);
      },
    },
    signal,
  );
  return ended(course, (await known).work, listed, signal);
}

/** Everything is listed, or something cannot be: that is told with what was stored of the windows that are not done. */
async function ended(course: Course, work: BackfillWork, { trouble }: WindowsListed, signal: AbortSignal): Promise<SourceBackfill> {
  if (trouble !== undefined) {
    work.counter.finish([]);
    return { ...course.now(), trouble: trouble.message };
  }
  if (!course.args.dryRun) await settleWaiting(work, signal);
  return { ...course.now(), complete: !signal.aborted };
}

interface Begun {
  readonly reader: Reader;
  /** The newest page of the range, where the API gave one. */
  readonly newest: RunPage | undefined;
}

/** All but the last window of the range is listed in the same way whatever the dates mean: that is found out meanwhile. */
function earlyPlan({ reader, newest }: Begun, args: BackfillArgs, before: Before): Plan {
  const { from, to } = rangeOf(args, "creation", reader.context.server.now());
  const width = firstWidth(newest, to - from);
  return planOf(before === undefined ? [{ from, to: to - Math.ceil(width) }] : [], width);
}

/** What depends on the meaning of the dates. @throws StoreError */
async function prepare({ args, before, source }: Course, { reader, newest }: Begun, signal: AbortSignal) {
  const dates = await dateReading(reader, source, "backfill", signal, wholeRuns(newest, args));
  const range = rangeOf(args, dates, reader.context.server.now());
  const open = undone(range, before);
  const shelf = args.dryRun ? undefined : createEventShelf(reader, source, open);
  const work: BackfillWork = { reader, source, args, dates, shelf, counter: createCounter(dates, before?.counts) };
  const openEnd = isOpenEnded(dates) ? range.to : undefined;
  return { work, open, openEnd, shown: () => ({ range, dates, counts: work.counter.total() }) };
}

/** The newest page of the range is asked for while the source is opened, which may be a request of its own. @throws StoreError */
async function begin(
  loop: Pick<SourceLoop, "context" | "reader">,
  source: PatientSource,
  args: BackfillArgs,
  signal: AbortSignal,
): Promise<Begun | { readonly trouble: Trouble }> {
  const stop = new AbortController();
  const query = { ...queryOf(args), fromDate: args.from, toDate: args.to };
  const asked = source.list(query, "backfill", AbortSignal.any([signal, stop.signal]));
  try {
    const reader = await loop.reader(signal);
    if ("trouble" in reader) return reader;
    const reply = await asked;
    if (reply.kind === "ok") loop.context.server.observe(reply.serverTime);
    return { reader, newest: reply.kind === "ok" ? reply.value : undefined };
  } finally {
    stop.abort();
  }
}

/** Where a run may be shown by its last event alone, the last window is open to now. */
function isOpenEnded(dates: DateReading | undefined): boolean {
  return dates === undefined || dates === "last-event";
}

function rangeOf({ from, to }: BackfillArgs, dates: DateReading | undefined, now: Millis): Window {
  return { from, to: isOpenEnded(dates) ? Math.max(to, now) : Math.min(to, now) };
}

/** Of the range what was not done before: that may have been another range, asked for in the same words earlier. */
function undone(range: Window, before: Before): Window[] {
  if (before === undefined) return [range];
  return subtractWindows([range], subtractWindows([before.range], before.left));
}

/** What the API can leave out by itself; where the user names several, it is left to us. */
function queryOf({ workflowUrls, labels, states }: BackfillArgs): Omit<RunQuery, "cursor"> {
  const [workflowUrl, ...otherUrls] = workflowUrls;
  const [state, ...otherStates] = states;
  return {
    count: PAGE,
    ...(workflowUrl !== undefined && otherUrls.length === 0 && { workflowUrl }),
    ...(state !== undefined && otherStates.length === 0 && { state }),
    ...(labels.length > 0 && { labels }),
  };
}

/** The newest page tells how dense the log is, in ms for one window: a first guess, which every window corrects. */
function firstWidth(newest: RunPage | undefined, total: number): number {
  const created = newest?.runs.map((run) => run.createdAt) ?? [];
  if (newest?.cursor === undefined || created.length < 2) return total;
  const span = Math.max(...created) - Math.min(...created);
  return Math.max(total / MOST_FIRST_WINDOWS, Math.min(total, (span * RUNS_PER_WINDOW) / created.length));
}

/** Runs that are shown as they are whatever the dates mean: what these are is found out with one of them. */
function wholeRuns(newest: RunPage | undefined, { from, to }: BackfillArgs): readonly WorkflowRun[] {
  return newest?.runs.filter((run) => run.createdAt >= from && endOf(run) <= to) ?? [];
}
