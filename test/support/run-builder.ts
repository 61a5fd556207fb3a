import type { DeliveryError, Step, StepGroup, WorkflowRun } from "../../src/model/run.ts";
import type { MappingSettings } from "../../src/trace/config.ts";
import { tracesSchema, workflowRuleSchema } from "../../src/trace/config.ts";

/** When the runs made here were created; their other times are given in ms after it. */
export const T0 = 1_700_000_000_123;

export const at = (offset: number): number => T0 + offset;

/** The defaults, with what `over` says in the words of the YAML. */
export function settingsWith(traces: unknown = {}, over: Partial<Omit<MappingSettings, "workflows">> & { workflows?: unknown[] } = {}) {
  const workflows = (over.workflows ?? []).map((rule) => workflowRuleSchema.parse(rule));
  return { resource: {}, ...over, workflows, traces: tracesSchema.parse(traces) } satisfies MappingSettings;
}

/** A run that ended after `length` ms. */
export function aRun(length: number | undefined, groups: readonly StepGroup[], over: Partial<WorkflowRun> = {}): WorkflowRun {
  return {
    id: "wfr_order",
    createdAt: T0,
    url: "https://shop.example.com/api/orders",
    state: "RUN_SUCCESS",
    ...(length !== undefined && { completedAt: at(length) }),
    labels: [],
    groups: [group(initial()), ...groups],
    oddities: [],
    ...over,
  };
}

export function group(...steps: readonly Step[]): StepGroup {
  return { type: steps.length > 1 ? "parallel" : "sequential", steps };
}

export function initial(over: Partial<Step> = {}): Step {
  return { ...step("Initial", "init", 2), messageId: "msg_initial", ...over };
}

/** `createdAt` in ms after the run's creation. Ids are not given: add them where they matter. */
export function step(type: string, name: string, createdAt?: number, over: Partial<Step> = {}): Step {
  return {
    name,
    type,
    callType: "step",
    state: "STEP_SUCCESS",
    ...(createdAt !== undefined && { createdAt: at(createdAt) }),
    errors: [],
    ...over,
  };
}

/** The delivery that failed, was canceled or goes on. */
export function next(over: Partial<Step>): StepGroup {
  return { type: "next", steps: [{ name: "", type: "", state: "STEP_FAILED", errors: [], ...over }] };
}

export function error(
  time: number | undefined,
  status?: number,
  message = status === undefined ? "failed" : `${status} failed`,
): DeliveryError {
  return { message, ...(status !== undefined && { status }), ...(time !== undefined && { time: at(time) }) };
}
