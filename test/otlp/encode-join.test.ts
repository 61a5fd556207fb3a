import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readSpans } from "../../src/fake-upstash/otlp-spans.ts";
import { encodeRun, joinChunks, joinedSize, splitChunk } from "../../src/otlp/encode.ts";
import { anyRun, DOUBLES, runOf } from "./spans.ts";

const anyRuns = fc.array(anyRun, { maxLength: 4 });

describe.each(["protobuf", "json"] as const)("%s", (encoding) => {
  const wires = (bytes: Uint8Array) => readSpans(bytes, encoding).spans.map((span) => span.wire);

  it("joined chunks are one request with the spans of all, of the size foretold", () => {
    fc.assert(
      fc.property(anyRuns, fc.integer({ min: 100, max: 3_000 }), (runs, cap) => {
        const chunks = runs.flatMap((run) => encodeRun(run, encoding, cap, DOUBLES)).map((chunk) => chunk.bytes);
        const joined = joinChunks(chunks, encoding);
        expect(wires(joined)).toEqual(chunks.flatMap(wires));
        expect(
          joinedSize(
            chunks.map((chunk) => chunk.length),
            encoding,
          ),
        ).toBe(joined.length);
      }),
    );
  });

  it("a request splits into one request a span, each as it was", () => {
    fc.assert(
      fc.property(anyRuns, (runs) => {
        const chunks = runs.flatMap((run) => encodeRun(run, encoding, undefined, DOUBLES)).map((chunk) => chunk.bytes);
        const joined = joinChunks(chunks, encoding);
        const split = splitChunk(joined, encoding);
        expect(split.map((one) => [one.spans, wires(one.bytes)])).toEqual(wires(joined).map((wire) => [1, [wire]]));
      }),
    );
  });

  it("the one span of a run splits into the bytes it had", () => {
    const [chunk] = encodeRun(runOf(1), encoding);
    expect(splitChunk(chunk?.bytes ?? new Uint8Array(), encoding).map((one) => Buffer.from(one.bytes))).toEqual([
      Buffer.from(chunk?.bytes ?? ""),
    ]);
  });

  it("bytes that are no request are refused by splitting", () => {
    expect(() => splitChunk(Buffer.from("<html>"), encoding)).toThrow(SyntaxError);
  });
});
