import type { MessageEvent } from "../model/event.ts";
import { endOf, isTerminal, keyOf, type Millis, type WorkflowRun } from "../model/run.ts";
import { encodeRun } from "../otlp/encode.ts";
import type { CollectedPart, RunChange, RunRecord, Watch } from "../state/store.ts";
import type { CollectedRun } from "../telemetry/observation.ts";
import { withEventLinks } from "../trace/event-links.ts";
import { mapFailureFunction } from "../trace/map-failure.ts";
import { mapRun } from "../trace/map-run.ts";
import { mostAttempts } from "../trace/messages.ts";
import { nameRun } from "../trace/naming.ts";
import type { MappedRun } from "../trace/span.ts";
import { spanBytes } from "../trace/span-size.ts";
import type { ChildEnd } from "../trace/timeline-statement.ts";
import { collectedRun } from "./collected-run.ts";
import type { DestinationPlan, SourceContext } from "./context.ts";
import type { Details } from "./detail.ts";
import { eventLinks, factsOf, type Marks, marksOf } from "./marks.ts";
import { decodePlacement, encodePlacement, type Located, type Resolution } from "./place.ts";
import { NO_TREE, type TreeFacts, type Verdict, verdict } from "./sampling.ts";
import { type WatchRules, watchAgain, watchFailure, watchForRoom, watchOpen, watchWaiting } from "./watch.ts";

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
  /** Of runs that were collected before: what became of them, by destination. */
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
  if (record?.phase === "done") return {};
  if (record?.phase === "collected") return { change: failureChange(page, run, record) };
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

/** It has ended, and the message log may still have more of it: again then. Open for now, and not named where the feed has not. */
function unsettled(run: WorkflowRun, record: RunRecord | undefined, dueAt: Millis): RunChange {
  const reason = record?.watch?.reason === "ended" ? "ended" : "open";
  return { key: run, phase: "open", watch: { reason, polls: 0, dueAt } };
}

function openChange(page: Page, run: WorkflowRun, record: RunRecord | undefined, resolution: Resolution | undefined): RunChange {
  const previous = record?.watch;
  const placement = resolution && encodePlacement(run, resolution, page.context.settings);
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
  const encoded = encodePlacement(run, resolution, context.settings);
  const placement = encoded === undefined ? {} : { placement: encoded };
  if (!page.room) return { change: { key: run, phase: "waiting", endedAt: endOf(run), watch: watchForRoom(page.now), ...placement } };
  const tree = page.trees.get(keyOf(run)) ?? NO_TREE;
  const attempts = mostAttempts(events);
  const verdicts = context.destinations.map((plan) => ({ plan, verdict: verdict(run, resolution, plan, tree, attempts) }));
  const waits = verdicts.some(({ verdict: { kind } }) => kind === "wait");
  const watch = waits ? waiting(page, run, "verdict").watch : watchFailure(run, undefined, page.now, page.rules);
  const keptBy = verdicts.flatMap(({ plan, verdict: said }) => (said.kind === "keep" && said.keepsTree ? [plan.name] : []));
  const mapped = mapWith(page, run, resolution, events);
  const bytes = mapped.spans.reduce((sum, span) => sum + spanBytes(span), 0);
  const observed = context.observer && collectedRun(context.source.name, run, mapped, page.now);
  const first = page.known.get(keyOf(run))?.parts.length ? {} : { counts: { collected: 1 }, collected: observed };
  return {
    change: {
      key: run,
      phase: waits ? "waiting" : watch === undefined ? "done" : "collected",
      endedAt: endOf(run),
      ...placement,
      ...(watch && { watch }),
      parts: partsOf(context, mapped, deliveriesOf(verdicts)),
      marks: marksOf(run, mapped, context.settings),
      ...(isOfTree(run, resolution) && { tree: { traceId: resolution.placement.traceId, spans: mapped.spans.length, bytes, keptBy } }),
    },
    ...first,
  };
}

