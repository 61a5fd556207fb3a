import type { Millis, WireStep } from "../../../src/fake-upstash/wire.ts";
import { deliver, type GaveUp, inProgress, type Stage, submit } from "./messages.ts";
import { type Delivery, hop, type Performed, perform, typeOf } from "./perform.ts";
import type { Work } from "./program.ts";
import { emit, type Recording, snapshot } from "./recording.ts";

interface Branch {
  readonly work: Work;
  readonly plan: WireStep;
  readonly performed: Performed;
  /** When the message with its result was made. */
  readonly createdAt: Millis;
}

/** One message a branch (its plan) and one for its result; the delivery of the last result goes on. */
export function playParallel(recording: Recording, stage: Stage, works: readonly Work[]): Stage | GaveUp {
  const fork = stage.at + hop(recording);
  emit(recording, fork + 1, "DELIVERED", stage.carrier);
  const branches = works.map((work, index) =>
    playBranch(recording, { ...stage, at: fork, stepId: stage.stepId + index }, work, works.length),
  );
  const siblings = branches.map((branch) => inProgress({ ...branch.performed.step, messageId: branch.plan.messageId ?? "" }, fork));
  snapshot(recording, fork, [{ type: "parallel", steps: [...siblings] }]);
  const failed = branches.find((branch) => branch.performed.errors !== undefined);
  const results = new Map<Branch, WireStep>();
  for (const branch of branches.toSorted((a, b) => a.createdAt - b.createdAt)) {
    if (branch === failed) continue;
    const result = submit(recording, branch.performed.step, branch.createdAt);
    emit(recording, branch.createdAt + 1, "DELIVERED", branch.plan);
    results.set(branch, result);
    siblings[branches.indexOf(branch)] = result;
    snapshot(recording, branch.createdAt, [{ type: "parallel", steps: [...siblings] }]);
  }
  if (failed?.performed.errors !== undefined) {
    const { work, plan, performed } = failed;
    return { carrier: plan, at: performed.end, errors: failed.performed.errors, failed: { work, plan: inProgress(performed.step, fork) } };
  }
  return join(recording, [...results.values()], siblings, stage.stepId + works.length);
}

/** Every result is delivered; only the last one's delivery goes on. */
function join(recording: Recording, results: readonly WireStep[], siblings: readonly WireStep[], stepId: number): Stage {
  recording.groups.push({ type: "parallel", steps: siblings });
  const stages = results.map((result) => deliver(recording, result, result.createdAt ?? 0, stepId));
  const last = stages.reduce((latest, each) => (each.at >= latest.at ? each : latest));
  for (const each of stages) if (each !== last) emit(recording, each.at + 1, "DELIVERED", each.carrier);
  return last;
}

function playBranch(recording: Recording, { at: fork, stepId }: Stage, work: Work, concurrent: number): Branch {
  const due = work.kind === "sleep" ? fork + work.ms : fork;
  const about = { stepName: work.name, stepType: typeOf(work), callType: "step", concurrent, state: "STEP_SUCCESS" };
  const plan = submit(recording, about, fork, due);
  const { at } = deliver(recording, plan, due, stepId);
  const delivery: Delivery = { carrier: plan, at: work.kind === "sleep" ? fork : at, stepId, concurrent };
  const performed = perform(recording, delivery, work);
  if (work.kind === "sleep") recording.truth.push({ name: work.name, start: fork, lastAttempt: fork, end: due });
  return { work, plan, performed, createdAt: Math.max(performed.end, at) + hop(recording) };
}
