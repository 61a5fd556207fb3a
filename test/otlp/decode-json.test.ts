import fc from "fast-check";
import { expect, it } from "vitest";
import { spansOfJson } from "../../src/otlp/decode-json.ts";
import { encodeRun, joinChunks } from "../../src/otlp/encode.ts";
import type { MappedRun, Span } from "../../src/trace/span.ts";
import { anyRun, run, span } from "./spans.ts";

const request = (...runs: MappedRun[]) =>
  joinChunks(
    runs.flatMap((one) => encodeRun(one, "json", 1_000).map((chunk) => chunk.bytes)),
    "json",
  );

const RUN_ID = "upstash.workflow.run.id";
const child = (over: Partial<Span>) => span({ parentSpanId: "00f067aa0ba902b7", attributes: { [RUN_ID]: "wfr_1" }, ...over });
const root = span({ attributes: { [RUN_ID]: "wfr_1", "upstash.workflow.run.state": "RUN_SUCCESS" } });

it("gives back the spans that were encoded", () => {
  fc.assert(
    fc.property(anyRun, (given) => {
      const mine = given.spans.map((one) => ({
        ...one,
        attributes: { ...one.attributes, [RUN_ID]: "wfr_1" },
        traceId: span().traceId,
        role: "step",
      }));
      const byId = (spans: readonly Span[]) => spans.map((one) => JSON.stringify({ ...one, role: "step" }, Object.keys(one).sort())).sort();
      const decoded = spansOfJson(request({ resource: given.resource, spans: mine as Span[] })).flatMap(({ spans }) => spans);
      const local = mine.map((one) => ({ ...one, parentIsRemote: "parentSpanId" in one && one.parentIsRemote }) as Span);
      expect(byId(decoded)).toEqual(byId(local));
    }),
  );
});

it("keeps the spans of each run together, over chunks and between the runs of a request", () => {
  const first = run(root, ...Array.from({ length: 9 }, (_, i) => child({ spanId: `00f067aa0ba90${200 + i}` })));
  const second = run(span({ attributes: { [RUN_ID]: "wfr_2" } }));
  const runs = spansOfJson(request(first, second));
  expect(runs.map(({ resource, spans }) => [resource, spans.length])).toEqual([
    [{ "service.name": "shop" }, 10],
    [{ "service.name": "shop" }, 1],
  ]);
});

it("tells from a span's attributes what it is", () => {
  const spans = [
    root,
    child({ attributes: { [RUN_ID]: "wfr_1", "upstash.workflow.step.type": "Run" } }),
    child({ name: "attempt 2" }),
    child({ name: "start delay" }),
    child({ name: "charge" }),
    child({ attributes: { [RUN_ID]: "wfr_1", "upstash.workflow.failure.state": "CALLBACK_SUCCESS" } }),
    span({ attributes: { [RUN_ID]: "wfr_1" } }),
  ];
  expect(spansOfJson(request(run(...spans))).flatMap((one) => one.spans.map(({ role }) => role))).toEqual([
    "run",
    "step",
    "part",
    "delay",
    "delivery",
    "failure",
    "continuation",
  ]);
});
