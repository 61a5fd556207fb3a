import { expect, test } from "vitest";
import { encodeRun } from "../../src/otlp/encode.ts";
import { mapRun } from "../../src/trace/map-run.ts";
import { ownPlacement } from "../../src/trace/placement.ts";
import { areSurelyWithin, spanBytes } from "../../src/trace/span-size.ts";
import { settingsWith } from "../support/run-builder.ts";
import { SITUATIONS } from "../support/situations.ts";

const settings = settingsWith({ capture: { outputs: true, call_bodies: true, request_headers: ["x-trace"] } });

test.each(Object.entries(SITUATIONS))("an upper bound of the protobuf size, and not twice of it: %s", (_, run) => {
  const mapped = mapRun(run, ownPlacement(run, settings), settings);
  const empty = { ...mapped, resource: {} };
  const encoded = encodeRun(empty, "protobuf", 10_000_000).reduce((sum, chunk) => sum + chunk.bytes.length, 0);
  const bound = empty.spans.reduce((sum, span) => sum + spanBytes(span), 0);
  const envelope = 300; // scope and schema URLs
  expect(bound).toBeGreaterThanOrEqual(encoded - envelope);
  expect(bound).toBeLessThan(encoded * 2);
  expect(areSurelyWithin(empty.spans, bound - 1)).toBe(false);
  expect(areSurelyWithin(empty.spans, bound * 4)).toBe(true);
});

test("it holds for spans of many attributes, events and links", () => {
  const run = SITUATIONS["everything a run can carry"]!;
  const [root] = mapRun(run, ownPlacement(run, settings), settings).spans;
  const attributes = Object.fromEntries(
    Array.from({ length: 500 }, (_, i) => [`k${i}`, [i, "ü".repeat(i), i % 2 === 0, ["a", "b"], 2 ** 53 - 1, -1.5][i % 6]!]),
  );
  const event = { name: "e", time: root!.start, attributes };
  const link = { traceId: root!.traceId, spanId: root!.spanId, traceFlags: 3, traceState: "v=1", isRemote: true, attributes };
  const full = { ...root!, attributes, events: [event, event], links: [link, link] };
  const [chunk] = encodeRun({ resource: {}, spans: [full] }, "protobuf", 10_000_000);
  expect(spanBytes(full)).toBeGreaterThanOrEqual(chunk!.bytes.length - 300);
  expect(spanBytes(full)).toBeLessThan(chunk!.bytes.length * 2);
  expect(areSurelyWithin([full], spanBytes(full) - 1)).toBe(false);
});
