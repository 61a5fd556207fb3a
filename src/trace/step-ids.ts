import type { RunKey } from "../model/run.ts";
import { invokeSpanId, type StepKey, stepSpanId } from "./ids.ts";
import { isWork, type StepTime } from "./timeline.ts";

/** A step that has a span, and what that and the spans of its parts are named by. */
export interface StepId {
  readonly time: StepTime;
  readonly key: StepKey;
  readonly spanId: string;
}

/**
 * The ids of each step that has a span: by stepId where no other step of the run has it, else by position;
 * message ids and names repeat. An Invoke step has the span id that the invoked run computes from its own
 * `invoker`; if the run invokes one id twice, the first keeps it.
 * @param steps all of the run's, in log order.
 */
export function stepIds(run: RunKey, steps: readonly StepTime[]): StepId[] {
  const counts = new Map<number, number>();
  for (const { step } of steps) {
    if (step.id !== undefined) counts.set(step.id, (counts.get(step.id) ?? 0) + 1);
  }
  const invoked = new Set<string>();
  const ids: StepId[] = [];
  for (const time of steps) {
    if (!isWork(time)) continue;
    const { step, group, index } = time;
    const key: StepKey = step.id !== undefined && counts.get(step.id) === 1 ? step.id : `${group}.${index}`;
    const invokedId = step.type === "Invoke" ? step.invoked?.id : undefined;
    if (invokedId !== undefined && invokedId !== "" && !invoked.has(invokedId)) {
      invoked.add(invokedId);
      ids.push({ time, key, spanId: invokeSpanId(run.id, run.createdAt, invokedId) });
    } else {
      ids.push({ time, key, spanId: stepSpanId(run.id, run.createdAt, key) });
    }
  }
  return ids;
}