function mapWith({ context, marks, childEnd }: Page, run: WorkflowRun, { placement }: Located, events: readonly MessageEvent[]): MappedRun {
  const facts = { ...factsOf(run, marks), events, childEnd };
  return withEventLinks(mapRun(run, placement, context.settings, facts), eventLinks(marks, run));
}

/** Other runs may lie in its trace; the size of a trace that holds one run is nobody's question. */
function isOfTree(run: WorkflowRun, { placement }: Located): boolean {
  return placement.parentSpanId !== undefined || run.groups.some((group) => group.steps.some((step) => step.type === "Invoke"));
}

type Deliveries = CollectedPart["deliveries"];

function deliveriesOf(verdicts: readonly { plan: DestinationPlan; verdict: Verdict }[]): Deliveries {
  return verdicts.flatMap(({ plan, verdict: said }) => {
    if (said.kind === "wait") return [];
    return [said.kind === "keep" ? { destination: plan.name, encoding: plan.encoding } : { destination: plan.name, excluded: said.reason }];
  });
}

/**
 * The failure function of a run that was sent already: its span alone follows once it has settled, to those
 * that have got the run.
 */
function failureChange(page: Page, run: WorkflowRun, record: RunRecord): RunChange {
  const { context } = page;
  const watch = isTerminal(run)
    ? watchFailure(run, record.watch, page.now, page.rules)
    : record.watch && watchAgain(record.watch, page.now, page.rules);
  if (watch !== undefined) return { key: run, phase: "collected", watch };
  const end = { key: run, phase: "done" } as const;
  const resolution = record.placement === undefined ? undefined : decodePlacement(run, record.placement, context.settings);
  if (resolution?.kind !== "placed" || record.parts.includes(FAILURE_PART)) return end;
  if (!page.room) return { key: run, phase: "collected", watch: watchForRoom(page.now) };
  const got = page.outcomes.get(keyOf(run)) ?? {};
  const plans = context.destinations.filter(({ name }) => got[name] !== undefined && !/^(excluded|dropped)/.test(got[name]));
  const deliveries = plans.map((plan) => ({ destination: plan.name, encoding: plan.encoding }));
  const detail = page.details.get(keyOf(run)) ?? [];
  const facts = { events: typeof detail === "object" ? detail : [], childEnd: page.childEnd };
  const mapped = mapFailureFunction(run, resolution.placement, context.settings, facts);
  return { ...end, parts: mapped.spans.length === 0 ? [] : [encodePart(context, mapped, FAILURE_PART, deliveries)] };
}

const RUN_PART = 0;
const FAILURE_PART = 1;

/** The failure function is a part of its own even where it goes out with the run: each part is always the same spans. */
function partsOf(context: SourceContext, { resource, spans }: MappedRun, deliveries: Deliveries): CollectedPart[] {
  const failure = spans.filter((span) => span.role === "failure");
  const run = encodePart(context, { resource, spans: spans.filter((span) => span.role !== "failure") }, RUN_PART, deliveries);
  if (failure.length === 0) return [run];
  const kept = deliveries.filter((delivery) => delivery.excluded === undefined); // the run's verdict is counted once
  return [run, encodePart(context, { resource, spans: failure }, FAILURE_PART, kept)];
}

function encodePart(context: SourceContext, mapped: MappedRun, part: number, deliveries: Deliveries): CollectedPart {
  const queued = new Set(deliveries.filter((delivery) => delivery.excluded === undefined).map((delivery) => delivery.destination));
  const encodings = new Set(context.destinations.filter((plan) => queued.has(plan.name)).map((plan) => plan.encoding));
  const ends = mapped.spans.map((span) => span.end);
  return {
    part,
    payloads: [...encodings].map((encoding) => ({ encoding, chunks: encodeRun(mapped, encoding) })),
    firstEnd: ends.reduce((first, end) => Math.min(first, end), Number.POSITIVE_INFINITY),
    lastEnd: ends.reduce((last, end) => Math.max(last, end), Number.NEGATIVE_INFINITY),
    spans: mapped.spans.length,
    deliveries,
  };
}
