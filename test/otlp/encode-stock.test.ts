import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeRun } from "../../src/otlp/encode.ts";
import { ATTRIBUTES, DOUBLE_ATTRIBUTES } from "../../src/trace/attributes.ts";
import { mapRun } from "../../src/trace/map-run.ts";
import { ownPlacement } from "../../src/trace/placement.ts";
import type { MappedRun } from "../../src/trace/span.ts";
import { arbitraryRun } from "../support/arbitrary-run.ts";
import { loadedModules } from "../support/loaded-modules.ts";
import "../support/property-seed.ts";
import { settingsWith } from "../support/run-builder.ts";
import { SITUATIONS } from "../support/situations.ts";
import { DOUBLES, run, runOf, runsWith, span } from "./spans.ts";
import { stockRequest } from "./stock-request.ts";

/** Where the number of bytes of a length or of a value changes, and the ways of writing it. */
const LENGTHS = [79, 80, 81, 127, 128, 129, 16_383, 16_384, 70_000];
const EDGES = [7, 8, 14, 16, 31, 32, 44, 45, 52, 53, 56, 62, 63, 64].flatMap((bits) => [2 ** bits - 1, 2 ** bits, 2 ** bits + 1]);
const MORE_EDGES = [-0, 2 ** 63 - 1_024, -(2 ** 63) - 2_048, 2 ** 45 + 256, 1e19, 1e300, 5e-324, Number.POSITIVE_INFINITY, Number.NaN];

const codeUnit = fc.integer({ min: 0, max: 0xffff }).map((unit) => String.fromCharCode(unit));
const long = fc.tuple(fc.constantFrom("x", "ü", "€", "😀", "\ud800"), fc.constantFrom(...LENGTHS));
const text = fc.oneof(
  { weight: 8, arbitrary: fc.string({ unit: "grapheme" }) },
  { weight: 4, arbitrary: fc.string({ unit: codeUnit }) },
  { weight: 1, arbitrary: long.map(([unit, length]) => unit.repeat(length)) },
);
const number = fc.oneof(
  fc.integer(),
  fc.maxSafeInteger(),
  fc.double(),
  fc.tuple(fc.constantFrom(...EDGES, ...MORE_EDGES), fc.constantFrom(1, -1)).map(([value, sign]) => value * sign),
);
const millis = fc.oneof(fc.nat(), fc.integer({ min: 1_700_000_000_000, max: 1_800_000_000_000 }), fc.double());
const ownNames = fc.constantFrom(...Object.values(ATTRIBUTES).map(({ name }) => name));
const wildRun = runsWith({ text, name: fc.oneof(text, ownNames), integer: number, number, millis });

const WHOLE = Number.MAX_SAFE_INTEGER;

describe.each(["protobuf", "json"] as const)("as %s, the bytes of OpenTelemetry's serializer", (encoding) => {
  const same = (given: MappedRun, doubles: ReadonlySet<string>) => {
    const [chunk] = encodeRun(given, encoding, WHOLE, doubles);
    return Buffer.compare(chunk?.bytes ?? new Uint8Array(), stockRequest(given, encoding, doubles)) === 0;
  };

  it("for whatever spans there can be", () => {
    const doubles = new Set([...DOUBLES, ...DOUBLE_ATTRIBUTES]);
    fc.assert(
      fc.property(
        wildRun.filter(({ spans }) => spans.length > 0),
        (given) => same(given, doubles),
      ),
      { numRuns: 300 },
    );
  });

  it("for numbers at every edge, declared double or not, alone and in an array", () => {
    const numbers = [...EDGES, ...MORE_EDGES].flatMap((value) => [value, -value]);
    const attributes = (value: number) => ({ "sleep.duration": value, other: value, both: [value, -value] });
    expect(numbers.filter((value) => !same(run(span({ attributes: attributes(value) })), DOUBLES))).toEqual([]);
  });

  it("for texts of every kind of length", () => {
    const texts = LENGTHS.flatMap((length) => ["x", "ü", "€", "😀", "\udc00"].map((unit) => unit.repeat(length)));
    expect(texts.filter((name) => !same(run(span({ name, attributes: { [name]: name } })), DOUBLES))).toEqual([]);
  });

  it("for texts that are empty, and ids that are not there", () => {
    const empty = { name: "", traceState: "", parentSpanId: "", parentIsRemote: true, attributes: { "": "", none: [], one: [""] } };
    const link = { traceId: span().traceId, spanId: span().spanId, traceFlags: 0, traceState: "", isRemote: false, attributes: {} };
    const events = [{ name: "", time: 0, attributes: {} }];
    expect(same(run(span({ ...empty, status: { code: "error", message: "" }, links: [link], events })), DOUBLES)).toBe(true);
  });

  it("for a run of many megabytes, and for a small one after it", () => {
    expect(same(runOf(3_000, 1_000), DOUBLES)).toBe(true);
    expect(same(runOf(2), DOUBLES)).toBe(true);
  });

  const settings = settingsWith({ capture: { outputs: true, call_bodies: true, request_headers: ["x-trace"] } });

  it.each(Object.entries(SITUATIONS))("for %s", (_, given) => {
    expect(same(mapRun(given, ownPlacement(given, settings), settings), DOUBLE_ATTRIBUTES)).toBe(true);
  });

  it("for any run that can be mapped", () => {
    fc.assert(
      fc.property(arbitraryRun, (given) => same(mapRun(given, ownPlacement(given, settings), settings), DOUBLE_ATTRIBUTES)),
      { numRuns: 100 },
    );
  });
});

it("the bytes of a request are its own: they do not change when the next one is written", () => {
  const encoded = encodeRun(runOf(3), "protobuf").map(({ bytes }) => bytes);
  const before = encoded.map((bytes) => Buffer.from(bytes).toString("hex"));
  encodeRun(runOf(5, 100), "protobuf");
  expect(encoded.map((bytes) => Buffer.from(bytes).toString("hex"))).toEqual(before);
});

it("needs none of OpenTelemetry's code: a bridge without traces of its own loads nothing of it", async () => {
  const encoder = new URL("../../src/otlp/encode.ts", import.meta.url).href;
  const { modules } = await loadedModules(["--input-type=module", "--eval", `import ${JSON.stringify(encoder)}`], {});
  expect(modules).toContain(encoder);
  expect(modules.filter((url) => url.includes("/node_modules/"))).toEqual([]);
});
