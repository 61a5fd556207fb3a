import type { MessageEvent } from "../model/event.ts";
import { endOf, isTerminal, keyOf, type Millis, type WorkflowRun } from "../model/run.ts";
import type { RunChange, RunRecord, Watch } from "../state/store.ts";
import type { CollectedRun } from "../telemetry/observation.ts";
import { withEventLinks } from "../trace/event-links.ts";
import { mapRun, type RunFacts } from "../trace/map-run.ts";
import { mostAttempts } from "../trace/messages.ts";
import { nameRun } from "../trace/naming.ts";
import type { MappedRun } from "../trace/span.ts";
import { spanBytes } from "../trace/span-size.ts";
import type { ChildEnd } from "../trace/timeline-statement.ts";
import { collectedRun } from "./collected-run.ts";
import type { SourceContext } from "./context.ts";
import type { Details } from "./detail.ts";
import { failureChange, failurePart } from "./failure-function.ts";
import { eventLinks, factsOf, type Marks, marksOf } from "./marks.ts";
import { deliveriesOf, partsOf } from "./parts.ts";
import { encodePlacement, type Located, type Resolution } from "./place.ts";
import { NO_TREE, type TreeFacts, verdict } from "./sampling.ts";
import { type WatchRules, watchFailure, watchForRoom, watchOpen, watchWaiting } from "./watch.ts";

/** What becomes of one run of a page: pure, given what is known of it and where it lies. */

/** What a page's decisions depend on besides the run. */
export interface Page {
  readonly context: SourceContext;
  readonly known: ReadonlyMap<string, RunRecord>;
  readonly rules: WatchRules;
  readonly now: Millis;
  readonly epoch: Millis;
  readonly room: boolean;
  readonly trees: ReadonlyMap<string, TreeFacts>;
  /** What earlier runs left behind for these. */
  readonly marks: Marks;
  /** When runs that these have invoked ended. */
  readonly childEnd: ChildEnd;
  /** What the message log tells of those that are about to be mapped. */
  readonly details: Details;
  /** Of runs whose failure function may follow: what became of them, by destination. */
  readonly outcomes: ReadonlyMap<string, Readonly<Record<string, string>>>;
}

/** What is decided of one run, together with what `status` counts and what the observer is told once it is stored. */
export interface Decision {
  readonly change?: RunChange;
  readonly collected?: CollectedRun | undefined;
  readonly counts?: Readonly<Record<string, number>>;
}

export function isOurs(context: SourceContext, run: WorkflowRun, epoch: Millis): boolean {
  return context.matches(run) && !(isTerminal(run) && endOf(run) < epoch);
}

export function isExported(context: SourceContext, run: WorkflowRun, epoch: Millis): boolean {
  return isOurs(context, run, epoch) && !nameRun(run, context.settings).dropped;
}

export function decide(page: Page, run: WorkflowRun, resolution: Resolution | undefined): Decision {
  const record = page.known.get(keyOf(run));
  if (record?.phase === "done" || record?.phase === "collected") return ofCollected(page, run, record);
  if (!isTerminal(run)) {
    const followed = isOurs(page.context, run, page.epoch) || record !== undefined;
    return followed ? { change: openChange(page, run, record, resolution) } : {};
  }
  if (resolution === undefined) return {};
  if (resolution.kind === "none") return notExported(page, run, record);
  if (resolution.kind === "wait") return { change: waiting(page, run, "ancestor", resolution.absent) };
  const detail = page.details.get(keyOf(run)) ?? [];
  return typeof detail === "number" ? { change: unsettled(run, record, detail) } : collect(page, run, resolution, detail);
}

function ofCollected(page: Page, run: WorkflowRun, record: RunRecord): Decision {
  const change = failureChange(page, run, record);
  return change === undefined ? {} : { change };
}

/** It has ended, and the message log may still have more of it: again then. Open for now, and not named where the feed has not. */
function unsettled(run: WorkflowRun, record: RunRecord | undefined, dueAt: Millis): RunChange {
  const reason = record?.watch?.reason === "ended" ? "ended" : "open";
  return { key: run, phase: "open", watch: { reason, polls: 0, dueAt } };
}

