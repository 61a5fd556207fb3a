import { keyOf, type WorkflowRun } from "../model/run.ts";
import type { MappingSettings } from "./config.ts";
import { linkedPlacement, nestedPlacement, ownPlacement } from "./placement.ts";
import type { Placement } from "./span.ts";

/**
 * Places runs that are all there is: an invoked run nests in its ancestor's trace where that is among
 * them, else it is a trace of its own with a link.
 * @param candidates runs that have a trace, or will have one when they end; others are no ancestors
 */
export function placeAll(candidates: readonly WorkflowRun[], settings: MappingSettings): (run: WorkflowRun) => Placement {
  const byKey = new Map(candidates.map((run) => [keyOf(run), run]));
  const placed = new Map<WorkflowRun, Placement>();
  const place = (run: WorkflowRun): Placement => {
    const before = placed.get(run);
    if (before !== undefined) return before;
    placed.set(run, linkedPlacement(run, settings)); // what a run that invokes its own ancestor finds
    const { invoker } = run;
    const ancestor = invoker?.createdAt === undefined ? undefined : byKey.get(keyOf({ id: invoker.id, createdAt: invoker.createdAt }));
    const nests = settings.traces.invoked_runs === "nest" && ancestor !== undefined;
    const placement = nests
      ? nestedPlacement(run, place(ancestor), settings)
      : invoker === undefined
        ? ownPlacement(run, settings)
        : linkedPlacement(run, settings);
    placed.set(run, placement);
    return placement;
  };
  return place;
}
