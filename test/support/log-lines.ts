import type { WireEvent, WireRun, WireStep } from "../../src/fake-upstash/wire.ts";

/** One line a message: which step, which kind of message, which fields, which states in order. */
export function messagesOf(events: readonly WireEvent[]): string[] {
  const byMessage = Map.groupBy(events, (event) => event.stepInfo?.messageId);
  return [...byMessage.values()].map(line).toSorted();
}

function line(events: readonly WireEvent[]): string {
  // In the engine's log a Call's failed attempt shows as DELIVERED, without a RETRY; the real log may say ERROR, RETRY.
  const states = events
    .map((event) => event.state)
    .join(" ")
    .replaceAll("DELIVERED ACTIVE", "ERROR RETRY ACTIVE");
  const step = events[0]!.stepInfo ?? {};
  return `${step.stepId} ${step.stepName} ${step.stepType} ${step.callType} ${step.state} x${step.concurrent} [${fieldsOf(step)}]: ${states}`;
}

/** The Initial step's `out` is the trigger's payload: it differs from program to program, not from engine to engine. */
const fieldsOf = (step: WireStep) =>
  Object.keys(step)
    .filter((name) => name !== "out" || step.stepType !== "Initial")
    .toSorted()
    .join(" ");

/** Each group with its steps: which, in which state, with which fields. */
export const groupsOf = (run: WireRun) =>
  run.steps.map((group) => [
    group.type,
    group.steps.map((step) => [step.stepId, step.stepName, step.state, step.concurrent, step.errors?.length, fieldsOf(step)]),
  ]);
