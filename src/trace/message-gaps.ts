import type { MessageEvent } from "../model/event.ts";
import type { Millis, WorkflowRun } from "../model/run.ts";
import { readMessages } from "./messages.ts";
import { timeline } from "./timeline.ts";

/** What the run's end cut: nobody knows more of it. */
const CUT = new Set(["STEP_CANCELED", "STEP_PROGRESS"]);

/**
 * Whether the log of a run that has ended lacks events, which may still come. A log that shows no messages at all has
 * no gaps: none are to be expected of it. `minQueue` as of `timeline`.
 */
export function hasGaps(run: WorkflowRun, events: readonly MessageEvent[], minQueue: Millis): boolean {
  const { messages } = readMessages(events);
  if (messages.some(({ created, complete }) => created === undefined || !complete)) return true;
  if (messages.length === 0) return false;
  return timeline(run, events, minQueue).steps.some(({ source, step }) => source === "inferred" && !CUT.has(step.state));
}
