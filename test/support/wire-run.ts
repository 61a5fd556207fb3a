import type { WireGroup, WireRun, WireStep } from "../../src/fake-upstash/wire.ts";

/** Runs as the log API shows them, for tests of whole commands; times are in ms. */

export interface WireRunOptions extends Partial<WireRun> {
  /** How long it ran; undefined while it runs. */
  readonly length?: number | undefined;
}

/** A run with one step, `work`; it ended successfully unless it has no length. */
export function wireRun(id: string, createdAt: number, { length, ...over }: WireRunOptions = { length: 1_000 }): WireRun {
  const ended = length === undefined ? {} : { workflowRunCompletedAt: createdAt + length };
  const work = wireStep(id, { stepId: 1, stepName: "work", stepType: "Run", createdAt: createdAt + Math.floor((length ?? 0) * 0.9) });
  return {
    workflowRunId: id,
    workflowUrl: "https://shop.example.com/api/order",
    workflowState: length === undefined ? "RUN_STARTED" : "RUN_SUCCESS",
    workflowRunCreatedAt: createdAt,
    ...ended,
    steps: [started(id, createdAt), ...(length === undefined ? [] : [sequential(work)])],
    ...over,
  };
}

/** The group of the Initial step, with which every log begins. */
export function started(id: string, createdAt: number, over: WireStep = {}): WireGroup {
  return sequential(wireStep(id, { stepName: "init", stepType: "Initial", createdAt: createdAt + 1, ...over }));
}

export function wireStep(runId: string, over: WireStep): WireStep {
  return { callType: "step", messageId: `msg_${over.stepId ?? 0}_${runId}`, concurrent: 1, state: "STEP_SUCCESS", ...over };
}

export function sequential(step: WireStep): WireGroup {
  return { type: "sequential", steps: [step] };
}
