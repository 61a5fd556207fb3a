import type { WorkflowRun } from "../model/run.ts";
import { invokeSpanId, type StepKey, stepSpanId } from "./ids.ts";

/** The span id of each step of a run, by position (group, then index in it). */
export type StepIds = readonly (readonly string[])[];

/**
 * By stepId where no other step of the run has it, else by position; message ids and names repeat. An Invoke
 * step has the id that the invoked run computes from its own `invoker`; if the run invokes one id twice, the
 * first keeps it.
 */
export function stepIds(run: WorkflowRun): StepIds {
  const counts = new Map<number, number>();
  for (const { id } of run.groups.flatMap((group) => group.steps)) {
    if (id !== undefined) counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  const invoked = new Set<string>();
  return run.groups.map((group, position) =>
    group.steps.map((step, index) => {
      const invokedId = step.type === "Invoke" ? step.invoked?.id : undefined;
      if (invokedId !== undefined && invokedId !== "" && !invoked.has(invokedId)) {
        invoked.add(invokedId);
        return invokeSpanId(run.id, run.createdAt, invokedId);
      }
      const key: StepKey = step.id !== undefined && counts.get(step.id) === 1 ? step.id : `${position}.${index}`;
      return stepSpanId(run.id, run.createdAt, key);
    }),
  );
}
