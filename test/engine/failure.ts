import type { WireFailureFunction } from "../../src/fake-upstash/wire.ts";
import type { Core } from "./core.ts";
import { deliveryHeaders, errorOf } from "./deliver.ts";
import { backoffMs } from "./duration.ts";
import { endRun } from "./ending.ts";
import { exchange, type Reply, replyHeader } from "./exchange.ts";
import { logEvent, logRun } from "./log.ts";
import type { EngineRun, FailureTerms, Message } from "./run.ts";

/** The delivery of this message has failed for good. */
export function failRun(core: Core, run: EngineRun, message: Message, reply: Reply): void {
  run.failed = message;
  run.dlqId = core.newId("dlq");
  core.dead.set(run.dlqId, run);
  const failure = run.terms.failure ?? (core.switches.directFailure === "call" ? directFailure(run) : undefined);
  if (failure !== undefined) run.failureFunction = begin(core, run, failure, reply);
  endRun(core, run, "RUN_FAILED", { at: message.errors.at(-1)?.time });
  if (run.failureFunction !== undefined && failure !== undefined) void callFailure(core, run, failure, reply, run.failureFunction);
}

/** A direct request names nobody who is to be told. */
const directFailure = (run: EngineRun): FailureTerms => ({ url: run.url, headers: {}, retries: run.terms.retries });

function begin(core: Core, run: EngineRun, { url, retries }: FailureTerms, { headers, status, body }: Reply): WireFailureFunction {
  return {
    messageId: core.newId("msg"),
    url,
    state: "CALLBACK_INPROGRESS",
    failHeaders: headers,
    ...(status !== undefined && { failStatus: status }),
    failResponse: body.toString(),
    ...(run.dlqId !== undefined && { dlqId: run.dlqId }),
    errors: [],
    maxRetries: retries,
  };
}

/** Starts after the run's end; the ended run's log changes once more when it is over. */
async function callFailure(core: Core, run: EngineRun, terms: FailureTerms, reply: Reply, failure: WireFailureFunction): Promise<void> {
  const body = failureBody(run, reply);
  const errors = [...(failure.errors ?? [])];
  const change = (next: WireFailureFunction | undefined) => {
    run.failureFunction = next;
    logRun(core, run);
  };
  for (let retried = 0; ; retried++) {
    const answer = await core.clock.hold(() => {
      const own = { ...terms.headers, ...failureHeaders(failure.messageId, retried) };
      return exchange({ url: terms.url, method: "POST", headers: deliveryHeaders(core, run, terms.url, body, own), body }, core);
    });
    if (answer.status !== undefined && answer.status >= 200 && answer.status < 300) {
      const isMissing = replyHeader(answer, "Upstash-Workflow-Failure-Callback-Notfound") === "true";
      const told = { responseStatus: answer.status, responseBody: answer.body.toString(), responseHeaders: answer.headers };
      change(
        isMissing && core.switches.missingFailureFunction === "absent"
          ? undefined
          : { ...failure, ...told, errors, state: "CALLBACK_SUCCESS" },
      );
      return;
    }
    errors.push(errorOf(answer, core.clock.now()));
    const gaveUp = retried >= terms.retries || answer.status === 489;
    change({ ...failure, errors: [...errors], state: gaveUp ? "CALLBACK_FAIL" : "CALLBACK_INPROGRESS" });
    if (gaveUp) return;
    await core.clock.until(core.clock.now() + backoffMs(terms.retryDelay, retried));
  }
}

const failureHeaders = (messageId: string, retried: number) => ({
  "upstash-workflow-failure-callback": "true",
  "upstash-workflow-is-failure": "true",
  "upstash-message-id": messageId,
  "upstash-retried": String(retried),
});

function failureBody(run: EngineRun, { status = 0, headers, body }: Reply): string {
  return JSON.stringify({
    status,
    header: headers,
    body: body.toString("base64"),
    url: run.url,
    sourceBody: Buffer.from(run.payload).toString("base64"),
    workflowRunId: run.id,
    workflowCreatedAt: run.createdAt,
  });
}

/** `/v2/workflows/dlq/callback/{dlqId}`: the failure function of a failed run once more. */
export function repeatFailure(core: Core, run: EngineRun): void {
  const terms = run.terms.failure ?? directFailure(run);
  const last = run.failed?.errors.at(-1);
  const reply: Reply = {
    headers: last?.headers ?? {},
    body: Buffer.from(last?.body ?? ""),
    message: last?.error ?? "",
    ...(last?.status !== undefined && { status: last.status }),
  };
  run.failureFunction = begin(core, run, terms, reply);
  logRun(core, run);
  logEvent(core, run, "CREATED");
  void callFailure(core, run, terms, reply, run.failureFunction);
}
