import type { WireEvent, WireGroup, WireRun, WireStep } from "../../src/fake-upstash/wire.ts";
import type { Core } from "./core.ts";
import { redactBody, redactStep } from "./redact.ts";
import { type EngineRun, hasEnded, isPending, type Message, type Pending, stepMessages } from "./run.ts";
import type { Switches } from "./switches.ts";

/** A line of the message log. */
export function logEvent(core: Core, run: EngineRun, state: string, step?: WireStep, more: Partial<WireEvent> = {}): void {
  core.store.putEvent({
    time: core.clock.now(),
    state,
    workflowRunId: run.id,
    workflowUrl: run.url,
    workflowCreatedAt: run.createdAt,
    ...(step !== undefined && { stepInfo: redactStep(step, run.terms.redact) }),
    ...more,
  });
}

export function logMessage(core: Core, message: Message, state: string, more: Partial<WireEvent> = {}): void {
  logEvent(core, message.run, state, shown(message), more);
}

/** The grouped log, as it stands from now on. */
export function logRun(core: Core, run: EngineRun): void {
  core.store.putRun(groupedRun(run, core.switches), core.clock.now());
}

/** A message as its own step. */
function shown({ id, info, createdAt, retries }: Message): WireStep {
  return { ...info, messageId: id, createdAt, retries, state: "STEP_SUCCESS" };
}

function groupedRun(run: EngineRun, switches: Switches): WireRun {
  const { terms, invoker, response } = run;
  const [label] = terms.labels;
  return {
    workflowRunId: run.id,
    workflowUrl: run.url,
    workflowState: run.state,
    workflowRunCreatedAt: run.createdAt,
    ...(run.completedAt !== undefined && { workflowRunCompletedAt: run.completedAt }),
    ...(run.callerIp !== undefined && { workflowRunCallerIp: run.callerIp }),
    ...(response !== undefined && { workflowRunResponse: redactBody(response, terms.redact) }),
    ...(label !== undefined && { label, labels: terms.labels }),
    ...(terms.flowControl !== undefined && { flowControlKey: terms.flowControl.key }),
    ...(run.dlqId !== undefined && { dlqId: run.dlqId }),
    ...(invoker !== undefined && { invoker: invokerOf(invoker) }),
    ...(run.failureFunction !== undefined && { failureFunction: run.failureFunction }),
    steps: groupsOf(run, switches).map((group) => ({ ...group, steps: group.steps.map((step) => redactStep(step, terms.redact)) })),
  };
}

const invokerOf = ({ workflowRunId, workflowUrl, workflowRunCreatedAt }: NonNullable<EngineRun["invoker"]>) => ({
  workflowRunId,
  workflowUrl,
  workflowRunCreatedAt,
});

/** Steps by their ids; a plan opens a group of as many as it says. */
function groupsOf(run: EngineRun, switches: Switches): WireGroup[] {
  const [initial] = run.entries;
  if (initial === undefined) return [];
  const groups: WireGroup[] = [{ type: "sequential", steps: [initialStep(initial)] }];
  const plans = new Map(stepMessages(run).flatMap((entry) => (entry.target === undefined ? [] : [[entry.target, entry] as const])));
  const results = new Map<number, Message>();
  for (const entry of run.entries) {
    const id = entry.info.stepId;
    if (id !== undefined && !results.has(id)) results.set(id, entry);
  }
  const carrier = carrierOf(run, results, plans);
  for (let id = 1; ; ) {
    const plan = plans.get(id);
    const members = Array.from({ length: plan?.info.concurrent ?? 1 }, (_, n) => id + n);
    const steps = members.flatMap((member) => stepOf(run, switches, member, results.get(member), plans.get(member)) ?? []);
    if (steps.length === 0) break;
    groups.push({ type: plan === undefined ? "sequential" : "parallel", steps });
    id += members.length;
  }
  return carrier === undefined ? groups : [...groups, { type: "next", steps: [nextStep(carrier)] }];
}

