import { beforeEach, describe, expect, inject, test } from "vitest";
import type { Decoded } from "../../src/fake-upstash/otlp-decode.ts";
import { useBridge } from "./bridge.ts";
import { longRun, putHistory, putLoggedHistory } from "./history.ts";
import { type Jaeger, jaegerTrace, startJaeger } from "./jaeger.ts";
import { type ExpectedSpan, formOf, linkedSides, partNames, sorted } from "./mapped.ts";

const jaeger = inject("backends").jaeger;

describe.skipIf(!jaeger.ok)("Jaeger", () => {
  const bridge = useBridge();
  let backend: Jaeger;
  beforeEach(async () => {
    backend = await startJaeger(jaeger.ok ? jaeger.folder : "", bridge.folder);
    return () => backend.stop("SIGKILL"); // in order it takes ten seconds
  });

  const destination = (encoding = "protobuf") => ({ name: "jaeger", type: "otlp-http", endpoint: backend.otlp, encoding });

  /** Every trace that should be there, by its own id; so spans in a wrong trace are missing. */
  async function shown(expected: readonly ExpectedSpan[]) {
    const traces = await Promise.all([...new Set(expected.map((span) => span.traceId))].map((id) => jaegerTrace(backend, id)));
    return traces.flat();
  }

  async function expectSame(expected: readonly ExpectedSpan[]) {
    const found = await shown(expected);
    expect(found.length).toBe(expected.length);
    const byId = new Map(found.map((span) => [span.spanId, span]));
    for (const span of expected) {
      const shown = byId.get(span.spanId);
      const form = formOf(span, shown?.links.length);
      expect(sorted(shown?.wire)).toEqual(sorted(asJaegerShows(form, span.role, shown?.wire)));
    }
    const sides = linkedSides(expected, (spanId) => byId.get(spanId)?.links.length);
    expect(sides).toEqual(sides.map(() => 1));
    return { events: sides.length };
  }

  test.each(["protobuf", "json"])("shows every span as the mapper made it (%s)", async (encoding) => {
    putHistory(bridge.api.store, Date.now());
    const expected = await bridge.expected();
    expect(new Set(expected.map((span) => span.role))).toEqual(new Set(["run", "step", "delay", "delivery", "failure"]));
    expect(await bridge.once([destination(encoding)])).toMatchObject({ code: 0 });
    expect((await expectSame(expected)).events).toBeGreaterThan(0);
  });

  test.each(["protobuf", "json"])(
    "shows attempts, queues and back-offs, and times of the message log, as the mapper made them (%s)",
    async (encoding) => {
      bridge.detail = "auto";
      putLoggedHistory(bridge.api.store, Date.now());
      const expected = await bridge.expected();
      expect(partNames(expected)).toEqual(["attempt 1", "attempt 2", "attempt 3", "attempt 4", "backoff", "queued"]);
      expect(await bridge.once([destination(encoding)])).toMatchObject({ code: 0 });
      expect((await expectSame(expected)).events).toBeGreaterThan(0);
    },
  );

  test.each(["protobuf", "json"])("shows a run once that was delivered twice (%s)", async (encoding) => {
    putHistory(bridge.api.store, Date.now());
    const expected = await bridge.expected();
    for (const state of ["first", "second"]) expect(await bridge.once([destination(encoding)], state)).toMatchObject({ code: 0 });
    await expectSame(expected);
  });

  test.each(["protobuf", "json"])("shows a run of 2 MB whole (%s)", async (encoding) => {
    bridge.api.store.putRun(longRun("wfr_2mb", Date.now() - 100_000, 950, 2_000));
    const expected = await bridge.expected();
    expect(await bridge.once([destination(encoding)])).toMatchObject({ code: 0 });
    await expectSame(expected);
  });

  test("shows a run of 10,000 steps in traces that are linked to each other", async () => {
    bridge.api.store.putRun(longRun("wfr_10000", Date.now() - 200_000, 10_000, 10));
    const expected = await bridge.expected();
    expect(expected.filter((span) => span.role === "step")).toHaveLength(10_000);
    expect(new Set(expected.map((span) => span.traceId)).size).toBeGreaterThan(1);
    expect(await bridge.once([destination()])).toMatchObject({ code: 0 });
    await expectSame(expected);
  });

  test("a wrong path is seen as such, and what was kept is delivered once the path is right", async () => {
    putHistory(bridge.api.store, Date.now());
    const wrong = { ...destination(), endpoint: `${backend.otlp}/jaeger` };
    const refused = await bridge.once([wrong]);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/404/);
    expect(await bridge.once([destination()])).toMatchObject({ code: 0 });
    await expectSame(await bridge.expected());
  });
});

interface SpanOnTheWire extends Decoded {
  readonly attributes: readonly { readonly key: string }[];
  readonly events: readonly { readonly name: string }[];
}

/**
 * What Jaeger 2.13 changes: schema URLs are gone; attributes and events come in the order of their names; a span without
 * length is 1 ns long. It warns about those and about the failure function, the one span outside of its parent.
 */
function asJaegerShows({ span, ...rest }: Decoded, role: ExpectedSpan["role"], shown: Decoded | undefined): Decoded {
  const { attributes, events, startTimeUnixNano, endTimeUnixNano, ...same } = span as SpanOnTheWire;
  const isPoint = startTimeUnixNano === endTimeUnixNano;
  const warnings = isPoint || role === "failure" ? warningsOf(shown) : [];
  const byName = events.toSorted((a, b) => (a.name === b.name ? 0 : a.name < b.name ? -1 : 1));
  const times = { startTimeUnixNano, endTimeUnixNano: String(BigInt(String(endTimeUnixNano)) + (isPoint ? 1n : 0n)) };
  return {
    ...rest,
    scopeSchemaUrl: "",
    span: { ...same, ...times, attributes: [...attributes, ...warnings], events: byName },
  };
}

function warningsOf(shown: Decoded | undefined): readonly { readonly key: string }[] {
  const span = shown?.span as SpanOnTheWire | undefined;
  return span?.attributes.filter(({ key }) => key === "@jaeger@warnings") ?? [];
}
