import { beginCall } from "./call.ts";
import { type Core, Refused } from "./core.ts";
import { invoke } from "./invoke.ts";
import { type EngineRun, hasEnded, type SubmittedStep } from "./run.ts";
import { dueAt, type Published, startRun } from "./start.ts";
import { createStep } from "./steps.ts";
import type { Submission } from "./submission.ts";

/** Takes one published message: a trigger, an invocation, a call, or a step's plan or result. */
export function submit(core: Core, submission: Submission, callerIp: string | undefined): Published {
  const { headers, destination, body } = submission;
  if (headers["upstash-workflow-invoke"] === "true") return invoke(core, submission);
  if (headers["upstash-workflow-init"] === "true") return startRun(core, submission, { callerIp });
  const run = liveRun(core, headers["upstash-workflow-runid"]);
  if (headers["upstash-workflow-calltype"] === "toCallback") return { messageId: beginCall(core, run, submission).id };
  const step = JSON.parse(body) as SubmittedStep;
  return {
    messageId: createStep(core, run, step, {
      destination,
      body,
      dueAt: (createdAt) => dueAt(headers, createdAt),
      more: decodedOut(core, step),
    }).id,
  };
}

/** A run that still takes submissions; the SDK takes a 400 as "it is over". */
export function liveRun(core: Core, id: string | undefined): EngineRun {
  const run = id === undefined ? undefined : core.runs.get(id);
  if (id === undefined) throw new Refused(501, "this engine takes workflow messages only");
  if (run === undefined || hasEnded(run)) throw new Refused(400, `workflow run ${id} is over`);
  return run;
}

/** The SDK writes the bytes of a call's response as one character each; the switch says whether the log shows that. */
function decodedOut({ switches }: Core, { stepType, out }: SubmittedStep) {
  if (stepType !== "Call" || out === undefined || switches.callOut === "bytes") return {};
  return { out: Buffer.from(out, "latin1").toString() };
}
