import { endOf, keyOf, type WorkflowRun } from "../model/run.ts";
import type { RunRecord, TraceSize } from "../state/store.ts";
import { keepByRatio, keptByOutcome } from "../trace/sampling.ts";
import type { DestinationPlan, SourceContext } from "./context.ts";
import type { Located, Resolution } from "./place.ts";

/** What sampling says of one run for one destination (trace-model.md, "Sampling"): whole trees, by the trace id. */
export type Verdict =
  | { readonly kind: "keep"; readonly keepsTree: boolean }
  | { readonly kind: "drop"; readonly reason: "sampled" | "sampled_tree_unfinished" }
  | { readonly kind: "wait" };

export interface TreeFacts {
  readonly size: TraceSize | undefined;
  /** The record of the run whose own trace this is, where that is another run. */
  readonly top: RunRecord | undefined;
  /** No time is left to wait for the top ancestor's end. */
  readonly late: boolean;
}

export function verdict(run: WorkflowRun, located: Located, plan: DestinationPlan, tree: TreeFacts): Verdict {
  const { ratio, keep } = plan.sampling;
  const joined = located.top === undefined && located.placement.parentSpanId !== undefined;
  if (joined || keepByRatio(located.placement.traceId, ratio)) return { kind: "keep", keepsTree: false };
  if (keptByOutcome(run, keep)) return { kind: "keep", keepsTree: true };
  if (tree.size?.keptBy.includes(plan.name)) return { kind: "keep", keepsTree: false };
  if (tree.top === undefined || tree.top.phase === "done" || tree.top.phase === "collected" || tree.top.phase === "gone") {
    return { kind: "drop", reason: "sampled" };
  }
  return tree.late ? { kind: "drop", reason: "sampled_tree_unfinished" } : { kind: "wait" };
}

export const NO_TREE: TreeFacts = { size: undefined, top: undefined, late: false };

/** Share of the retention that a run may spend waiting for its top ancestor. */
const WAIT_SHARE = 0.9;
/** Taken as the retention where it is neither configured nor learnt: the shortest plan's. */
const ASSUMED_RETENTION_MS = 86_400_000;

/** What each run's verdict needs of its tree; nothing is looked up where no destination samples. */
export async function treeFacts(
  context: SourceContext,
  learnedRetention: number | undefined,
  runs: readonly WorkflowRun[],
  resolutions: ReadonlyMap<string, Resolution>,
): Promise<ReadonlyMap<string, TreeFacts>> {
  const facts = new Map<string, TreeFacts>();
  if (context.destinations.every((plan) => plan.sampling.ratio === 1)) return facts;
  const retention = context.config.retention ?? learnedRetention ?? ASSUMED_RETENTION_MS;
  for (const run of runs) {
    const resolution = resolutions.get(keyOf(run));
    if (resolution?.kind !== "placed") continue;
    const top = resolution.top === undefined ? undefined : (await context.store.findRuns(context.source.name, [resolution.top]))[0];
    const size = await context.store.traceSize(resolution.placement.traceId);
    facts.set(keyOf(run), { size, top, late: context.server.now() > endOf(run) + retention * WAIT_SHARE });
  }
  return facts;
}
