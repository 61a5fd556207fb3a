import type { Millis } from "../../src/fake-upstash/wire.ts";
import { type Core, Refused } from "./core.ts";
import { createMessage } from "./deliver.ts";
import { parseDuration } from "./duration.ts";
import { canonicalName } from "./exchange.ts";
import { parseFlowControl } from "./flow-control.ts";
import { logEvent, logRun } from "./log.ts";
import { type EngineRun, hasEnded, type Invoker, type Terms } from "./run.ts";
import { deliverStep } from "./steps.ts";
import { type Submission, under } from "./submission.ts";

/** What the API answers to a published message. */
export interface Published {
  readonly messageId: string;
  readonly deduplicated?: true;
}

/** A new run: of a trigger, or of another run's Invoke step. An id that is live is not started again. */
export function startRun(core: Core, { destination, headers, body }: Submission, by: Pick<EngineRun, "callerIp" | "invoker">): Published {
  const id = headers["upstash-workflow-runid"] ?? core.newId("wfr");
  const live = core.runs.get(id);
  const messageId = core.newId("msg");
  if (live !== undefined && !hasEnded(live)) {
    if (by.invoker !== undefined) throw new Refused(409, `run ${id} is live: whoever invoked it would wait for ever`);
    return { messageId, deduplicated: true };
  }
  const now = core.clock.now();
  const due = dueAt(headers, now);
  const create = () => begin(core, { id, url: destination, payload: body, terms: readTerms(headers), ...by }, messageId, due);
  if (core.switches.delayedRun === "accepted" || due <= now) create();
  else void core.clock.until(due).then(create);
  return { messageId };
}

type Seed = Pick<EngineRun, "id" | "url" | "payload" | "terms" | "callerIp" | "invoker">;

export function createRun(core: Core, seed: Seed): EngineRun {
  const run: EngineRun = {
    ...seed,
    createdAt: core.clock.now(),
    entries: [],
    messages: [],
    pending: new Map(),
    early: new Map(),
    over: new AbortController(),
    state: "RUN_STARTED",
  };
  core.runs.set(run.id, run);
  logEvent(core, run, "RUN_STARTED", undefined, { time: run.createdAt, ...(run.invoker !== undefined && invokerFields(run.invoker)) });
  return run;
}

function begin(core: Core, seed: Seed, messageId: string, deliverAt: Millis): void {
  const run = createRun(core, seed);
  const { payload, terms } = run;
  const headers = Object.entries(terms.headers).map(([name, value]) => [canonicalName(name), [value]]);
  const message = createMessage(core, run, {
    id: messageId,
    destination: run.url,
    body: payload,
    info: {
      stepName: "init",
      stepType: "Initial",
      callType: "step",
      ...(payload !== "" && { out: payload }),
      concurrent: 1,
      headers: Object.fromEntries(headers),
    },
    deliverAt: Math.max(deliverAt, run.createdAt),
  });
  run.entries.push(message);
  logRun(core, run);
  void deliverStep(core, message);
}

const invokerFields = ({ workflowRunId, workflowRunCreatedAt, workflowUrl }: Invoker) => ({
  invokerWorkflowRunId: workflowRunId,
  invokerWorkflowCreatedAt: workflowRunCreatedAt,
  invokerWorkflowUrl: workflowUrl,
});

/** When a message that is made now is due: `Upstash-Not-Before` (unix seconds) or `Upstash-Delay` (a duration) says so. */
export function dueAt(headers: Submission["headers"], now: Millis): Millis {
  const notBefore = headers["upstash-not-before"];
  if (notBefore !== undefined) return Math.max(now, Number(notBefore) * 1_000);
  return now + parseDuration(headers["upstash-delay"] ?? "0");
}

/** What a direct start forwards of its own connection; it means nothing to whoever gets it. */
const OF_THE_CONNECTION = new Set(["host", "content-length", "connection", "keep-alive", "transfer-encoding", "content-type"]);

function readTerms(headers: Submission["headers"]): Terms {
  const forwarded = Object.entries(under(headers, "upstash-forward-")).filter(([name]) => !OF_THE_CONNECTION.has(name));
  const failure = headers["upstash-failure-callback"];
  const labels = headers["upstash-label"];
  const redact = headers["upstash-redact-fields"];
  return {
    headers: Object.fromEntries(forwarded),
    retries: Number(headers["upstash-retries"] ?? 3),
    retryDelay: headers["upstash-retry-delay"],
    flowControl: parseFlowControl(headers["upstash-flow-control-key"], headers["upstash-flow-control-value"]),
    labels: labels?.split(",").map((label) => label.trim()) ?? [],
    redact: redact?.split(",").map((field) => field.toLowerCase()) ?? [],
    failure:
      failure === undefined
        ? undefined
        : {
            url: failure,
            headers: under(headers, "upstash-failure-callback-forward-"),
            retries: Number(headers["upstash-failure-callback-retries"] ?? 3),
            retryDelay: headers["upstash-failure-callback-retry-delay"],
          },
  };
}
