import type { Millis, WorkflowRun } from "../model/run.ts";

/** Which trees a destination gets. Pure: every replica and every re-run decides alike. */

/** What `keptByOutcome` needs to know of a run. */
export type Outcome = Pick<WorkflowRun, "state" | "createdAt" | "completedAt" | "groups">;

/** A rule of a destination's `sampling.keep`; `slower_than` in ms. */
export type KeepRule = "failed" | "canceled" | "retried" | { readonly slower_than: number };

/**
 * OpenTelemetry's consistent probability sampling: kept iff the trace id's last 7 bytes, as an integer, are
 * at least (1 − ratio)·2^56. So what a ratio keeps, every larger ratio keeps as well.
 * `traceId`: 32 hex digits; `ratio`: 0 … 1.
 */
export function keepByRatio(traceId: string, ratio: number): boolean {
  if (ratio >= 1) return true;
  // Exact: 1 − ratio is a multiple of 2^-53, so the product is an integer, and one that a double holds.
  const threshold = BigInt((1 - Math.max(0, ratio)) * 2 ** 56);
  return BigInt(`0x${traceId.slice(-14)}`) >= threshold;
}

/**
 * True if one of the rules keeps this run whatever the ratio says. `attempts`: the most attempts that one
 * delivery took, where the message log tells; the grouped log does not show a retry that recovered.
 */
export function keptByOutcome(run: Outcome, keep: readonly KeepRule[], attempts = 1): boolean {
  return keep.some((rule) => {
    if (rule === "failed") return run.state === "RUN_FAILED";
    if (rule === "canceled") return run.state === "RUN_CANCELED";
    if (rule === "retried") return attempts > 1 || isRetried(run);
    return endOf(run) - run.createdAt > rule.slower_than;
  });
}

function isRetried(run: Outcome): boolean {
  return run.groups.some((group) => group.steps.some((step) => step.state === "STEP_RETRY" || step.errors.length > 0));
}

/** The run's end; where the log has none, its latest step or error. */
function endOf(run: Outcome): Millis {
  if (run.completedAt !== undefined) return run.completedAt;
  const times = run.groups.flatMap((group) =>
    group.steps.flatMap((step) => [step.createdAt ?? 0, ...step.errors.map((error) => error.time ?? 0)]),
  );
  return times.reduce((latest, time) => Math.max(latest, time), run.createdAt);
}
