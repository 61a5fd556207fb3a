import fc from "fast-check";
import { expect, test } from "vitest";
import { readSpans } from "../../src/fake-upstash/otlp-spans.ts";
import { encodeRun, joinChunks } from "../../src/otlp/encode.ts";
import { transcode } from "../../src/otlp/transcode.ts";
import { mapRun } from "../../src/trace/map-run.ts";
import { ownPlacement } from "../../src/trace/placement.ts";
import { arbitraryRun } from "../support/arbitrary-run.ts";
import "../support/property-seed.ts";
import { aRun, settingsWith } from "../support/run-builder.ts";

const settings = settingsWith({ capture: { outputs: true, call_bodies: true } });

function bytesOf(run: Parameters<typeof mapRun>[0], encoding: "json" | "protobuf"): Uint8Array {
  const chunks = encodeRun(mapRun(run, ownPlacement(run, settings), settings), encoding);
  return joinChunks(
    chunks.map((chunk) => chunk.bytes),
    encoding,
  );
}

test("whatever run it is, it decodes to the same spans in either encoding, and joins with requests that were made there", () => {
  fc.assert(
    fc.property(arbitraryRun, (run) => {
      for (const [from, to] of [
        ["json", "protobuf"],
        ["protobuf", "json"],
      ] as const) {
        const moved = transcode(bytesOf(run, from), from, to);
        const native = bytesOf(run, to);
        expect(readSpans(moved, to).spans.map((span) => span.wire)).toEqual(readSpans(native, to).spans.map((span) => span.wire));
        expect(readSpans(joinChunks([moved, native], to), to).spans).toHaveLength(2 * readSpans(native, to).spans.length);
      }
    }),
    { numRuns: 60 },
  );
});

test("the encoding it has already is left alone, byte for byte", () => {
  const bytes = bytesOf(aRun(10, []), "protobuf");
  expect(transcode(bytes, "protobuf", "protobuf")).toBe(bytes);
});
