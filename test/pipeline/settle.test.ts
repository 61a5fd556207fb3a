import pino from "pino";
import { expect, test } from "vitest";
import { firstTraceId } from "../../src/otlp/first-span.ts";
import { traceId } from "../../src/trace/ids.ts";
import { deliverRig } from "../support/pipeline.ts";
import { T0 } from "../support/run-builder.ts";

function listening(level = "info") {
  const lines: { readonly msg: string; readonly links?: readonly string[]; readonly runs?: number }[] = [];
  const log = pino({ level }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  return { log, delivered: () => lines.filter(({ msg }) => msg === "delivered") };
}

test.each(["protobuf", "json"] as const)("the line of a delivery links to the trace (%s)", async (encoding) => {
  const { log, delivered } = listening();
  const rig = await deliverRig({ log, encoding, traceUrl: (id) => `https://jaeger.example.com/trace/${id}` });
  await rig.queue(["r1"]);
  await rig.runFor(10_000);
  expect(delivered()).toMatchObject([{ runs: 1, links: [`https://jaeger.example.com/trace/${traceId("r1", T0)}`] }]);
});

test("a request of many runs links to the first of them", async () => {
  const { log, delivered } = listening();
  const rig = await deliverRig({ log, traceUrl: (id) => id });
  const ids = ["r1", "r2", "r3", "r4", "r5", "r6", "r7"];
  await rig.queue(ids);
  await rig.runFor(10_000);
  expect(delivered()).toMatchObject([{ runs: 7, links: ids.slice(0, 5).map((id) => traceId(id, T0)) }]);
});

test("without a template there are no links", async () => {
  const { log, delivered } = listening();
  const rig = await deliverRig({ log });
  await rig.queue(["r1"]);
  await rig.runFor(10_000);
  expect(delivered()).toHaveLength(1);
  expect(delivered()[0]).not.toHaveProperty("links");
});

test("a request without a span has no trace id", () => {
  expect(firstTraceId(new Uint8Array(), "protobuf")).toBeUndefined();
  expect(firstTraceId(Buffer.from('{"resourceSpans":[]}'), "json")).toBeUndefined();
});