function openChange(page: Page, run: WorkflowRun, record: RunRecord | undefined, resolution: Resolution | undefined): RunChange {
  const previous = record?.watch;
  const placement = resolution && encodePlacement(run, resolution);
  // the feed has named its end and the grouped log is behind: soon again
  const watch =
    previous?.reason === "ended" ? watchWaiting("ended", previous, page.now, page.rules) : watchOpen(run, previous, page.now, page.rules);
  return { key: run, phase: "open", watch, ...(placement !== undefined && { placement }) };
}

/** Dropped by a rule: counted. Outside the filters or before the epoch: none of ours, remembered only if it was followed already. */
function notExported(page: Page, run: WorkflowRun, record: RunRecord | undefined): Decision {
  const { context } = page;
  const dropped = isOurs(context, run, page.epoch);
  if (!dropped && record === undefined) return {};
  return {
    change: { key: run, phase: "done", endedAt: endOf(run), placement: "none" },
    counts: dropped ? { "excluded.dropped": 1 } : { "excluded.filtered": 1 },
  };
}

function waiting(page: Page, run: WorkflowRun, reason: "ancestor" | "verdict", absent?: Watch["absent"]): RunChange {
  const previous = page.known.get(keyOf(run))?.watch;
  const counted = absent ?? (previous?.reason === reason ? previous.absent : undefined);
  const watch = watchWaiting(reason, previous, page.now, page.rules);
  return { key: run, phase: "waiting", endedAt: endOf(run), watch: counted === undefined ? watch : { ...watch, absent: counted } };
}

function collect(page: Page, run: WorkflowRun, resolution: Resolution & Located, events: readonly MessageEvent[]): Decision {
  const { context } = page;
  const encoded = encodePlacement(run, resolution);
  const placement = encoded === undefined ? {} : { placement: encoded };
  if (!page.room) return { change: { key: run, phase: "waiting", endedAt: endOf(run), watch: watchForRoom(page.now), ...placement } };
  const tree = page.trees.get(keyOf(run)) ?? NO_TREE;
  const attempts = mostAttempts(events);
  const verdicts = context.destinations.map((plan) => ({ plan, verdict: verdict(run, resolution, plan, tree, attempts) }));
  const waits = verdicts.some(({ verdict: { kind } }) => kind === "wait");
  const watch = waits ? waiting(page, run, "verdict").watch : watchFailure(run, undefined, page.now, page.rules);
  const keptBy = verdicts.flatMap(({ plan, verdict: said }) => (said.kind === "keep" && said.keepsTree ? [plan.name] : []));
  const failure = failurePart(run, page.known.get(keyOf(run))) ?? { part: 1, message: undefined };
  const mapped = mapWith(page, run, resolution, { events, failureNumber: failure.part });
  const isFirst = (page.known.get(keyOf(run))?.parts.length ?? 0) === 0;
  const observed = isFirst && context.observer ? collectedRun(context.source.name, run, mapped, page.now) : undefined;
  return {
    change: {
      key: run,
      phase: waits ? "waiting" : watch === undefined ? "done" : "collected",
      endedAt: endOf(run),
      ...placement,
      ...(watch && { watch }),
      parts: partsOf(context, mapped, deliveriesOf(verdicts), failure),
      marks: marksOf(run, mapped),
      ...(isOfTree(run, resolution) && { tree: { traceId: resolution.placement.traceId, ...sizeOf(mapped), keptBy } }),
    },
    ...(isFirst && { counts: { collected: 1 }, collected: observed }),
  };
}

function mapWith({ context, marks, childEnd }: Page, run: WorkflowRun, { placement }: Located, own: RunFacts): MappedRun {
  const facts = { ...factsOf(run, marks), ...own, childEnd };
  return withEventLinks(mapRun(run, placement, context.settings, facts), eventLinks(marks, run));
}

function sizeOf({ spans }: MappedRun): { readonly spans: number; readonly bytes: number } {
  return { spans: spans.length, bytes: spans.reduce((sum, span) => sum + spanBytes(span), 0) };
}

/** Other runs may lie in its trace; the size of a trace that holds one run is nobody's question. */
function isOfTree(run: WorkflowRun, { placement }: Located): boolean {
  return placement.parentSpanId !== undefined || run.groups.some((group) => group.steps.some((step) => step.type === "Invoke"));
}
