import fc from "fast-check";
import type { PlainAttributes, ReceivedSpan } from "../../src/fake-upstash/otlp-spans.ts";
import type { Attributes, MappedRun, Span, SpanLink } from "../../src/trace/span.ts";

/** Spans for tests of what encodes and sends them: one written out, and any that the mapper could make. */
const TRACE_ID = "0af7651916cd43dd8448eb211c80319c";

export function span(over: Partial<Span> = {}): Span {
  return {
    traceId: TRACE_ID,
    spanId: "00f067aa0ba902b7",
    parentIsRemote: false,
    traceFlags: 3,
    name: "/api/orders/{id}",
    kind: "consumer",
    start: 1_736_340_463_061,
    end: 1_736_340_464_684,
    attributes: { "upstash.workflow.run.id": "wfr_1" },
    events: [],
    links: [],
    status: { code: "unset" },
    scope: "workflow",
    role: "run",
    ...over,
  };
}

export function run(...spans: Span[]): MappedRun {
  return { resource: { "service.name": "shop" }, spans };
}

/** A run of `count` spans with distinct ids, each with `bytes` bytes of payload. */
export function runOf(count: number, bytes = 0): MappedRun {
  const padding: Attributes = bytes === 0 ? {} : { padding: "x".repeat(bytes) };
  return run(
    ...Array.from({ length: count }, (_, i) =>
      span({ spanId: (i + 1).toString(16).padStart(16, "0"), name: `step ${i}`, attributes: padding }),
    ),
  );
}

const hex = (length: number) =>
  fc
    .string({ unit: fc.constantFrom(..."0123456789abcdef"), minLength: length, maxLength: length })
    .map((id) => (/[^0]/.test(id) ? id : id.replace(/.$/, "1")));
/** Names that provoke: the ones every object has, the stock encoder's own markers, the doubles of {@link DOUBLES}. */
export const DOUBLES: ReadonlySet<string> = new Set(["sleep.duration", "constructor"]);

/** What the values in a span are taken from: `name` for attribute names, `integer` for what stands in arrays. */
interface Values {
  readonly text: fc.Arbitrary<string>;
  readonly name: fc.Arbitrary<string>;
  readonly integer: fc.Arbitrary<number>;
  readonly number: fc.Arbitrary<number>;
  readonly millis: fc.Arbitrary<number>;
}

function attributesOf({ text, name, integer, number }: Values): fc.Arbitrary<Attributes> {
  const value = fc.oneof(text, number, fc.boolean(), fc.array(text), fc.array(integer), fc.array(fc.boolean()));
  const key = fc.oneof(name, fc.constantFrom(...DOUBLES, "__proto__", "bytesValue", '"bytesValue":"AAAA"'));
  const double = fc.oneof(fc.integer(), fc.integer({ min: -(2 ** 45), max: 2 ** 45 }), number);
  return fc
    .tuple(fc.dictionary(key, value, { maxKeys: 6 }), fc.dictionary(fc.constantFrom(...DOUBLES), double))
    .map(([any, some]) => ({ ...any, ...some }));
}

const optional = <T, K extends string>(name: K, of: fc.Arbitrary<T>) =>
  fc.option(of).map((given) => (given === null ? {} : { [name]: given }) as { readonly [name in K]?: T });

function linkOf(text: fc.Arbitrary<string>, attributes: fc.Arbitrary<Attributes>): fc.Arbitrary<SpanLink> {
  return fc
    .tuple(
      fc.record({ traceId: hex(32), spanId: hex(16), traceFlags: fc.nat(255), isRemote: fc.boolean(), attributes }),
      optional("traceState", text),
    )
    .map(([rest, state]) => ({ ...rest, ...state }));
}

export function runsWith(values: Values): fc.Arbitrary<MappedRun> {
  const { text, millis } = values;
  const attributes = attributesOf(values);
  const anySpan: fc.Arbitrary<Span> = fc
    .tuple(
      fc.record({
        traceId: hex(32),
        spanId: hex(16),
        parentIsRemote: fc.boolean(),
        traceFlags: fc.nat(255),
        name: text,
        kind: fc.constantFrom("internal", "server", "client", "producer", "consumer"),
        times: fc.tuple(millis, millis),
        attributes,
        events: fc.array(fc.record({ name: text, time: millis, attributes }), { maxLength: 3 }),
        links: fc.array(linkOf(text, attributes), { maxLength: 3 }),
        status: fc.oneof(fc.constant({ code: "unset" as const }), fc.record({ code: fc.constant("error" as const), message: text })),
        scope: fc.constantFrom("workflow", "gen_ai"),
      }),
      optional("parentSpanId", hex(16)),
      optional("traceState", text),
    )
    .map(([{ times, ...rest }, parent, state]) => ({
      ...rest,
      ...parent,
      ...state,
      start: Math.min(...times),
      end: Math.max(...times),
      role: "step" as const,
    }));
  return fc.record({ resource: attributes, spans: fc.array(anySpan, { maxLength: 8 }) });
}

const text = fc.string({ unit: "grapheme" }).map((value) => value.toWellFormed());
const integer = fc.oneof(fc.maxSafeInteger(), fc.integer(), fc.constantFrom(0, -1, 2 ** 62, -(2 ** 63)));

/** Any that the mapper could make. */
export const anyRun = runsWith({
  text,
  name: text.filter((name) => name !== ""),
  integer,
  number: fc.oneof(
    integer,
    fc.double({ noNaN: true, noDefaultInfinity: true }).filter((value) => Math.abs(value) < 2 ** 63),
  ),
  millis: fc.oneof(fc.integer({ min: 0, max: 9_999_999_999_999 }), fc.integer({ min: 1_700_000_000_000, max: 1_800_000_000_000 })),
});

const KINDS = ["", "internal", "server", "client", "producer", "consumer"];

/** A span as it must arrive: the encoder's input, in the receiver's words. */
export function expected(of: Span): Partial<ReceivedSpan> {
  const flags = (traceFlags: number, remote: boolean) => traceFlags + 0x100 + (remote ? 0x200 : 0);
  return {
    traceId: of.traceId,
    spanId: of.spanId,
    parentSpanId: of.parentSpanId ?? "",
    traceState: of.traceState ?? "",
    flags: flags(of.traceFlags, of.parentSpanId !== undefined && of.parentIsRemote),
    name: of.name,
    kind: KINDS.indexOf(of.kind),
    startTimeUnixNano: BigInt(of.start) * 1_000_000n,
    endTimeUnixNano: BigInt(of.end) * 1_000_000n,
    attributes: plain(of.attributes),
    events: of.events.map((event) => ({
      name: event.name,
      timeUnixNano: BigInt(event.time) * 1_000_000n,
      attributes: plain(event.attributes),
    })),
    links: of.links.map((one) => ({
      traceId: one.traceId,
      spanId: one.spanId,
      traceState: one.traceState ?? "",
      flags: flags(one.traceFlags, one.isRemote),
      attributes: plain(one.attributes),
    })),
    status: { code: of.status.code === "error" ? 2 : 0, message: of.status.message ?? "" },
  };
}

/** Minus zero arrives as zero. */
export function plain(of: Attributes): PlainAttributes {
  return Object.fromEntries(Object.entries(of).map(([name, given]) => [name, typeof given === "number" ? given + 0 : given]));
}
