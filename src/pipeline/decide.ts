import { endOf, isTerminal, keyOf, type Millis, type WorkflowRun } from "../model/run.ts";
import { encodeRun } from "../otlp/encode.ts";
import type { CollectedPart, RunChange, RunRecord, Watch } from "../state/store.ts";
import { mapRun } from "../trace/map-run.ts";
import { nameRun } from "../trace/naming.ts";
import type { MappedRun } from "../trace/span.ts";
import type { DestinationPlan, SourceContext } from "./context.ts";
import { decodePlacement, encodePlacement, type Located, type Resolution } from "./place.ts";
import { NO_TREE, type TreeFacts, type Verdict, verdict } from "./sampling.ts";
import { type WatchRules, watchFailure, watchOpen, watchWaiting } from "./watch.ts";

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
}

/** What is decided of one run, together with what `status` counts. */
export interface Decision {
  readonly change?: RunChange;
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
  if (!isTerminal(run))
    return isOurs(page.context, run, page.epoch) || record !== undefined ? { change: openChange(page, run, record, resolution) } : {};
  if (record?.phase === "collected") return { change: failureChange(page, run, record) };
  if (resolution === undefined) return {};
  if (resolution.kind === "none") return notExported(page, run, record);
  if (resolution.kind === "wait") return { change: waiting(page, run, "ancestor", resolution.absent) };
  return collect(page, run, resolution);
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

function waiting(page: Page, run: WorkflowRun, reason: "ancestor" | "verdict" | "room", absent?: Watch["absent"]): RunChange {
  const watch = watchWaiting(reason, page.known.get(keyOf(run))?.watch, page.now, page.rules);
  return { key: run, phase: "waiting", endedAt: endOf(run), watch: absent === undefined ? watch : { ...watch, absent } };
}

function collect(page: Page, run: WorkflowRun, resolution: Resolution & Located): Decision {
  const { context } = page;
  const placement = encodePlacement(run, resolution, context.settings);
  if (!page.room) return { change: { ...waiting(page, run, "room"), ...(placement !== undefined && { placement }) } };
  const tree = page.trees.get(keyOf(run)) ?? NO_TREE;
  const verdicts = context.destinations.map((plan) => ({ plan, verdict: verdict(run, resolution, plan, tree) }));
  const waits = verdicts.some(({ verdict: { kind } }) => kind === "wait");
  const mapped = mapRun(run, resolution.placement, context.settings);
  const part = encodePart(context, mapped, 0, deliveriesOf(verdicts));
  const watch = waits ? waiting(page, run, "verdict").watch : watchFailure(run, undefined, page.now, page.rules);
  const keptBy = verdicts.flatMap(({ plan, verdict: said }) => (said.kind === "keep" && said.keepsTree ? [plan.name] : []));
  const bytes = part.payloads[0]?.chunks.reduce((total, chunk) => total + chunk.bytes.length, 0) ?? 0;
  const parts = mapped.spans.some((span) => span.role === "failure") ? [part, { ...part, part: 1, payloads: [], deliveries: [] }] : [part];
  return {
    change: {
      key: run,
      phase: waits ? "waiting" : watch === undefined ? "done" : "collected",
      endedAt: endOf(run),
      ...(placement !== undefined && { placement }),
      ...(watch && { watch }),
      parts,
      tree: { traceId: resolution.placement.traceId, spans: part.spans, bytes, keptBy },
    },
    counts: { collected: 1 },
  };
}

function deliveriesOf(verdicts: readonly { plan: DestinationPlan; verdict: Verdict }[]): CollectedPart["deliveries"] {
  return verdicts.flatMap(({ plan, verdict: said }) => {
    if (said.kind === "wait") return [];
    return [said.kind === "keep" ? { destination: plan.name, encoding: plan.encoding } : { destination: plan.name, excluded: said.reason }];
  });
}

/** The failure function of a run that was sent already: its span alone follows once it has settled. */
function failureChange(page: Page, run: WorkflowRun, record: RunRecord): RunChange {
  const { context } = page;
  const watch = watchFailure(run, record.watch, page.now, page.rules);
  const base = { key: run, phase: watch === undefined ? "done" : "collected", ...(watch && { watch }) } as const;
  if (watch !== undefined || record.parts.includes(1) || run.failureFunction === undefined) return base;
  const resolution = record.placement === undefined ? undefined : decodePlacement(run, record.placement, context.settings);
  if (resolution?.kind !== "placed") return base;
  const mapped = mapRun(run, resolution.placement, context.settings);
  const failure = mapped.spans.filter((span) => span.role === "failure");
  if (failure.length === 0) return base;
  const deliveries = context.destinations.map((plan) => ({ destination: plan.name, encoding: plan.encoding }));
  return { ...base, parts: [encodePart(context, { ...mapped, spans: failure }, 1, deliveries)] };
}

function encodePart(context: SourceContext, mapped: MappedRun, part: number, deliveries: CollectedPart["deliveries"]): CollectedPart {
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
