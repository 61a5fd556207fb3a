import { describe, expect, test } from "vitest";
import type { Headers, WorkflowRun } from "../../src/model/run.ts";
import { spansOfJson } from "../../src/otlp/decode-json.ts";
import { decodePlacement } from "../../src/pipeline/place.ts";
import { invokeSpanId, runSpanId, traceId } from "../../src/trace/ids.ts";
import { placeAll } from "../../src/trace/place-all.ts";
import type { Placement, Span } from "../../src/trace/span.ts";
import { type Chance, chance } from "../support/chance.ts";
import { type Program, runOf } from "../support/log-api.ts";
import { HOUR, KEEP_ALL, type ReadRig, readRig } from "../support/pipeline.ts";
import { T0 } from "../support/run-builder.ts";

/**
 * Random invocation trees whose runs have callers of every kind and rules of every kind, some of them dropped or
 * gone; seen in any order, with restarts between. What the bridge decided and what it exported is compared with
 * trace-model.md's "Placement", written down here a second time.
 */

const START = T0 + HOUR;
const MINUTE = 60_000;
const MODES = ["link", "join", "ignore"] as const;
const CALLERS = ["sampled", "sampled", "sampled", "unsampled", "invalid", "twice", "none"] as const;

interface Member extends Program {
  readonly url: string;
  readonly mode: (typeof MODES)[number] | "dropped";
  readonly caller: (typeof CALLERS)[number];
  readonly parent?: Member;
  /** The API never shows it. */
  readonly gone: boolean;
}

const hex = (n: number, digits: number) => (n + 1).toString(16).padStart(digits, "c");
const callerTrace = (n: number) => hex(n, 32);
const callerSpan = (n: number) => hex(n, 16);

function headersOf(n: number, caller: Member["caller"]): Headers {
  const parent = (flags: string) => `00-${callerTrace(n)}-${callerSpan(n)}-${flags}`;
  const traceparents = {
    none: [],
    sampled: [parent("01")],
    unsampled: [parent("00")],
    invalid: ["00-x"],
    twice: [parent("01"), parent("01")],
  };
  return { Traceparent: traceparents[caller], Tracestate: [`vendor=${n}`] };
}

const RULES = [
  ...MODES.map((mode) => ({ match: { url: `https://${mode}.example.com/*` }, set: { trace_context: mode } })),
  { match: { url: "https://dropped.example.com/*" }, drop: true },
];

/** Three trees with 24 runs together. A child may be seen long before its parent. */
function forest(luck: Chance, general: (typeof MODES)[number]): Member[] {
  const runs: Member[] = [];
  for (let n = 0; n < 24; n += 1) {
    const parent = n < 3 ? undefined : luck.pick(luck.often(0.3) ? runs.slice(0, 3) : runs);
    const latest = parent === undefined ? 40 * MINUTE : Number(parent.endsAt) - START;
    const from = parent === undefined ? -luck.int(0, HOUR / 2) : luck.int(parent.createdAt + 1 - START, latest - 10);
    const ruled = luck.often(0.1) ? "dropped" : luck.pick(["join", ...MODES, undefined] as const);
    const caller = luck.pick(CALLERS);
    runs.push({
      id: `run${n}`,
      createdAt: START + from,
      endsAt: START + (parent === undefined ? luck.int(30, 40) * MINUTE : luck.int(from + 1, latest)),
      url: `https://${ruled ?? "other"}.example.com/api/orders`,
      mode: ruled ?? general,
      caller,
      headers: headersOf(n, caller),
      gone: luck.often(0.08),
      ...(parent && { parent, invoker: { id: parent.id, createdAt: parent.createdAt } }),
    });
  }
  return runs.map((run) => ({ ...run, invokes: runs.filter(({ parent }) => parent?.id === run.id) }));
}

const own = ({ id, createdAt }: Member) => traceId(id, createdAt);
const invokeOf = (parent: Member, child: Member) => invokeSpanId(parent.id, parent.createdAt, child.id);
const isExported = (run: Member) => !run.gone && run.mode !== "dropped";

