import { keyOf, type WorkflowRun } from "../model/run.ts";
import type { MappingSettings } from "./config.ts";
import { circlePlacement, circleRoot, linkedPlacement, nestedPlacement, ownPlacement } from "./placement.ts";
import type { Placement } from "./span.ts";

/**
 * Places runs that are all there is: an invoked run nests in its ancestor's trace where that is among
 * them; else, and where invoked runs are to link, it is a trace of its own with a link.
 * @param candidates runs that have a trace, or will have one when they end; others are no ancestors
 * @param isFull traces that take no further run
 */
export function placeAll(
  candidates: readonly WorkflowRun[],
  settings: MappingSettings,
  isFull: (traceId: string) => boolean = () => false,
): (run: WorkflowRun) => Placement {
  const byKey = new Map(candidates.map((run) => [keyOf(run), run]));
  const placed = new Map<WorkflowRun, Placement>();
  const invokerOf = ({ invoker }: WorkflowRun) =>
    invoker?.createdAt === undefined ? undefined : byKey.get(keyOf({ id: invoker.id, createdAt: invoker.createdAt }));
  /** The run and its ancestors up to one that has its place, or that is among them already. */
  const unplaced = (run: WorkflowRun) => {
    const line = new Set<WorkflowRun>();
    for (let one: WorkflowRun | undefined = run; one && !placed.has(one) && !line.has(one); one = invokerOf(one)) line.add(one);
    return [...line];
  };
  /** Those of a line that its last one was invoked by in the end. */
  const circleOf = (line: readonly WorkflowRun[]) => {
    const last = line.at(-1);
    const first = last === undefined ? undefined : invokerOf(last);
    return first === undefined || !line.includes(first) ? [] : line.slice(line.indexOf(first));
  };
  return (run) => {
    const root = circleRoot(circleOf(unplaced(run)));
    if (root !== undefined) placed.set(root, circlePlacement(root, settings));
    for (const one of unplaced(run).reverse()) {
      const invoker = invokerOf(one);
      placed.set(one, placeBelow(one, invoker && placed.get(invoker), settings, isFull));
    }
    return placed.get(run) ?? placeBelow(run, undefined, settings, isFull);
  };
}

function placeBelow(
  run: WorkflowRun,
  invoker: Placement | undefined,
  settings: MappingSettings,
  isFull: (traceId: string) => boolean,
): Placement {
  if (run.invoker === undefined) return ownPlacement(run, settings);
  const nests = settings.traces.invoked_runs === "nest" && invoker !== undefined && !isFull(invoker.traceId);
  return nests ? nestedPlacement(run, invoker, settings) : linkedPlacement(run, settings, invoker);
}
