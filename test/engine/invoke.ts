import { type Core, Refused } from "./core.ts";
import { logEvent, logRun } from "./log.ts";
import { type EngineRun, hasEnded, type SubmittedStep } from "./run.ts";
import { type Published, startRun } from "./start.ts";
import { beginStep, createStep } from "./steps.ts";
import type { Submission } from "./submission.ts";

/** What the SDK publishes to a child's URL. */
interface InvokeRequest {
  readonly body?: string;
  readonly headers: Readonly<Record<string, readonly string[]>>;
  readonly workflowRunId: string;
  readonly workflowRunCreatedAt: number;
  readonly workflowUrl: string;
  readonly step: SubmittedStep;
}

export function invoke(core: Core, submission: Submission): Published {
  const { body = "", headers, workflowRunId, workflowUrl, step } = JSON.parse(submission.body) as InvokeRequest;
  const run = core.runs.get(workflowRunId);
  if (run === undefined || hasEnded(run)) throw new Refused(400, `workflow run ${workflowRunId} is over`);
  const childId = submission.headers["upstash-workflow-runid"] ?? core.newId("wfr");
  const createdAt = core.clock.now();
  const { info } = beginStep(core, run, step, createdAt, {
    invokedWorkflowRunId: childId,
    invokedWorkflowUrl: submission.destination,
    invokedWorkflowCreatedAt: createdAt,
    ...(body !== "" && { invokedWorkflowRunBody: body }),
    invokedWorkflowRunHeaders: headers,
  });
  logEvent(core, run, "INVOKED", { ...info, state: "STEP_PROGRESS", createdAt }, { time: createdAt });
  logRun(core, run);
  const invoker = { workflowRunId, workflowUrl, workflowRunCreatedAt: run.createdAt, run, step };
  return startRun(core, { ...submission, body, headers: { ...submission.headers, "upstash-workflow-runid": childId } }, { invoker });
}

/** A child's end is the result of the Invoke step that waits for it. */
export function tellInvoker(core: Core, child: EngineRun): void {
  if (child.invoker === undefined) return;
  const { run, step } = child.invoker;
  if (!run.pending.has(step.stepId)) return;
  const isWelcome = !hasEnded(run) || (run.state === "RUN_FAILED" && core.switches.orphanedInvoke === "result");
  const ended = { isFailed: child.state === "RUN_FAILED", isCanceled: child.state === "RUN_CANCELED" };
  const result = { ...step, out: JSON.stringify({ body: child.response, ...ended }) };
  if (isWelcome) createStep(core, run, result, { destination: run.url, body: JSON.stringify(result) });
}