/** Where a run lies: trace-model.md, "Placement". */
function expected(run: Member, invokedRuns: "nest" | "link"): { traceId: string; parentSpanId: string | undefined; links: string[] } {
  const n = Number(run.id.slice(3));
  const called = run.mode !== "ignore" && (run.caller === "sampled" || run.caller === "unsampled");
  const callerLinks = called ? [`${callerTrace(n)} ${callerSpan(n)}`] : [];
  const { parent } = run;
  if (parent === undefined) {
    const joins = run.mode === "join" && run.caller === "sampled";
    return joins
      ? { traceId: callerTrace(n), parentSpanId: callerSpan(n), links: [] }
      : { traceId: own(run), parentSpanId: undefined, links: callerLinks };
  }
  const parentTrace = isExported(parent) ? expected(parent, invokedRuns).traceId : own(parent);
  const invoke = invokeOf(parent, run);
  return isExported(parent) && invokedRuns === "nest"
    ? { traceId: parentTrace, parentSpanId: invoke, links: callerLinks }
    : { traceId: own(run), parentSpanId: undefined, links: [`${parentTrace} ${invoke}`, ...callerLinks] };
}

const inShort = ({ traceId, parentSpanId, links }: Placement | Span) => ({
  traceId,
  parentSpanId,
  links: links.map((link) => `${link.traceId} ${link.spanId}`),
});

async function placementOf(rig: ReadRig, run: Member): Promise<Placement> {
  const [record] = await rig.store.findRuns("eu", [run]);
  const found = decodePlacement(run, record?.placement ?? "none", rig.context.settings);
  if (found.kind !== "placed") throw new Error(`${run.id} is nowhere`);
  return found.placement;
}

async function exportedSpans(rig: ReadRig): Promise<Map<string, Span>> {
  const queued = await rig.store.queued("jaeger", "json", 0, Number.POSITIVE_INFINITY);
  const spans = queued.flatMap(({ chunks }) => chunks.flatMap(({ bytes }) => spansOfJson(bytes).flatMap((run) => run.spans)));
  const byId = new Map(spans.map((span) => [`${span.traceId} ${span.spanId}`, span]));
  expect(byId.size).toBe(spans.length);
  return byId;
}

/** All of it, hidden from listings at first by chance, read by one process after the other. */
async function readAll(runs: readonly Member[], luck: Chance, traces: object): Promise<ReadRig> {
  const destinations = KEEP_ALL.map((plan) => ({ ...plan, encoding: "json" as const }));
  const options = { destinations, traces, workflows: RULES };
  const first = await readRig(options);
  let rig = first;
  rig.api.programs.push(...runs.filter(({ gone }) => !gone));
  const hidden = new Set(runs.filter(() => luck.often(0.5)).map(({ id }) => id));
  rig.api.unlisted = ({ id }) => first.clock.monotonic() < 20 * MINUTE && hidden.has(id);
  rig.api.fault = ({ method }) =>
    method === "fetch" && luck.often(0.2) ? { kind: "unavailable", reason: "server_error", message: "HTTP 500" } : undefined;
  for (let n = 0; n < 12; n += 1) {
    await rig.runFor(luck.int(1, 10) * MINUTE);
    rig = await readRig({ ...options, clock: first.clock, api: first.api, store: first.store });
  }
  await rig.runFor(25 * HOUR);
  return rig;
}

describe.each(["nest", "link"] as const)(
  "invoked_runs: %s, callers and rules of every kind, seen in any order with restarts between:",
  (invokedRuns) => {
    test.each(Array.from({ length: 8 }, (_, n) => n))(
      "every run lies where trace-model.md says, and both sides agree, seed %i",
      async (seed) => {
        const luck = chance(seed);
        const general = luck.pick(MODES);
        const runs = forest(luck, general);
        const rig = await readAll(runs, luck, { invoked_runs: invokedRuns, trace_context: general });
        const present = runs.filter(isExported);
        const spans = await exportedSpans(rig);
        const shown = new Map(present.map((run) => [run.id, runOf(run, START + HOUR)]));
        const converted = placeAll([...shown.values()], rig.context.settings);
        for (const run of present) {
          const placement = await placementOf(rig, run);
          const { traceId: trace, ...rest } = expected(run, invokedRuns);
          expect({ run: run.id, ...inShort(placement) }).toEqual({ run: run.id, traceId: trace, ...rest });
          expect(inShort(spans.get(`${trace} ${runSpanId(run.id, run.createdAt)}`) as Span)).toEqual({ traceId: trace, ...rest });
          expect(converted(shown.get(run.id) as WorkflowRun)).toEqual(placement);
          if (run.parent === undefined || !isExported(run.parent)) continue;
          const invoke = invokedRuns === "nest" ? `${trace} ${rest.parentSpanId}` : String(rest.links[0]);
          expect(spans.get(invoke)?.attributes["upstash.workflow.step.invoked.run.id"]).toBe(run.id);
        }
        expect([...spans.values()].filter((span) => span.role === "run")).toHaveLength(present.length);
      },
    );
  },
);
