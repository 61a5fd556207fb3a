import type { RecordedRequest } from "../fake-upstash/server.ts";
import type { Span } from "../trace/span.ts";
import type { Terminal } from "./terminal.ts";

/** What the demo says before, between and after its traces. Pure: data in, text out. */

export interface Introduction {
  readonly api: string;
  readonly receiver: string;
  readonly pid: number;
  readonly otlp: string | undefined;
  /** Where the runs come from. */
  readonly title: string;
}

export function introduction({ api, receiver, pid, otlp, title }: Introduction, { style }: Terminal): string {
  const line = (name: string, text: string, note: string) => `  ${style("cyan", name.padEnd(14))} ${text.padEnd(34)} ${style("dim", note)}`;
  const yours = otlp === undefined ? [] : [line("your backend", otlp, "gets every trace as well")];
  return [
    "",
    style("bold", "  Upstash Workflow runs as OpenTelemetry traces: the whole way, over real HTTP"),
    "",
    line("fake log API", api, title),
    line("wfotel run", `process ${pid}`, "the real daemon: it polls, maps, stores and delivers"),
    line("OTLP receiver", `${receiver}/v1/traces`, "decodes what arrives; each trace is drawn below"),
    ...yours,
    "",
    style("dim", "  Traces appear as their runs end, for about twenty seconds. Ctrl-C stops."),
    "",
    "",
  ].join("\n");
}

/** One trace: when it came, its waterfall, where to look at it. */
export function traceReport(waterfall: string, sinceStart: number, link: string | undefined, { style, width }: Terminal): string {
  const stamp = ` +${(sinceStart / 1_000).toFixed(1)} s `;
  const rule = style("dim", `──${stamp}${"─".repeat(Math.max(0, width - stamp.length - 2))}`);
  const where = link === undefined ? [] : [`  ${style("cyan", link)}`];
  return [rule, waterfall.trimEnd(), ...where, "", ""].join("\n");
}

/** A span that came after its trace was drawn: a failure function that settled after its run had ended. */
export function lateSpan(span: Span, { style }: Terminal): string {
  const took = ((span.end - span.start) / 1_000).toFixed(1);
  const run = String(span.attributes["upstash.workflow.run.id"] ?? "");
  return `  ${style("yellow", "↳")} ${span.name} of ${run} settled ${took} s after the run: one more span for trace ${span.traceId.slice(0, 8)}…\n\n`;
}

export interface Outcome {
  /** Runs that there are. */
  readonly expected: number;
  readonly spans: readonly Span[];
  /** Spans that came more than once. */
  readonly repeated: number;
  readonly runs: number;
  readonly traces: number;
  readonly complete: boolean;
  readonly requests: readonly RecordedRequest[];
  /** OTLP requests, and how many of them broke a rule of the protocol. */
  readonly deliveries: number;
  readonly refused: number;
  /** How many of them showed the secret that the runs' headers, URLs and bodies hold. */
  readonly leaks: number;
  readonly elapsedMs: number;
  readonly otlp: string | undefined;
  /** It runs in a checkout, where the command is npm's. */
  readonly checkout: boolean;
  /** The user's backend, if any, has everything too. */
  readonly drained: boolean;
}

export function summary(outcome: Outcome, { style, width }: Terminal): string {
  const { expected, runs, traces, spans, requests, deliveries, refused, leaks } = outcome;
  const verdict = outcome.complete ? style("green", "every run arrived") : style("red", missing(outcome));
  const asleep = spans.reduce((longest, span) => (isAsleep(span) && lengthOf(span) > lengthOf(longest) ? span : longest), NOTHING);
  const line = (name: string, text: string) => `  ${style("cyan", name.padEnd(14))} ${text}`;
  return [
    style("dim", "─".repeat(width)),
    line("runs", `${runs} of ${expected}: ${verdict}`),
    line("traces", `${traces}, with ${spans.length} spans${outcome.repeated > 0 ? ` (${outcome.repeated} came twice)` : ""}`),
    line("API requests", `${requests.length} (${(requests.length / Math.max(1, runs)).toFixed(1)} a run): ${byPurpose(requests)}`),
    line("deliveries", `${deliveries} OTLP requests, ${refused === 0 ? "none" : refused} refused`),
    ...(outcome.otlp === undefined ? [] : [line("your backend", backendVerdict(outcome, style))]),
    line(
      "secrets",
      leaks === 0 ? "planted in headers, URLs and bodies: none arrived" : style("red", `${leaks} of the OTLP requests show one`),
    ),
    line("longest sleep", `${days(lengthOf(asleep))} ("${asleep.name}"), drawn short`),
    line("took", `${(outcome.elapsedMs / 1_000).toFixed(1)} s`),
    "",
    ...whatNext(outcome),
    "",
  ].join("\n");
}

function backendVerdict({ drained }: Outcome, style: Terminal["style"]): string {
  return drained ? style("green", "has every trace too") : style("red", "has not everything");
}

function missing({ expected, runs }: Outcome): string {
  return runs < expected ? `${expected - runs} did not arrive` : "a failure function did not arrive";
}

const NOTHING = { name: "none", start: 0, end: 0 };
const lengthOf = (span: { readonly start: number; readonly end: number }) => span.end - span.start;
const isAsleep = (span: Span) => /^(Sleep|Wait)/.test(String(span.attributes["upstash.workflow.step.type"] ?? ""));
const days = (ms: number) => (ms >= 86_400_000 ? `${(ms / 86_400_000).toFixed(1)} days` : `${(ms / 3_600_000).toFixed(1)} h`);

function byPurpose(requests: readonly RecordedRequest[]): string {
  const counts = Map.groupBy(requests, purposeOf);
  return [...counts].map(([purpose, each]) => `${each.length} ${purpose}`).join(", ");
}

function purposeOf({ path, query }: RecordedRequest): string {
  if (query.has("workflowRuns")) return "for runs by name";
  const isGrouped = path.endsWith("/logs") || query.has("groupBy");
  return isGrouped ? "for lists of runs" : "of the message log";
}

/** With `--stay`: how the other commands reach what the demo leaves up. */
export function whileItStays(api: { readonly url: string; readonly token: string }, receiver: string, checkout: boolean): string {
  const command = commandName(checkout);
  return [
    "",
    "  The log API and the receiver stay until Ctrl-C. In another terminal:",
    "",
    `    export QSTASH_URL=${api.url} QSTASH_TOKEN=${api.token} OTEL_EXPORTER_OTLP_ENDPOINT=${receiver}`,
    `    export WFOTEL_STATE="$(mktemp -d)/wfotel.db"`,
    ...["check --connect", "run --once", "status", "verify --from 10d"].map((words) => `    ${command} ${words}`),
    "",
    "",
  ].join("\n");
}

const commandName = (checkout: boolean) => (checkout ? "npm run --silent wfotel --" : "wfotel");

function whatNext({ otlp, checkout }: Outcome): string[] {
  const command = commandName(checkout);
  const local = [`  See them in a real backend (Jaeger, Grafana, …):  ${command} demo --otlp http://127.0.0.1:4318`];
  return [
    ...(otlp === undefined ? local : []),
    `  Trace your own runs:  QSTASH_TOKEN=… OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 ${command} run`,
  ];
}
