import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { type OtlpReceiver, startOtlpReceiver } from "../fake-upstash/otlp-receiver.ts";
import { PLANTED_SECRET } from "../fake-upstash/recording/secret.ts";
import { recordedStage, type Stage } from "../fake-upstash/recording/stage.ts";
import { startFakeUpstash } from "../fake-upstash/server.ts";
import type { Span } from "../trace/span.ts";
import { waterfall } from "../trace/waterfall.ts";
import { parseCommand } from "./arguments.ts";
import { type DemoDaemon, startDaemon } from "./demo-daemon.ts";
import { introduction, lateSpan, type Outcome, summary, traceReport, whileItStays } from "./demo-report.ts";
import { type ArrivedSpan, toSpan } from "./demo-span.ts";
import { CommandError, type CommandIo, EXIT } from "./io.ts";
import { type Terminal, terminalOf } from "./terminal.ts";

/** The demo gives up waiting after this long (ms); it is usually over ten seconds earlier. */
const DEADLINE = 27_000;
const LOOK_INTERVAL = 100;
/** How long a backend may take to show that it is there (ms). */
const BACKEND_TIMEOUT = 5_000;
/** So long after it happened the log API shows what did (ms): clocks of several engines that differ by less agree. */
const LAG_MS = 1_000;

/**
 * The whole product on one screen: a fake log API, the real daemon as a process of its own, and a receiver that
 * draws each trace as it arrives. Needs no network and leaves nothing behind. Its runs are recorded, or those of
 * the stage that `open` opens.
 */
export async function demo(argv: readonly string[], io: CommandIo, open: (now: number) => Stage = recordedStage): Promise<number> {
  const { values } = parseCommand(argv, { otlp: { type: "string" }, stay: { type: "boolean" } }, { min: 0, max: 0 });
  const otlp = backendUrl(values.otlp);
  if (otlp !== undefined) await mustAnswer(otlp, io.signal);
  const terminal = terminalOf(io);
  const startedAt = Date.now();
  const stage = open(startedAt);
  const fake = await startFakeUpstash({ store: stage.store, lagMs: LAG_MS });
  const receiver = await startOtlpReceiver();
  const daemon = startDaemon({ api: fake, receiver: receiver.url, otlp }, io.env);
  try {
    io.stdout.write(introduction({ api: fake.url, receiver: receiver.url, pid: daemon.pid, otlp, title: stage.title }, terminal));
    const watched = await watch({ receiver, daemon, stage, io, terminal, startedAt, otlp });
    const endedWith = daemon.exitCode();
    await daemon.stop();
    if (io.signal.aborted) return EXIT.done;
    if (endedWith !== undefined) throw new CommandError(`the daemon ended by itself with exit code ${endedWith}`, EXIT.incomplete);
    const drained = otlp === undefined || (await daemon.drain()); // the user's backend may be slower than we are
    const elapsedMs = Date.now() - startedAt;
    const outcome = { ...watched, ...traffic(receiver), requests: fake.requests, elapsedMs, otlp, drained, checkout: isCheckout() };
    io.stdout.write(summary(outcome, terminal));
    if (values.stay === true) {
      io.stdout.write(whileItStays(fake, receiver.url, isCheckout()));
      if (!io.signal.aborted) await once(io.signal, "abort");
    }
    return outcome.complete && drained && outcome.leaks === 0 ? EXIT.done : EXIT.incomplete;
  } finally {
    await daemon.clear();
    await receiver.close();
    await fake.close();
    await stage.close();
    for (const line of daemon.log) io.stderr.write(`wfotel run: ${line}\n`);
  }
}

const isCheckout = () => import.meta.filename.endsWith(".ts"); // else it is the bundle

function traffic({ requests, violations }: OtlpReceiver): Pick<Outcome, "deliveries" | "refused" | "leaks"> {
  const leaks = requests.filter(({ body }) => Buffer.from(body).includes(PLANTED_SECRET)).length;
  return { deliveries: requests.length, refused: violations.length, leaks };
}

function backendUrl(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new CommandError("--otlp: an http:// or https:// URL, such as http://127.0.0.1:4318");
  return text.replace(/\/+$/, "");
}

