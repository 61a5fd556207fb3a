import { eventsByRun, isEnd, type MessageEvent } from "../model/event.ts";
import { endOf, keyOf, type Millis, type RunKey, type WorkflowRun } from "../model/run.ts";
import type { PageCommit, RunRecord } from "../state/store.ts";
import { compactEvent } from "../trace/compact-event.ts";
import type { MappingSettings } from "../trace/config.ts";
import { hasGaps } from "../trace/message-gaps.ts";
import type { SourceContext } from "./context.ts";

/**
 * `detail`: the message log's events of each run, stored as the feed reads them (feed-page.ts) and given to the mapper
 * when the run is collected. Without a feed that is trusted nothing of it is used: what was proved to have holes
 * must not pass for the whole.
 */

/** Around a run's end events may take so long to be shown: so long the feed reads on before a run with gaps is believed to have them. */
export const SETTLED_AFTER_MS = 2_000;
/**
 * An ended run waits so long for the feed to name its end; then the log is asked for that run alone. And so long for
 * events that came late, in which the feed is read back once; then what is missing is inferred, step by step.
 */
const PATIENCE_MS = 60_000;
const PAGE = 1_000;
/** Of one run; as many events as the state gives. */
const MAX_PAGES = 50;

/** How far the log was read and stored. */
export interface DetailReading {
  /** Every event since then. */
  readonly from: Millis;
  /** Start of the last read, if that was complete. */
  readonly readAt: Millis | undefined;
  /** False: what may still come is not waited for (`--once`). */
  readonly patient: boolean;
  /** Told until when a run waits for events that it lacks. */
  readonly onGap?: (until: Millis) => void;
}

/** A time: not all of its log can have been read yet, and that is when to look again. */
export type Details = ReadonlyMap<string, readonly MessageEvent[] | Millis>;

export function wantsDetail({ detail, completion_feed }: Pick<SourceContext["config"], "detail" | "completion_feed">): boolean {
  return detail !== "runs" && completion_feed !== "off";
}

/** What of a page is worth storing: nothing but what the timeline reads, redacted. */
export function compactEvents(events: readonly MessageEvent[], settings: MappingSettings): NonNullable<PageCommit["events"]>["runs"] {
  const kept = events.flatMap((event) => compactEvent(event, settings) ?? []);
  return [...eventsByRun(kept).values()].flatMap((own) =>
    own.slice(0, 1).map(({ id, createdAt }) => ({ key: { id, createdAt }, events: own })),
  );
}

/** @param runs those that have ended and are about to be mapped. @throws StoreError */
export async function findDetails(
  context: SourceContext,
  reading: DetailReading | undefined,
  runs: readonly WorkflowRun[],
  known: ReadonlyMap<string, RunRecord>,
  signal: AbortSignal,
): Promise<Details> {
  const details = new Map<string, readonly MessageEvent[] | Millis>();
  if (reading === undefined || runs.length === 0) return details;
  const stored = await context.store.readEvents(context.source.name, runs);
  for (const [index, run] of runs.entries()) {
    const events = stored[index];
    if (events === undefined) continue; // there was no room for them: not another request for each such run
    const waits = known.get(keyOf(run))?.phase === "waiting"; // for something else: it had its time
    const find = run.createdAt >= reading.from ? findRead : findUnread;
    details.set(keyOf(run), await find(context, { ...reading, patient: reading.patient && !waits }, run, events, signal));
  }
  return details;
}

type Find = (
  context: SourceContext,
  reading: DetailReading,
  run: WorkflowRun,
  events: readonly MessageEvent[],
  signal: AbortSignal,
) => Promise<readonly MessageEvent[] | Millis>;

/** All of its log was read, as far as it was there. */
const findRead: Find = async (context, reading, run, events, signal) => {
  const isGapless = !hasGaps(run, events, context.settings.traces.min_queue);
  const whole = reading.readAt !== undefined && events.some(isEnd) && (isGapless || hasSettled(reading, run));
  const again = reading.patient ? lookAgain(context, run, { whole, isGapless }) : undefined;
  if (again !== undefined && !isGapless) reading.onGap?.(again);
  return again ?? (whole ? events : ((await askLog(context, run, signal)) ?? []));
};

/** The log was not read when it began: it is asked for this run alone, at once, since nothing that is read could help. */
const findUnread: Find = async (context, reading, run, events, signal) => {
  const own = await askLog(context, run, signal);
  if (own !== undefined && !hasGaps(run, own, context.settings.traces.min_queue)) return own;
  const whole = events.some(isEnd) && hasSettled(reading, run);
  const again = reading.patient ? lookAgain(context, run, { whole, isGapless: true }) : undefined;
  return again ?? own ?? (whole ? events : []);
};

/** It was read on after the run's end. */
function hasSettled({ readAt }: DetailReading, run: WorkflowRun): boolean {
  return readAt !== undefined && readAt >= endOf(run) + SETTLED_AFTER_MS;
}

/** When, if not all of its log is there and that may still come. */
function lookAgain({ server, config }: SourceContext, run: WorkflowRun, log: { readonly whole: boolean; readonly isGapless: boolean }) {
  const now = server.now();
  const last = endOf(run) + PATIENCE_MS;
  if (now >= last) return undefined;
  if (!log.whole) return now + config.poll_interval / 2; // with the next read
  return log.isGapless ? undefined : last;
}

/** A straggler, of whose log some was never read: the log is asked for it alone. Undefined where it gives no answer, or not to that question. */
export async function askLog(
  context: Pick<SourceContext, "settings"> & { readonly source: Pick<SourceContext["source"], "events"> },
  { id, createdAt }: RunKey,
  signal: AbortSignal,
): Promise<readonly MessageEvent[] | undefined> {
  const found: MessageEvent[] = [];
  let cursor: string | undefined;
  for (let pages = 0; pages < MAX_PAGES; pages += 1) {
    const query = { count: PAGE, workflowRunId: id, workflowCreatedAt: createdAt, ...(cursor !== undefined && { cursor }) };
    const reply = await context.source.events(query, "open", signal);
    if (reply.kind !== "ok" || reply.value.events.some((event) => event.id !== id)) return undefined;
    const own = reply.value.events.filter((event) => event.createdAt === createdAt);
    found.push(...compactEvents(own, context.settings).flatMap(({ events }) => events));
    if (reply.value.cursor === undefined || reply.value.cursor === cursor) return found.some(isEnd) ? found : undefined;
    cursor = reply.value.cursor;
  }
  return undefined;
}
