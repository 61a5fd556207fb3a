import { endOf, isTerminal, keyOf, type Millis, type WorkflowRun } from "../model/run.ts";
import type { RunRecord, TraceSize } from "../state/store.ts";
import { traceId } from "../trace/ids.ts";
import { keepByRatio, keptByOutcome } from "../trace/sampling.ts";
import type { DestinationPlan, SourceContext } from "./context.ts";
import type { Located, Resolution } from "./place.ts";
import { waitRetention } from "./retention.ts";

/** What sampling says of one run for one destination (trace-model.md, "Sampling"): whole trees, by the trace id. */
export type Verdict =
  | { readonly kind: "keep"; readonly keepsTree: boolean }
  | { readonly kind: "drop"; readonly reason: "sampled" | "sampled_tree_unfinished" }
  | { readonly kind: "wait" };

export interface TreeFacts {
  readonly size: TraceSize | undefined;
  /** Another run of the tree may still keep it. */
  readonly unfinished: boolean;
  /** No time is left to wait for that. */
  readonly late: boolean;
}

/** @param attempts the most that one delivery took, where the message log tells */
export function verdict(run: WorkflowRun, located: Located, plan: DestinationPlan, tree: TreeFacts, attempts = 1): Verdict {
  const { ratio, keep } = plan.sampling;
  if (ratio >= 1) return { kind: "keep", keepsTree: false };
  const top = located.top ?? run;
  const joined = located.placement.traceId !== traceId(top.id, top.createdAt); // it follows its caller
  if (joined || keepByRatio(located.placement.traceId, ratio)) return { kind: "keep", keepsTree: false };
  if (keptByOutcome(run, keep, attempts)) return { kind: "keep", keepsTree: true };
  if (tree.size?.keptBy.includes(plan.name)) return { kind: "keep", keepsTree: false };
  if (!tree.unfinished) return { kind: "drop", reason: "sampled" };
  return tree.late ? { kind: "drop", reason: "sampled_tree_unfinished" } : { kind: "wait" };
}

export const NO_TREE: TreeFacts = { size: undefined, unfinished: false, late: false };

/** Share of the retention that a run may spend waiting for its top ancestor. */
const WAIT_SHARE = 0.9;
/** What happened may take so long to be shown by the log. */
const LAG_MS = 60_000;

/** No time is left to wait for the top ancestor's end. */
export function isLate(endedAt: Millis, retention: number, now: Millis): boolean {
  return now > endedAt + retention * WAIT_SHARE;
}

/**
 * The run whose own trace it is goes on; or since its end not everything has been read, so that another run of
 * its tree may be unknown that keeps it. @param readAt all that happened before was shown and read
 */
export function isTreeUnfinished(top: RunRecord | undefined, config: SourceContext["config"], readAt: Millis | undefined): boolean {
  if (top === undefined || top.phase === "gone") return false;
  const undecided = top.phase === "waiting" && top.watch?.reason !== "verdict";
  return top.phase === "open" || undecided || isUnread(top.endedAt ?? 0, config, readAt);
}

/** An open run's end is seen within its longest interval. */
function isUnread(end: Millis, config: SourceContext["config"], readAt: Millis | undefined): boolean {
  return readAt === undefined || readAt < end + config.open_run_max_interval + LAG_MS;
}

/** The same of a top that is at hand, perhaps the run itself: then there is a tree only if it invoked others. */
function goesOn(top: WorkflowRun, run: WorkflowRun, config: SourceContext["config"], readAt: Millis | undefined): boolean {
  const isTree = top !== run || run.groups.some((group) => group.steps.some((step) => step.type === "Invoke"));
  return isTree && (!isTerminal(top) || isUnread(endOf(top), config, readAt));
}

/** What each run's verdict needs of its tree; nothing is looked up where no destination samples. */
export async function treeFacts(
  context: SourceContext,
  read: { readonly retention?: number | undefined; readonly readAt?: Millis | undefined; readonly past?: boolean | undefined },
  runs: readonly WorkflowRun[],
  resolutions: ReadonlyMap<string, Resolution>,
): Promise<ReadonlyMap<string, TreeFacts>> {
  const { store, source, server, config } = context;
  const facts = new Map<string, TreeFacts>();
  if (context.destinations.every((plan) => plan.sampling.ratio === 1)) return facts;
  const atHand = new Map(runs.map((run) => [keyOf(run), run]));
  for (const run of runs) {
    const resolution = resolutions.get(keyOf(run));
    if (resolution?.kind !== "placed" || !isTerminal(run)) continue;
    const size = await store.traceSize(resolution.placement.traceId);
    const late = !read.past && isLate(endOf(run), waitRetention(config.retention, read.retention), server.now());
    const top = resolution.top === undefined ? run : atHand.get(keyOf(resolution.top));
    const [record] = top !== undefined || resolution.top === undefined ? [] : await store.findRuns(source.name, [resolution.top]);
    const unfinished = top === undefined ? isTreeUnfinished(record, config, read.readAt) : goesOn(top, run, config, read.readAt);
    facts.set(keyOf(run), { size, late, unfinished });
  }
  return facts;
}
