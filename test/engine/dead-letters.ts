import type { Core } from "./core.ts";
import { logRun } from "./log.ts";
import { type EngineRun, type Message, stepMessages } from "./run.ts";
import { createRun } from "./start.ts";
import { deliverStep } from "./steps.ts";

/** What the API answers to resume and restart. */
export interface NewRun {
  readonly workflowRunId: string;
  readonly workflowCreatedAt: number;
}

/** The failed run once more from its beginning, as a new run. */
export function restart(core: Core, dead: EngineRun): NewRun {
  const id = core.newId("wfr");
  const run = createRun(core, { ...seedOf(dead), id });
  const [initial] = dead.entries;
  if (initial !== undefined) redeliver(core, run, { ...initial, id: core.newId("msg"), createdAt: core.clock.now() });
  logRun(core, run);
  return { workflowRunId: run.id, workflowCreatedAt: run.createdAt };
}

/** The failed run from where it failed, as a new run that carries the steps it had: same messages, older than itself. */
export function resume(core: Core, dead: EngineRun): NewRun {
  const run = createRun(core, { ...seedOf(dead), id: core.newId("wfr") });
  const results = new Set(dead.entries.flatMap(({ info }) => info.stepId ?? []));
  const last = dead.entries.at(-1);
  for (const entry of stepMessages(dead)) {
    const isOpen = entry.target === undefined ? entry === last : !results.has(entry.target);
    if (isOpen) redeliver(core, run, entry);
    else run.entries.push({ ...entry, run });
  }
  logRun(core, run);
  return { workflowRunId: run.id, workflowCreatedAt: run.createdAt };
}

const seedOf = ({ url, payload, terms, callerIp }: EngineRun) => ({ url, payload, terms, callerIp });

function redeliver(core: Core, run: EngineRun, old: Message): void {
  const message: Message = { ...old, run, state: "waiting", retried: 0, errors: [], failedStep: undefined, deliverAt: core.clock.now() };
  run.entries.push(message);
  run.messages.push(message);
  void deliverStep(core, message);
}

/** A page of the dead-letter queue, newest first. */
export function listDead(core: Core): unknown[] {
  return [...core.dead].toReversed().map(([dlqId, run]) => ({
    dlqId,
    messageId: run.failed?.id,
    url: run.url,
    workflowRunId: run.id,
    workflowCreatedAt: run.createdAt,
    workflowUrl: run.url,
    createdAt: run.completedAt,
    responseStatus: run.failed?.errors.at(-1)?.status,
    failureCallbackInfo: run.failureFunction && { state: run.failureFunction.state },
    label: run.terms.labels[0],
  }));
}