/** Held back (delay, not-before, flow control), it says until when. */
function initialStep(message: Message): WireStep {
  const { deliverAt, createdAt, retried } = message;
  const heldBack = retried === 0 && deliverAt > createdAt;
  return { ...shown(message), ...(heldBack && { nextDeliveryTime: deliverAt }) };
}

/** The delivery that goes on: of the last result, once its group is whole. It is shown until it has made something. */
function carrierOf(run: EngineRun, results: ReadonlyMap<number, Message>, plans: ReadonlyMap<number, Message>): Message | undefined {
  if (run.state === "RUN_SUCCESS") return undefined;
  if (run.failed !== undefined) return run.failed.callType === "step" && run.failed.target === undefined ? run.failed : undefined;
  const last = run.entries.at(-1);
  const isWhole = [...plans.keys()].every((id) => results.has(id)) && run.pending.size === 0;
  return last !== undefined && last.target === undefined && isWhole && last.state !== "done" ? last : undefined;
}

function nextStep(message: Message): WireStep {
  return { messageId: message.id, ...deliveryState(message) };
}

function deliveryState({ state, errors, retries, retryDelay, failedStep, deliverAt }: Message): WireStep {
  const word = { failed: "STEP_FAILED", canceled: "STEP_CANCELED", retrying: "STEP_RETRY" }[state as string] ?? "STEP_PROGRESS";
  return {
    ...(failedStep !== undefined && { stepName: failedStep }),
    state: word,
    retries,
    ...(retryDelay !== undefined && { retryDelay }),
    ...((state === "waiting" || state === "retrying") && { nextDeliveryTime: deliverAt }),
    ...(errors.length > 0 && { errors: [...errors] }),
  };
}

function stepOf(
  run: EngineRun,
  switches: Switches,
  id: number,
  result: Message | undefined,
  plan: Message | undefined,
): WireStep | undefined {
  const pending = run.pending.get(id);
  if (result !== undefined) return resultStep(result, switches);
  if (pending === undefined && plan === undefined) return undefined;
  const own: WireStep = { ...(pending?.info ?? { ...plan?.info, stepId: id }), createdAt: plan?.createdAt ?? pending?.createdAt ?? 0 };
  const carrier = pending === undefined ? plan : pending.request;
  const step = { ...own, ...(plan !== undefined && { messageId: plan.id }), retries: run.terms.retries };
  if (carrier !== undefined && carrier === run.failed) return { ...step, ...deliveryState(carrier), ...nameOf(own) };
  if (pending?.response !== undefined && pending.response === run.failed) {
    return { ...step, ...deliveryState(pending.response), ...nameOf(own) };
  }
  if (hasEnded(run)) return { ...step, state: run.state === "RUN_FAILED" && own.stepType === "Invoke" ? "STEP_PROGRESS" : "STEP_CANCELED" };
  return carrier !== undefined && isPending(carrier)
    ? { ...step, ...deliveryState(carrier), ...nameOf(own) }
    : { ...step, state: "STEP_PROGRESS" };
}

/** Who failed is known by its place here, whatever the endpoint said. */
const nameOf = ({ stepName }: WireStep) => (stepName === undefined ? {} : { stepName });

/** The message that the log takes as the step's own depends on its type, and on the reading. */
function resultStep(result: Message, switches: Switches): WireStep {
  const step = shown(result);
  const begun = result.begun;
  if (begun === undefined) return step;
  if (result.info.stepType === "Call") {
    const own = ownMessage(begun, result, switches);
    return { ...step, messageId: own.id, callType: own.callType, createdAt: own.createdAt };
  }
  return switches.waitCreatedAt === "start" ? { ...step, createdAt: begun.createdAt } : step;
}

function ownMessage({ request, response }: Pending, result: Message, { callMessage }: Switches): Message {
  return (callMessage === "toCallback" ? request : callMessage === "fromCallback" ? response : result) ?? result;
}
