import type { WireStep } from "../../src/fake-upstash/wire.ts";
import type { Core } from "./core.ts";
import { createMessage, deliver, deliveryHeaders } from "./deliver.ts";
import { parseDuration } from "./duration.ts";
import { canonicalName, type Outgoing, type Reply } from "./exchange.ts";
import { failRun } from "./failure.ts";
import { parseFlowControl } from "./flow-control.ts";
import { logRun } from "./log.ts";
import type { EngineRun, Message, Pending } from "./run.ts";
import { beginStep, judgeEndpoint } from "./steps.ts";
import { type Submission, under } from "./submission.ts";

/** context.call: asks the target, and tells the endpoint once what it said last. The endpoint then submits the step. */
export function beginCall(core: Core, run: EngineRun, submission: Submission): Message {
  const { headers, destination, body } = submission;
  const method = headers["upstash-method"] ?? "POST";
  const forwarded = under(headers, "upstash-forward-");
  const sent = { ...(body !== "" && { "content-type": headers["content-type"] ?? "application/json" }), ...forwarded };
  const about = under(headers, "upstash-callback-forward-");
  const step = {
    stepId: Number(about["upstash-workflow-stepid"]),
    stepName: about["upstash-workflow-stepname"] ?? "",
    stepType: "Call",
    concurrent: Number(about["upstash-workflow-concurrent"]),
  };
  const pending = beginStep(core, run, step, core.clock.now(), {
    callUrl: destination,
    callMethod: method,
    callHeaders: Object.fromEntries(Object.entries(sent).map(([name, value]) => [canonicalName(name), [value]])),
    ...(body !== "" && { callBody: body }),
  });
  const message = createMessage(core, run, {
    destination,
    body,
    callType: "toCallback",
    info: { ...pending.info, callType: "toCallback" },
    retries: Number(headers["upstash-retries"] ?? 3),
    retryDelay: headers["upstash-retry-delay"],
    flowControl: parseFlowControl(headers["upstash-flow-control-key"], headers["upstash-flow-control-value"]),
  });
  pending.request = message;
  const timeout = headers["upstash-timeout"];
  const request = { url: destination, method, headers: sent, body: body === "" ? undefined : body };
  void performCall(
    core,
    message,
    pending,
    { ...request, timeoutMs: timeout === undefined ? undefined : parseDuration(timeout) },
    {
      url: headers["upstash-callback"] ?? run.url,
      headers: about,
    },
  );
  logRun(core, run);
  return message;
}

interface Callback {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

async function performCall(core: Core, message: Message, pending: Pending, request: Outgoing, callback: Callback) {
  const reply = await ask(core, message, request);
  if (reply === undefined) return;
  const { run } = message;
  const response: WireStep = {
    ...(reply.status !== undefined && { callResponseStatus: reply.status }),
    callResponseBody: reply.body.toString(),
    callResponseHeaders: reply.headers,
  };
  const body = JSON.stringify({
    status: reply.status ?? 0,
    header: reply.headers,
    body: reply.body.toString("base64"),
    retried: message.retried,
    maxRetries: message.retries,
  });
  const back = createMessage(core, run, {
    destination: callback.url,
    body,
    callType: "fromCallback",
    info: { ...pending.info, callType: "fromCallback" },
  });
  pending.response = back;
  Object.assign(pending.info, response); // only the result shows it, not the messages before
  const outcome = await deliver(core, back, {
    request: () => {
      const own = { ...callback.headers, "upstash-message-id": back.id, "upstash-retried": String(back.retried) };
      const { "upstash-workflow-sdk-version": _, ...headers } = deliveryHeaders(core, run, callback.url, body, own);
      return { url: callback.url, method: "POST", headers, body };
    },
    judge: (answer) => (answer.status !== undefined && answer.status < 300 ? "done" : judgeEndpoint(answer)),
  });
  if (outcome?.failed === true) failRun(core, run, back, outcome.reply);
}

/** The answer of the last attempt: after that, whatever it was, it is the call's result. */
async function ask(core: Core, message: Message, request: Outgoing): Promise<Reply | undefined> {
  const isGood = ({ status }: Reply) => status !== undefined && status >= 200 && status < 300;
  const judge = (reply: Reply) => (isGood(reply) || message.retried >= message.retries ? "done" : "retry");
  return (await deliver(core, message, { request: () => request, judge }))?.reply;
}
