import type { IncomingMessage } from "node:http";
import { type Core, Refused } from "./core.ts";
import { listDead, restart, resume } from "./dead-letters.ts";
import { endRun } from "./ending.ts";
import { canonicalHeaders } from "./exchange.ts";
import { repeatFailure } from "./failure.ts";
import { type EngineRun, hasEnded } from "./run.ts";
import { rawEntry } from "./steps.ts";
import { liveRun, submit } from "./submit.ts";
import { beginWait, notify, type WaitRequest, waitersOf } from "./wait.ts";

/** A request as the routes see it. */
export interface ApiRequest {
  readonly method: string;
  /** Path segments after `/v2/`, decoded. */
  readonly path: readonly string[];
  /** Path and query after `/v2/`, as they came. */
  readonly target: string;
  readonly query: URLSearchParams;
  readonly body: string;
  readonly incoming: IncomingMessage;
}

/** JSON to answer with 200. Undefined: not a route of the publishing side. */
export type RouteAnswer = { readonly json: unknown } | undefined;

export function answerPublishing(core: Core, request: ApiRequest): RouteAnswer {
  const { method, path } = request;
  const [first, second, third] = path;
  if (first === "workflows" && second === "hooks") return { json: webhook(core, request) };
  if (method === "POST" && first === "batch") return { json: batch(core, request) };
  if (method === "POST" && first === "publish") return { json: publish(core, request) };
  if (method === "POST" && first === "wait") return { json: wait(core, request) };
  if (method === "POST" && first === "notify") return { json: notifyRoute(core, request) };
  if (method === "GET" && first === "waiters") return { json: waitersOf(core, path.slice(1).join("/")) };
  if (first === "dlq" && method === "GET") return { json: { messages: listDead(core), cursor: "" } };
  if (first !== "workflows") return undefined;
  if (second === "dlq") return { json: deadLetters(core, request) };
  if (second === "runs" && third === undefined && method === "DELETE") return { json: cancelMany(core, request.query) };
  if (second === "runs" && third !== undefined) return { json: oneRun(core, request, path.slice(2).join("/")) };
  return undefined;
}

const callerOf = ({ incoming }: ApiRequest) => incoming.socket.remoteAddress;

const headersOf = ({ headers }: IncomingMessage) =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));

interface BatchItem {
  readonly destination: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** A call's body may be any JSON: what is not text is sent as its JSON text. */
  readonly body?: unknown;
}

function batch(core: Core, request: ApiRequest): unknown {
  const items = JSON.parse(request.body) as BatchItem[];
  return items.map(({ destination, headers = {}, body = "" }) => {
    const lower = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
    return submit(core, { destination, headers: lower, body: typeof body === "string" ? body : JSON.stringify(body) }, callerOf(request));
  });
}

function publish(core: Core, request: ApiRequest): unknown {
  const destination = request.target.slice("publish/".length);
  return submit(core, { destination, headers: headersOf(request.incoming), body: request.body }, callerOf(request));
}

function wait(core: Core, { path, body, incoming }: ApiRequest): unknown {
  const run = liveRun(core, headersOf(incoming)["upstash-workflow-runid"]);
  beginWait(core, run, path.slice(1).join("/"), JSON.parse(body) as WaitRequest);
  return {};
}

/** `/v2/notify/[{run}/]{event}`; an event's id may have slashes, and a run's id is known. */
function notifyRoute(core: Core, { path, body }: ApiRequest): unknown {
  const [, first = "", ...rest] = path;
  const run = rest.length > 0 ? core.runs.get(first) : undefined;
  return notify(core, run === undefined ? path.slice(1).join("/") : rest.join("/"), body, run);
}

/** `/v2/workflows/hooks/{user}/{run}/{event}`: the request itself is the event. */
function webhook(core: Core, { path, body, method, target, incoming }: ApiRequest): unknown {
  const [, , , runId = "", ...event] = path;
  const { host = "" } = incoming.headers;
  const header = canonicalHeaders(incoming);
  const data = { method, proto: "http", host, url: `/v2/${target}`, header, body: Buffer.from(body).toString("base64") };
  const run = core.runs.get(runId);
  if (run === undefined || hasEnded(run)) throw new Refused(404, `workflow run ${runId} is over`);
  return notify(core, event.join("/"), JSON.stringify(data), run) ?? [];
}

function oneRun(core: Core, { method, query, body }: ApiRequest, id: string): unknown {
  const run = core.runs.get(id);
  if (run === undefined || hasEnded(run)) throw new Refused(404, `workflow run ${id} not found`);
  if (method === "GET") return run.entries.map(rawEntry);
  if (method !== "DELETE") throw new Refused(405, "method not allowed");
  if (query.get("cancel") === "true") endRun(core, run, "RUN_CANCELED");
  else endRun(core, run, "RUN_SUCCESS", body === "" ? {} : { response: body });
  return {};
}

const MOST = 100;

/** client.cancel: by ids, by URL (a prefix, or exactly) and by label. */
function cancelMany(core: Core, query: URLSearchParams): unknown {
  const ids = query.getAll("workflowRunIds");
  const labels = query.getAll("label");
  const url = query.get("workflowUrl");
  const isExact = query.get("workflowUrlExactMatch") === "true";
  const isMeant = (run: EngineRun) =>
    (ids.length === 0 || ids.includes(run.id)) &&
    (labels.length === 0 || labels.some((label) => run.terms.labels.includes(label))) &&
    (url === null || (isExact ? run.url === url : run.url.startsWith(url)));
  const meant = [...core.runs.values()].filter((run) => !hasEnded(run) && isMeant(run)).slice(0, Number(query.get("count") ?? MOST));
  for (const run of meant) endRun(core, run, "RUN_CANCELED");
  return { cancelled: meant.length };
}

function deadLetters(core: Core, { method, path, query }: ApiRequest): unknown {
  const [, , action, callbackOf] = path;
  const ids = query.getAll("dlqIds");
  const chosen = [...core.dead].filter(
    ([dlqId]) => (ids.length === 0 && callbackOf === undefined) || ids.includes(dlqId) || dlqId === callbackOf,
  );
  if (chosen.length === 0) throw new Refused(404, "no such dlq entry");
  if (method === "DELETE") {
    for (const [dlqId] of chosen) core.dead.delete(dlqId);
    return { deleted: chosen.length };
  }
  const runs = chosen.map(([dlqId, run]) => {
    if (action === "callback") return { run, created: repeatFailure(core, run) };
    core.dead.delete(dlqId);
    return { run, created: action === "resume" ? resume(core, run) : restart(core, run) };
  });
  if (action === "callback") return { workflowRunId: runs[0]?.run.id, workflowCreatedAt: runs[0]?.run.createdAt };
  return { workflowRuns: runs.map(({ created }) => created) };
}
