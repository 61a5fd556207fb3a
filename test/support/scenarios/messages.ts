import type { Millis, WireError, WireGroup, WireStep } from "../../../src/fake-upstash/wire.ts";
import { hop } from "./perform.ts";
import type { Work } from "./program.ts";
import { newId } from "./random.ts";
import { emit, type Recording, retriesOf } from "./recording.ts";

/** Where a run stands: the message in delivery, since when, and the next step's number. */
export interface Stage {
  readonly carrier: WireStep;
  readonly at: Millis;
  readonly stepId: number;
}

export interface GaveUp {
  readonly carrier: WireStep;
  readonly at: Millis;
  readonly errors: readonly WireError[];
  readonly failed: { readonly work: Work; readonly plan?: WireStep };
}

/** The message is delivered a moment after it is due. */
export function deliver(recording: Recording, carrier: WireStep, due: Millis, stepId: number): Stage {
  const at = due + hop(recording);
  emit(recording, at, "ACTIVE", carrier);
  return { carrier, at, stepId };
}

/** The log's `next` group: a delivery that is in progress, waits for its time, or failed. */
export function inDelivery(carrier: WireStep, more: WireStep): WireGroup {
  return {
    type: "next",
    steps: [{ messageId: carrier.messageId ?? "", state: "STEP_PROGRESS", retries: carrier.retries ?? 0, ...more }],
  };
}

/** Makes the message that carries a step's result. */
export function submit(recording: Recording, step: WireStep, createdAt: Millis, due = createdAt): WireStep {
  const result = { ...step, messageId: newId(recording.random, "msg"), createdAt, retries: retriesOf(recording) };
  emit(recording, createdAt, "CREATED", result, { nextDeliveryTime: due });
  return result;
}

/** A step that was begun and has no result yet. */
export function inProgress({ out: _, waitTimeout: __, ...step }: WireStep, createdAt: Millis): WireStep {
  return { ...step, state: "STEP_PROGRESS", createdAt };
}
