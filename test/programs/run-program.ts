import { setTimeout as wait } from "node:timers/promises";
import { Client } from "@upstash/workflow";
import { serveMany } from "@upstash/workflow/cloudflare";
import type { Millis } from "../../src/fake-upstash/wire.ts";
import type { Engine } from "../engine/engine.ts";
import type { SigningKeys } from "../engine/signature.ts";
import { type HttpServer, serveHttp } from "./http-server.ts";
import type { Program, ThirdAnswer, World } from "./program.ts";
import { createTruthBook, FAILURE_FUNCTION, type TruthBook, type TruthRecord } from "./truth-book.ts";

export interface ProgramRun {
  readonly runId: string;
  readonly createdAt: Millis;
  /** Of this run and of those that it invoked, in the order of their starts. */
  readonly truth: readonly TruthRecord[];
  /** Requests that the app got. */
  readonly deliveries: number;
}

/** What a program's app, and the people around it, have of an engine. */
export interface Surroundings {
  readonly url: string;
  readonly token: string;
  readonly signingKeys?: SigningKeys | undefined;
  /** Engine time. */
  now(): Millis;
  /** Does something after a while of engine time, as work. */
  after<T>(ms: Millis, work: () => Promise<T>): Promise<T>;
  /** From now on the engine finds that public host at that address. */
  stand(host: string, address: string): void;
}

/** A program whose app is up. */
export interface OpenedProgram {
  /** Triggers it; work. Returns the run's id. */
  start(): Promise<string>;
  /** Resolves when everybody outside has done what they do. */
  acted(): Promise<void>;
  /** What was seen, to be asked for when the engine is idle. */
  seen(): Promise<Pick<ProgramRun, "truth" | "deliveries">>;
  close(): Promise<void>;
}

/** Runs a program to its end in this thread. */
export async function runProgram(engine: Engine, program: Program): Promise<ProgramRun> {
  const { url, token, signingKeys, now, hosts, clock } = engine;
  const stand = (host: string, address: string) => void hosts.set(host, address);
  const opened = await openProgram({ url, token, signingKeys, now, after: clock.after, stand }, program);
  try {
    return await runOpened(engine, program.name, opened);
  } finally {
    await opened.close();
  }
}

export async function runOpened(engine: Engine, name: string, { start, acted, seen }: Omit<OpenedProgram, "close">): Promise<ProgramRun> {
  const runId = await engine.clock.hold(start);
  await acted();
  await engine.idle();
  const run = engine.store.allRuns().find((each) => each.workflowRunId === runId);
  if (run === undefined) throw new Error(`${name} left no run ${runId}`);
  return { runId, createdAt: run.workflowRunCreatedAt, ...(await seen()) };
}

/**
 * The app and the third party it calls are HTTP servers of their own, the SDK is what everybody installs, and the
 * engine sees nothing but its requests.
 */
export async function openProgram(around: Surroundings, program: Program): Promise<OpenedProgram> {
  const book = createTruthBook(around.now);
  const third = await serveHttp(answererOf(program, book), around.now);
  const app = await startApp(around, program, (appUrl) => createWorld(around, book, appUrl, third.url));
  for (const host of Object.keys(program.thirdParties ?? {})) around.stand(host, third.url);
  return {
    start: () => start(app, program),
    acted: async () => void (await app.acting),
    seen: async () => ({ truth: book.records.toSorted((a, b) => a.start - b.start), deliveries: app.requests }),
    close: async () => void (await Promise.all([app.server.close(), third.close()])),
  };
}

interface App {
  readonly server: HttpServer;
  readonly world: World;
  readonly first: string;
  requests: number;
  /** What somebody outside does. */
  acting?: Promise<unknown>;
}

