import { expect, test } from "vitest";
import { encodeRun } from "../../src/otlp/encode.ts";
import { mapRun } from "../../src/trace/map-run.ts";
import { ownPlacement } from "../../src/trace/placement.ts";
import { spanBytes } from "../../src/trace/span-size.ts";
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
});
