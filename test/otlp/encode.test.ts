import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type ReceivedSpan, readSpans } from "../../src/fake-upstash/otlp-spans.ts";
import { encodeRun } from "../../src/otlp/encode.ts";
import { hrTime } from "../../src/otlp/numbers.ts";
import { DOUBLE_ATTRIBUTES } from "../../src/trace/attributes.ts";
import type { MappedRun } from "../../src/trace/span.ts";
import { anyRun, DOUBLES, expected, plain, run, runOf, span } from "./spans.ts";

const ENCODINGS = ["protobuf", "json"] as const;

const decode = (given: MappedRun, encoding: "protobuf" | "json", cap?: number) =>
  encodeRun(given, encoding, cap, DOUBLES).flatMap((chunk) => readSpans(chunk.bytes, encoding).spans);

/** As text, because matchers take an attribute named `constructor` for the object's own. */
const exact = (value: unknown) => JSON.stringify(value, (_, inner) => (typeof inner === "bigint" ? `${inner}n` : inner), 1);

/** The order in which one request holds them: by scope, as they came within each. */
const byScope = (given: MappedRun) => [...Map.groupBy(given.spans, (one) => one.scope).values()].flat();

describe.each(ENCODINGS)("encodeRun as %s", (encoding) => {
  it("gives every span back as it went in", () => {
    fc.assert(
      fc.property(anyRun, (given) => {
        const decoded = decode(given, encoding, Number.MAX_SAFE_INTEGER);
        expect(decoded.length).toBe(given.spans.length);
        byScope(given).forEach((one, i) => {
          const wanted = { ...expected(one), resource: plain(given.resource) };
          const got = Object.fromEntries(Object.keys(wanted).map((name) => [name, decoded[i]?.[name as keyof ReceivedSpan]]));
          expect(exact(got)).toBe(exact(wanted));
        });
      }),
    );
  });

  it("writes an attribute declared double as a double, whatever its value, and every other integer as an int", () => {
    fc.assert(
      fc.property(anyRun, (given) => {
        for (const one of decode(given, encoding)) {
          const wire = one.wire as { span: { attributes: { key: string; value: Record<string, unknown> }[] } };
          for (const { key, value } of wire.span.attributes) {
            const sent = one.attributes[key];
            if (typeof sent !== "number" || Math.abs(sent) > 2 ** 45) continue;
            expect([key, Object.keys(value)]).toEqual([key, [DOUBLES.has(key) || !Number.isInteger(sent) ? "doubleValue" : "intValue"]]);
          }
        }
      }),
    );
  });

  it.each([0, -0, 3, -3, 86_400, 0.5, 2 ** 44, 3.0000000000000004])("writes a duration of %s s as a double", (seconds) => {
    const [name = ""] = DOUBLE_ATTRIBUTES;
    const given = run(span({ attributes: { [name]: seconds }, events: [{ name: "e", time: 1, attributes: { [name]: seconds } }] }));
    const [chunk] = encodeRun(given, encoding);
    const [decoded] = readSpans(chunk?.bytes ?? new Uint8Array(), encoding).spans;
    const attributes = [{ key: name, value: { doubleValue: seconds + 0 } }];
    expect(decoded?.wire).toMatchObject({ span: { attributes, events: [{ attributes }] } });
  });

  it("writes an integer that no int64 can hold as a double", () => {
    const [decoded] = decode(run(span({ attributes: { huge: 1e19, low: -1e300 } })), encoding);
    expect(decoded?.wire.span).toMatchObject({
      attributes: [
        { key: "huge", value: { doubleValue: 1e19 } },
        { key: "low", value: { doubleValue: -1e300 } },
      ],
    });
  });

  it("gives the same bytes for the same run", () => {
    fc.assert(
      fc.property(anyRun, (given) => {
        expect(encodeRun(structuredClone(given), encoding, 1_000, DOUBLES)).toEqual(encodeRun(given, encoding, 1_000, DOUBLES));
      }),
    );
  });

  it("cuts a large run into chunks of whole spans, in order, none above the cap", () => {
    const given = runOf(1_000, 1_000);
    const chunks = encodeRun(given, encoding);
    expect(chunks.length).toBeGreaterThan(3);
    expect(chunks.filter((chunk) => chunk.bytes.length > 256 * 1024)).toEqual([]);
    const decoded = chunks.map((chunk) => readSpans(chunk.bytes, encoding));
    expect(decoded.map(({ spans }) => spans.length)).toEqual(chunks.map((chunk) => chunk.spans));
    expect(decoded.flatMap(({ violations }) => violations)).toEqual([]);
    expect(decoded.flatMap(({ spans }) => spans.map((one) => one.spanId))).toEqual(given.spans.map((one) => one.spanId));
  });

  it("keeps every chunk under the cap where spans are of very different sizes", () => {
    fc.assert(
      fc.property(anyRun, fc.integer({ min: 1, max: 5_000 }), (given, cap) => {
        const chunks = encodeRun(given, encoding, cap, DOUBLES);
        expect(chunks.filter((chunk) => chunk.spans > 1 && chunk.bytes.length > cap)).toEqual([]);
        expect(chunks.reduce((sum, chunk) => sum + chunk.spans, 0)).toBe(given.spans.length);
      }),
    );
  });

  it("gives a span that is larger than the cap a chunk of its own", () => {
    const given = run(span({ name: "x".repeat(3_000) }), span({ spanId: "00f067aa0ba902b8" }), span({ spanId: "00f067aa0ba902b9" }));
    const chunks = encodeRun(given, encoding, 2_000);
    expect(chunks.map((chunk) => chunk.spans)).toEqual([1, ...chunks.slice(1).map((chunk) => chunk.spans)]);
    expect(chunks[0]?.bytes.length).toBeGreaterThan(3_000);
  });

  it("has no chunk for a run without spans", () => {
    expect(encodeRun(run(), encoding)).toEqual([]);
  });

  it("puts calls of language models into a scope with a schema URL of its own", () => {
    const decoded = decode(run(span(), span({ spanId: "00f067aa0ba902b8", scope: "gen_ai" })), encoding);
    expect(decoded.map((one) => one.scope)).toEqual([
      { name: "upstash-workflow-otel", version: "1", schemaUrl: "https://opentelemetry.io/schemas/1.44.0" },
      { name: "upstash-workflow-otel.gen_ai", version: "1", schemaUrl: "https://opentelemetry.io/schemas/gen-ai-dev/1.42.0-dev" },
    ]);
  });
});

it("means the same in both encodings", () => {
  fc.assert(
    fc.property(anyRun, (given) => {
      expect(exact(decode(given, "json"))).toBe(exact(decode(given, "protobuf")));
    }),
  );
});

describe("hrTime", () => {
  it("is exact for every whole millisecond up to the year 2286", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 9_999_999_999_999 }), (time) => {
        const [seconds, nanos] = hrTime(time);
        expect(BigInt(seconds) * 1_000_000_000n + BigInt(nanos)).toBe(BigInt(time) * 1_000_000n);
        expect(nanos).toBeLessThan(1e9);
      }),
    );
  });

  it.each([
    [-1, [0, 0]],
    [Number.NaN, [0, 0]],
    [8.64e15, [18_446_744_073, 709_000_000]],
    [Number.POSITIVE_INFINITY, [18_446_744_073, 709_000_000]],
  ])("clamps %s to what the wire can hold", (time, clamped) => {
    expect(hrTime(time)).toEqual(clamped);
  });
});
