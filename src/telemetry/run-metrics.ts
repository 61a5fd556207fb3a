import type { Metrics } from "./metrics.ts";
import type { CollectedRun } from "./observation.ts";

/** A run that ended longer ago than this belongs to a past that the series have already told. */
const FRESH_MS = 600_000;
/** Names, and characters of each, after which everything new is counted as `OVERFLOW`. */
const MAX_WORKFLOWS = 100;
const MAX_STEPS = 400;
const MAX_NAME = 120;

/** What OpenTelemetry's SDKs call the series that takes what is past a limit, as a label's value. */
const OVERFLOW = "_overflow";

/** Counts runs and steps by workflow, step and outcome; each bucket's exemplar is the trace of its last run. */
export function createRunMetrics(metrics: Metrics): (run: CollectedRun) => void {
  const workflows = createCap(MAX_WORKFLOWS);
  const steps = createCap(MAX_STEPS);
  return (run) => {
    if (run.collectedAt - run.end > FRESH_MS) return;
    const workflow = cut(run.workflow);
    const shown = workflows(workflow) ? workflow : OVERFLOW;
    const { outcome, traceId } = run;
    metrics.observe("wfotel_run_duration_seconds", { workflow: shown, outcome }, (run.end - run.start) / 1_000, traceId);
    for (const step of run.steps) {
      const name = cut(step.name);
      const type = cut(step.type);
      const within = shown !== OVERFLOW && steps(JSON.stringify([shown, name, type]));
      const labels = within ? { step: name, type } : { step: OVERFLOW, type: OVERFLOW };
      metrics.observe(
        "wfotel_step_duration_seconds",
        { workflow: shown, ...labels, outcome: step.outcome },
        step.duration / 1_000,
        traceId,
      );
    }
  };
}

/** True for the first `limit` different keys, always. */
function createCap(limit: number): (key: string) => boolean {
  const seen = new Set<string>();
  return (key) => {
    if (seen.size < limit) seen.add(key);
    return seen.has(key);
  };
}

function cut(name: string): string {
  return name.length > MAX_NAME ? `${name.slice(0, MAX_NAME)}…` : name;
}