/** Whatever it answers to a request without spans: half a minute later, links to traces that are nowhere would be worse than no demo. */
async function mustAnswer(otlp: string, signal: AbortSignal): Promise<void> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(BACKEND_TIMEOUT)]);
  const headers = { "content-type": "application/x-protobuf" };
  await fetch(`${otlp}/v1/traces`, { method: "POST", headers, body: new Uint8Array(), signal: limit }).catch((error: unknown) => {
    if (signal.aborted) return;
    const why = error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error);
    throw new CommandError(`--otlp: nothing answers at ${otlp} (${why}); start your backend first`, EXIT.incomplete);
  });
}

interface Watch {
  readonly receiver: OtlpReceiver;
  readonly daemon: DemoDaemon;
  readonly stage: Stage;
  readonly io: CommandIo;
  readonly terminal: Terminal;
  readonly startedAt: number;
  readonly otlp: string | undefined;
}

type Watched = Pick<Outcome, "expected" | "spans" | "repeated" | "runs" | "traces" | "complete">;

/** Draws each trace once its root is there, and what comes later for it; until all came, or time is up. */
async function watch(watching: Watch): Promise<Watched> {
  const { receiver, daemon, stage, io, startedAt } = watching;
  const drawn = new Set<string>();
  for (;;) {
    const spans = distinct(receiver);
    drawNew(spans, drawn, watching);
    const runs = count(spans, "run");
    const logged = stage.store.allRuns();
    const expected = logged.length;
    const failureFunctions = logged.filter((run) => run.failureFunction !== undefined).length;
    const complete = stage.isOver() && runs === expected && count(spans, "failure") === failureFunctions;
    const traces = new Set(spans.map((span) => span.traceId)).size;
    const isOver = io.signal.aborted || daemon.exitCode() !== undefined || Date.now() - startedAt > DEADLINE;
    if (complete || isOver) return { expected, spans, repeated: receiver.spans.length - spans.length, runs, traces, complete };
    await sleep(LOOK_INTERVAL, undefined, { signal: io.signal }).catch(() => {}); // aborted: seen above
  }
}

/** At least once is the promise: what came twice is one span. */
function distinct(receiver: OtlpReceiver): ArrivedSpan[] {
  const byId = new Map(receiver.spans.map((span) => [span.traceId + span.spanId, span]));
  return [...byId.values()].map(toSpan);
}

const count = (spans: readonly Span[], role: Span["role"]) => spans.filter((span) => span.role === role).length;

function drawNew(spans: readonly ArrivedSpan[], drawn: Set<string>, { io, terminal, startedAt, otlp }: Watch): void {
  for (const [traceId, trace] of Map.groupBy(spans, (span) => span.traceId)) {
    const isNew = trace.filter((span) => !drawn.has(span.spanId));
    if (isNew.length === 0 || !isWhole(trace)) continue;
    const isFirst = isNew.length === trace.length;
    if (isFirst)
      io.stdout.write(traceReport(waterfall(trace.map(alone), terminal), Date.now() - startedAt, linkTo(traceId, otlp), terminal));
    else for (const span of isNew) io.stdout.write(lateSpan(span, terminal));
    for (const span of trace) drawn.add(span.spanId);
  }
}

const alone = (span: ArrivedSpan) => ({ resource: span.resource, spans: [span] });

/** The root is there, and every run that was invoked. */
function isWhole(trace: readonly Span[]): boolean {
  const parents = new Set(trace.filter((span) => span.role === "run").map((span) => span.parentSpanId));
  const invoked = trace.filter((span) => span.attributes["upstash.workflow.step.type"] === "Invoke");
  return parents.has(undefined) && invoked.every((span) => parents.has(span.spanId));
}

/** Jaeger's and the all-in-one images' usual ports; for other backends the trace id is in the waterfall. */
function linkTo(traceId: string, otlp: string | undefined): string | undefined {
  const url = otlp === undefined ? null : URL.parse(otlp);
  return url?.port === "4318" ? `http://${url.hostname}:16686/trace/${traceId}` : undefined;
}