async function startApp(around: Surroundings, program: Program, worldAt: (appUrl: string) => World): Promise<App> {
  let handle: (request: Request) => Promise<Response>;
  const server = await serveHttp((request) => handle(request), around.now);
  const { publicUrl } = program;
  const world = worldAt(publicUrl ?? `${server.url}/wf`);
  if (publicUrl !== undefined) around.stand(new URL(publicUrl).hostname, server.url);
  const workflows = program.workflows(world);
  const served = serveMany(workflows);
  const app: App = { server, world, first: Object.keys(workflows)[0] ?? "", requests: 0 };
  const env = environmentOf(around, publicUrl);
  handle = (request) => {
    app.requests++;
    return served.fetch(request, env);
  };
  return app;
}

/** What an app on this engine has in its environment. */
function environmentOf({ url, token, signingKeys }: Surroundings, publicUrl: string | undefined): Record<string, string | undefined> {
  return {
    ...(publicUrl !== undefined && { UPSTASH_WORKFLOW_URL: new URL(publicUrl).origin }),
    QSTASH_URL: url,
    QSTASH_TOKEN: token,
    QSTASH_CURRENT_SIGNING_KEY: signingKeys?.current,
    QSTASH_NEXT_SIGNING_KEY: signingKeys?.next,
  };
}

async function start(app: App, program: Program): Promise<string> {
  const { world } = app;
  const url = world.url(app.first);
  const options = program.trigger?.(world) ?? {};
  const { workflowRunId } = program.direct === true ? await startDirectly(url, options) : await world.client.trigger({ url, ...options });
  app.acting = program.outside?.(world, workflowRunId);
  return workflowRunId;
}

async function startDirectly(url: string, { body, headers }: { body?: unknown; headers?: Record<string, string> }) {
  const text = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
  const response = await fetch(url, { method: "POST", ...(text !== undefined && { body: text }), ...(headers && { headers }) });
  return (await response.json()) as { workflowRunId: string };
}

export function clientOf(engine: Pick<Engine, "url" | "token">): Client {
  return new Client({ baseUrl: engine.url, token: engine.token, retry: false, enableTelemetry: false });
}

function createWorld(around: Surroundings, book: TruthBook, appUrl: string, thirdUrl: string): World {
  return {
    client: clientOf(around),
    now: around.now,
    url: (workflow) => `${appUrl}/${workflow}`,
    run: (context, step, ms, result) =>
      context.run(step, () =>
        book.observe({ runId: context.workflowRunId, step, kind: "function" }, async (attempt) => {
          await wait(ms);
          return result?.(attempt) as never; // without one, T is undefined
        }),
      ) as never,
    told: (runId, ms) => book.observe({ runId, step: FAILURE_FUNCTION, kind: "function" }, () => wait(ms)),
    third: (context, step, answer) => {
      const query = Object.entries({ run: context.workflowRunId, step, ...answer }).map(([name, value]): [string, string] => [
        name,
        String(value),
      ]);
      return `${thirdUrl}/?${new URLSearchParams(query)}`;
    },
    after: (about, ms, act) => around.after(ms, () => book.observe({ ...about, kind: "outside" }, act)),
  };
}

/** A program's third parties by their hosts, and the one that does as it is asked. */
function answererOf({ thirdParties = {} }: Program, book: TruthBook): (request: Request) => Promise<Response> {
  const asked = new Map<string, number>();
  return (request) => {
    const named = thirdParties[new URL(request.url).hostname];
    if (named === undefined) return answerAsThird(book, request);
    const attempt = (asked.get(request.url) ?? 0) + 1;
    asked.set(request.url, attempt);
    return named(request, attempt);
  };
}

/** Does what its URL says (see `third`), and writes down when. */
function answerAsThird(book: TruthBook, request: Request): Promise<Response> {
  const query = new URL(request.url).searchParams;
  const number = (name: keyof ThirdAnswer, otherwise: number) => Number(query.get(name) ?? otherwise);
  const about = { runId: query.get("run") ?? "", step: query.get("step") ?? "", kind: "request" } as const;
  return book.observe(about, async (attempt) => {
    await wait(number("ms", 0));
    const status = attempt <= number("failures", 0) ? 500 : number("status", 200);
    return Response.json({ status, said: "“ü”", asked: request.method }, { status });
  });
}
