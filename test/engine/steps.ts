import type { Millis, WireStep } from "../../src/fake-upstash/wire.ts";
import type { Core } from "./core.ts";
import { createMessage, type Delivery, deliver, deliveryHeaders, type Verdict } from "./deliver.ts";
import { parseDuration } from "./duration.ts";
import { type Reply, replyHeader } from "./exchange.ts";
import { failRun } from "./failure.ts";
import { logRun } from "./log.ts";
import type { EngineRun, Message, Pending, SubmittedStep } from "./run.ts";
import type { Switches } from "./switches.ts";

/** A message that carries a step: its plan or its result. Its delivery executes what comes next. */
export function createStep(
  core: Core,
  run: EngineRun,
  step: SubmittedStep,
  own: Pick<Message, "destination" | "body"> & { readonly more?: WireStep; readonly dueAt?: (createdAt: Millis) => Millis },
): Message {
  const begun = step.targetStep === undefined ? run.pending.get(step.stepId) : undefined;
  const info = { ...begun?.info, ...stepInfo(step, core.switches), ...own.more };
  const { destination, body } = own;
  const createdAt = core.clock.now();
  const message = createMessage(core, run, {
    destination,
    body,
    info,
    target: step.targetStep,
    begun,
    createdAt,
    deliverAt: own.dueAt?.(createdAt) ?? createdAt,
  });
  if (step.targetStep === undefined) run.pending.delete(step.stepId);
  if (message.target === undefined || core.switches.planOrder === "creation") run.entries.push(message);
  logRun(core, run);
  void deliverStep(core, message);
  return message;
}

/** A step that somebody else than the endpoint works on, from now on. */
export function beginStep(core: Core, run: EngineRun, step: SubmittedStep, createdAt: Millis, more: WireStep): Pending {
  const pending: Pending = { info: { ...stepInfo(step, core.switches), ...more }, createdAt };
  run.pending.set(step.stepId, pending);
  return pending;
}

export async function deliverStep(core: Core, message: Message): Promise<void> {
  const { run } = message;
  const outcome = await deliver(core, message, stepDelivery(core, message));
  if (outcome?.failed === true) failRun(core, run, message, outcome.reply);
}

function stepDelivery(core: Core, message: Message): Delivery {
  const { run, destination } = message;
  return {
    request: () => {
      if (!run.entries.includes(message)) run.entries.push(message); // a plan, ordered by its delivery
      const entries = run.entries.slice(0, run.entries.indexOf(message) + 1);
      const body = entries.length > core.lazyFetchAbove ? "" : JSON.stringify(entries.map(rawEntry));
      const headers = deliveryHeaders(core, run, destination, body, {
        "upstash-workflow-sdk-version": "1",
        "upstash-message-id": message.id,
        "upstash-retried": String(message.retried),
      });
      return { url: destination, method: "POST", headers, body };
    },
    judge: (reply) => judgeStep(message, reply),
  };
}

/** As the SDK reads it back, from a delivery's body or when it fetches the run. */
export function rawEntry({ id, body }: Message) {
  return { messageId: id, body: Buffer.from(body).toString("base64"), callType: "step" };
}

const NO_WORKFLOW = "detected a non-workflow destination for trigger/invoke. make sure you are sending the request to the correct endpoint";

function judgeStep(message: Message, reply: Reply): Verdict {
  const { status = 0 } = reply;
  const isFirst = message.info.stepType === "Initial" && message.retried === 0;
  if (status >= 200 && status < 300) {
    if (!isFirst || replyHeader(reply, "Upstash-Workflow-Sdk-Version") !== undefined) return "done";
    Object.assign(reply, { message: NO_WORKFLOW });
    return "fail";
  }
  return judgeEndpoint(reply);
}

/** Of any answer of an endpoint but a 2xx. */
export function judgeEndpoint(reply: Reply): Verdict {
  if (reply.status === 489) return "fail";
  const retryAfter = reply.status === 429 ? replyHeader(reply, "Retry-After") : undefined;
  return retryAfter === undefined ? "retry" : { retryAfterMs: parseDuration(retryAfter) };
}

/** What the logs show of a submitted step. A plan has no id yet. */
function stepInfo(step: SubmittedStep, switches: Switches): WireStep {
  const { stepId, stepName, stepType, concurrent, out, sleepFor, sleepUntil, waitTimeout } = step;
  return {
    ...(stepId > 0 && { stepId }),
    stepName,
    stepType,
    callType: "step",
    ...(out !== undefined && { out }),
    concurrent,
    ...(sleepFor !== undefined && { sleepFor: sleepLength(sleepFor, switches) }),
    ...(sleepUntil !== undefined && { sleepUntil: switches.sleepUnit === "ms" ? Math.round(sleepUntil * 1_000) : sleepUntil }),
    ...(waitTimeout === true && { waitTimeout }),
  };
}

function sleepLength(sleepFor: number | string, { sleepUnit }: Switches): number {
  if (sleepUnit === "ms") return parseDuration(String(sleepFor));
  return sleepFor as number; // "3d" stays the string that it is: the log's type is a promise that it may not keep
}
