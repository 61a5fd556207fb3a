import pino from "pino";
import { expect, test } from "vitest";
import { encodeRun } from "../../src/otlp/encode.ts";
import { firstTraceId } from "../../src/otlp/first-span.ts";
import type { Settled } from "../../src/telemetry/observation.ts";
import { traceId } from "../../src/trace/ids.ts";
import { mapFailureFunction } from "../../src/trace/map-failure.ts";
import { ownPlacement } from "../../src/trace/placement.ts";
import { type DeliverRig, deliverRig } from "../support/pipeline.ts";
import { aRun, settingsWith, T0 } from "../support/run-builder.ts";

function listening(level = "info") {
  const lines: { readonly msg: string; readonly links?: readonly string[]; readonly runs?: number; readonly failureFunctions?: number }[] =
    [];
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

/** As it follows a run that was delivered before it settled. */
async function queueFailure({ store, backend }: DeliverRig, id: string): Promise<void> {
  const settings = settingsWith();
  const run = aRun(900, [], { id, state: "RUN_FAILED", failureFunction: { state: "CALLBACK_SUCCESS", errors: [] } });
  const mapped = mapFailureFunction(run, ownPlacement(run, settings), settings);
  const times = { firstEnd: T0 + 900, lastEnd: T0 + 900, spans: 1 };
  const deliveries = [{ destination: backend.destination.name, encoding: "protobuf" as const }];
  const payloads = [{ encoding: "protobuf" as const, chunks: encodeRun(mapped, "protobuf") }];
  await store.commit({ source: "eu", runs: [{ key: run, phase: "done", parts: [{ part: 1, payloads, ...times, deliveries }] }] });
}

test("a failure function that follows its run is not another run: neither in the log, nor in the counters, nor in the metrics", async () => {
  const { log, delivered } = listening();
  const settled: Settled[] = [];
  const rig = await deliverRig({ log, observer: { settled: (_, one) => void settled.push(one) } });
  await rig.queue(["r1", "r2"]);
  await queueFailure(rig, "r1");
  await rig.runFor(10_000);
  await queueFailure(rig, "r2");
  await rig.runFor(10_000);
  expect(delivered()).toMatchObject([
    { runs: 2, failureFunctions: 1, spans: 5 },
    { runs: 0, failureFunctions: 1, spans: 1 },
  ]);
  expect(settled.map(({ delays }) => delays.length)).toEqual([2, 0]);
  expect((await rig.store.status(0)).destinations[0]?.counts).toMatchObject({ delivered: 2, spans: 6 });
  expect(rig.deliverer.snapshot().delivered).toBe(2);
});
