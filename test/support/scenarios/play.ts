import type { Millis, WireGroup, WireInvoker, WireStep } from "../../../src/fake-upstash/wire.ts";
import { cancel, fail, succeed } from "./endings.ts";
import { deliver, type GaveUp, inDelivery, inProgress, type Stage, submit } from "./messages.ts";
import { playParallel } from "./parallel.ts";
import { hop, type Performed, perform } from "./perform.ts";
import type { Program, SleepWork, Work } from "./program.ts";
import { newId, type Random } from "./random.ts";
import { emit, type PlayChild, type PlayedRun, type Recording, retriesOf, snapshot } from "./recording.ts";

/**
 * Lets a program happen, from its trigger at `createdAt` to its end: the run first, then those it invoked. Both
 * logs follow the protocol seen between the official SDK and an engine: step N + 1 is executed by the delivery of
 * the message that carries step N's result, and a step's `createdAt` is when its own message was made.
 */
export function play(program: Program, createdAt: Millis, random: Random, invoker?: WireInvoker): readonly [PlayedRun, ...PlayedRun[]] {
  const recording = begin(program, createdAt, random, invoker);
  let stage = trigger(recording);
  for (const [index, item] of program.steps.entries()) {
    const began = stage.at;
    const next = isParallel(item) ? playParallel(recording, stage, item) : playSequential(recording, stage, item);
    const isLast = index === program.steps.length - 1;
    if ("errors" in next) return family(fail(recording, next), recording);
    if (isLast && program.canceledAfterMs !== undefined) return family(cancel(recording, began + program.canceledAfterMs), recording);
    stage = next;
  }
  return family(succeed(recording, stage.at + hop(recording)), recording);
}

const family = (run: PlayedRun, recording: Recording) => [run, ...recording.children] as const;
const isParallel = (item: Work | readonly Work[]): item is readonly Work[] => Array.isArray(item);

function begin(program: Program, createdAt: Millis, random: Random, invoker: WireInvoker | undefined): Recording {
  const identity = { workflowRunId: newId(random, "wfr"), workflowUrl: program.url, workflowCreatedAt: createdAt };
  const playChild: PlayChild = (child, start, by) => play(child, start, random, by);
  return { random, program, identity, invoker, playChild, children: [], groups: [], versions: [], events: [], truth: [] };
}

function trigger(recording: Recording): Stage {
  const { program, identity, invoker } = recording;
  const createdAt = identity.workflowCreatedAt + 1;
  const nextDeliveryTime = createdAt + (program.startDelayMs ?? 0);
  const carrier: WireStep = {
    stepName: "init",
    stepType: "Initial",
    callType: "step",
    messageId: newId(recording.random, "msg"),
    ...(program.payload === undefined ? {} : { out: JSON.stringify(program.payload) }),
    concurrent: 1,
    state: "STEP_SUCCESS",
    createdAt,
    retries: retriesOf(recording),
    headers: { "Upstash-Workflow-Sdk-Version": ["1"], ...program.headers },
    ...(program.startDelayMs === undefined ? {} : { nextDeliveryTime }),
  };
  const by = invoker && {
    invokerWorkflowRunId: invoker.workflowRunId,
    invokerWorkflowCreatedAt: invoker.workflowRunCreatedAt,
    invokerWorkflowUrl: invoker.workflowUrl,
  };
  emit(recording, identity.workflowCreatedAt, "RUN_STARTED", undefined, by);
  emit(recording, createdAt, "CREATED", carrier, { nextDeliveryTime });
  recording.groups.push({ type: "sequential", steps: [carrier] });
  snapshot(recording, createdAt, [inDelivery(carrier, { nextDeliveryTime })]);
  return deliver(recording, carrier, nextDeliveryTime, 1);
}

function playSequential(recording: Recording, { carrier, at, stepId }: Stage, work: Work): Stage | GaveUp {
  if (work.kind === "sleep") return playSleep(recording, { carrier, at, stepId }, work);
  const performed = perform(recording, { carrier, at, stepId, concurrent: 1 }, work);
  const { step, retries, errors } = performed;
  snapshot(recording, at, [pendingGroup(carrier, at, performed)]);
  for (const [index, retry] of retries.entries()) {
    const sofar = { state: "STEP_RETRY", stepName: work.name, errors: retries.slice(0, index + 1).map((each) => each.error) };
    snapshot(recording, retry.error.time, [inDelivery(carrier, { ...sofar, nextDeliveryTime: retry.next })]);
  }
  if (errors !== undefined) return { carrier, at: performed.end, errors, failed: { work } };
  const result = submit(recording, step, performed.end + hop(recording));
  const createdAt = result.createdAt ?? performed.end;
  emit(recording, isAsleep(step) ? at + 5 : createdAt + 1, "DELIVERED", carrier);
  recording.groups.push({ type: "sequential", steps: [result] });
  snapshot(recording, createdAt, [inDelivery(result, {})]);
  return deliver(recording, result, createdAt, stepId + 1);
}

/** Nobody executes a Wait or an Invoke: its delivery is over as soon as it is asked for. */
const isAsleep = (step: WireStep) => step.waitEventId !== undefined || step.invokedWorkflowUrl !== undefined;

function pendingGroup(carrier: WireStep, at: Millis, { step }: Performed): WireGroup {
  if (!isAsleep(step)) return inDelivery(carrier, {});
  return { type: "sequential", steps: [inProgress(step, at)] };
}

/** A sleep's message is made at its START, and delivered at its end. */
function playSleep(recording: Recording, { carrier, at, stepId }: Stage, work: SleepWork): Stage {
  const start = at + hop(recording);
  const { step, end } = perform(recording, { carrier, at: start, stepId, concurrent: 1 }, work);
  const sleep = submit(recording, step, start, end);
  emit(recording, start + 1, "DELIVERED", carrier);
  recording.truth.push({ name: work.name, start, lastAttempt: start, end });
  recording.groups.push({ type: "sequential", steps: [sleep] });
  snapshot(recording, start, [inDelivery(sleep, { nextDeliveryTime: end })]);
  return deliver(recording, sleep, end, stepId + 1);
}
