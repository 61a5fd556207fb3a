import { describe, expect, test } from "vitest";
import { busy, DELIVERED, fails, partly, refuses, resets, runIdOf, timesOut, unauthorized } from "../support/backend.ts";
import { type DeliverRig, deliverRig, HOUR } from "../support/pipeline.ts";

/** Every row of delivery.md's table of outcomes, through the deliverer as the daemon runs it. */

const ids = (count: number, prefix = "r") => Array.from({ length: count }, (_, n) => `${prefix}${n}`);
const html = { kind: "misconfigured", status: 200, reason: "HTTP 200 with a body that is no OTLP answer" } as const;
/** The gaps between the requests that followed one another, in ms. */
const gaps = ({ backend: { requests } }: DeliverRig) => requests.slice(1).map((request, index) => request.at - (requests[index]?.at ?? 0));
const runsOf = ({ backend: { requests } }: DeliverRig) => requests.map(({ spans }) => new Set(spans.map(runIdOf)).size);
const paused = async ({ store }: DeliverRig) => (await store.destinations())[0]?.paused;

describe("2xx without a rejection", () => {
  test("is delivered: many runs in one request, settled once, nothing sent again", async () => {
    const rig = await deliverRig();
    await rig.queue(ids(50));
    await rig.runFor(60_000);
    expect(await rig.outcomes(ids(50))).toEqual(ids(50).map(() => "delivered"));
    expect(runsOf(rig)).toEqual([50]);
    expect(await rig.queued()).toBe(0);
  });
});

describe("2xx with partial_success.rejected_spans > 0", () => {
  test("is never sent again: its runs are quarantined as partial with the backend's words, the next 20 requests carry one run each", async () => {
    const rig = await deliverRig({ concurrency: 1 });
    rig.backend.answer = () => (rig.backend.requests.length === 0 ? partly() : DELIVERED);
    await rig.queue(ids(3));
    await rig.runFor(2_000);
    await rig.queue(ids(40, "later"));
    await rig.runFor(60_000);
    expect(await rig.outcomes(ids(3))).toEqual(["partial", "partial", "partial"]);
    expect((await rig.store.quarantined({})).map(({ reason, message, key }) => [reason, message, key.id])).toEqual(
      ids(3).map((id) => ["partial", "one was too odd", id]),
    );
    expect(runsOf(rig)).toEqual([3, ...Array(20).fill(1), 20]);
  });

  test("the culprit has a name in the end, and the others are delivered", async () => {
    const rig = await deliverRig({ concurrency: 1 });
    rig.backend.answer = (spans) => (spans.some((span) => runIdOf(span) === "later7") ? partly() : DELIVERED);
    await rig.queue(["r0"]);
    rig.backend.answer = (spans) =>
      rig.backend.requests.length === 0 || spans.some((span) => runIdOf(span) === "later7") ? partly() : DELIVERED;
    await rig.runFor(2_000);
    await rig.queue(ids(12, "later"));
    await rig.runFor(60_000);
    const later = await rig.outcomes(ids(12, "later"));
    expect(later.filter((outcome) => outcome === "delivered")).toHaveLength(11);
    expect(later[7]).toBe("partial");
  });
});

describe("2xx with a body that is no OTLP answer", () => {
  test("pauses the destination visibly and keeps everything; when it is mended all is delivered", async () => {
    const rig = await deliverRig();
    rig.backend.answer = () => html;
    await rig.queue(ids(10));
    await rig.runFor(HOUR);
    expect(await rig.queued()).toBe(10);
    expect((await paused(rig))?.reason).toContain("no OTLP answer");
    expect(rig.backend.requests.length).toBeLessThan(25);
    rig.backend.answer = () => DELIVERED;
    await rig.runFor(HOUR);
    expect(await rig.queued()).toBe(0);
    expect(await paused(rig)).toBeUndefined();
  });
});

describe("408, 429, 502, 503, 504, connection failure", () => {
  test("is sent again, ever less often up to 5 minutes, for a day and without end", async () => {
    const rig = await deliverRig({ latency: 0 });
    rig.backend.answer = () => busy();
    await rig.queue(ids(3));
    await rig.runFor(24 * HOUR);
    expect(Math.max(...gaps(rig))).toBeLessThanOrEqual(300_000);
    expect(rig.backend.requests.length).toBeGreaterThan(24 * 12);
    expect(rig.backend.requests.length).toBeLessThan(24 * 12 * 3);
    rig.backend.answer = () => DELIVERED;
    await rig.runFor(HOUR);
    expect(await rig.outcomes(ids(3))).toEqual(["delivered", "delivered", "delivered"]);
  });

  test("Retry-After wins over the back-off", async () => {
    const rig = await deliverRig({ latency: 0 });
    rig.backend.answer = () => busy(600_000);
    await rig.queue(ids(1));
    await rig.runFor(3 * HOUR + 1);
    expect(gaps(rig)).toEqual(Array(18).fill(600_000));
  });

  test("a storm of Retry-After: 0 is no busy loop", async () => {
    const rig = await deliverRig({ latency: 0 });
    rig.backend.answer = () => busy(0);
    await rig.queue(ids(20));
    await rig.runFor(60_000);
    expect(rig.backend.requests.length).toBeLessThan(200);
    expect(await rig.queued()).toBe(20);
  });
});

describe("5xx other", () => {
  test("is sent again; the back-off is the batch's, others are delivered meanwhile", async () => {
    const rig = await deliverRig({ concurrency: 2 });
    await rig.queue(["bad"]);
    rig.backend.answer = (spans) => (spans.some((span) => runIdOf(span) === "bad") ? fails() : DELIVERED);
    await rig.runFor(100);
    await rig.queue(ids(5));
    await rig.runFor(10_000);
    expect(await rig.outcomes(ids(5))).toEqual(Array(5).fill("delivered"));
    expect(await rig.outcomes(["bad"])).toEqual(["queued"]);
  });

  test.each([
    ["500", fails()],
    ["a timeout", timesOut],
    ["a connection that breaks", resets],
  ])("one run that answers with %s 10 times while others succeed is taken apart and named", async (_, outcome) => {
    const rig = await deliverRig({ concurrency: 2 });
    rig.backend.answer = (spans) => (spans.some((span) => span.name === "poison") ? outcome : DELIVERED);
    await rig.queue(["good"]);
    await rig.queue(["bad"], { steps: 4, name: (n) => (n === 2 ? "poison" : `step ${n}`) });
    for (let n = 0; n < 60; n += 1) {
      await rig.queue([`later${n}`]);
      await rig.runFor(60_000);
    }
    expect(await rig.outcomes(["good", "bad", ...ids(60, "later")])).toEqual(["delivered", "partial", ...Array(60).fill("delivered")]);
    const entries = await rig.store.quarantined({});
    expect(entries.map(({ key, reason, spans }) => [key.id, reason, spans])).toEqual([["bad", "server_error", 1]]);
  });

  test("where nothing succeeds it is nobody's fault: all is kept for a day, with few requests", async () => {
    const rig = await deliverRig();
    rig.backend.answer = () => fails();
    await rig.queue(ids(20), { steps: 2 });
    await rig.runFor(24 * HOUR);
    expect(await rig.queued()).toBe(20);
    expect(rig.backend.requests.length).toBeLessThan(24 * 12 * 3);
    rig.backend.answer = () => DELIVERED;
    await rig.runFor(HOUR);
    expect(await rig.queued()).toBe(0);
    expect(await rig.store.quarantined({})).toEqual([]);
  });
});

describe("400, 413, 422", () => {
  test.each([
    [400, "refused"],
    [413, "too_large"],
    [422, "refused"],
  ])(
    "%i: bisected from batch to span; what is refused alone is quarantined with status and words, the rest delivered",
    async (status, reason) => {
      const rig = await deliverRig({ maxRequestBytes: 64_000 });
      rig.backend.answer = (spans) => (spans.some((span) => span.name === "poison") ? refuses(status) : DELIVERED);
      await rig.queue(ids(20));
      await rig.queue(["bad"], { steps: 30, name: (n) => (n === 17 ? "poison" : `step ${n}`) });
      await rig.queue(ids(20, "later"));
      await rig.runFor(60_000);
      expect(await rig.outcomes([...ids(20), "bad", ...ids(20, "later")])).toEqual([
        ...Array(20).fill("delivered"),
        "partial",
        ...Array(20).fill("delivered"),
      ]);
      const [entry, ...others] = await rig.store.quarantined({});
      expect(others).toEqual([]);
      expect(entry).toMatchObject({ reason, status, message: `refused with ${status}`, spans: 1, key: { id: "bad" } });
      expect([...rig.backend.spans.keys()]).toHaveLength(20 * 2 * 2 + 30);
    },
  );

  test("a run that is refused alone, with nothing else to try, is quarantined all the same", async () => {
    const rig = await deliverRig();
    rig.backend.answer = () => refuses();
    await rig.queue(ids(2));
    await rig.runFor(5_000);
    expect(await rig.outcomes(ids(2))).toEqual(["quarantined", "quarantined"]);
    expect((await rig.store.quarantined({})).reduce((sum, entry) => sum + entry.spans, 0)).toBe(4);
  });

  test("5 different runs in a row with one status: the destination is paused, all are given back, none is quarantined", async () => {
    const rig = await deliverRig();
    rig.backend.answer = () => refuses();
    await rig.queue(ids(30));
    await rig.runFor(HOUR);
    expect(await rig.queued()).toBe(30);
    expect(await rig.store.quarantined({})).toEqual([]);
    expect((await paused(rig))?.reason).toBe("refuses everything with 400: refused with 400");
    expect(rig.backend.requests.length).toBeLessThan(45);
    const probes = rig.backend.requests.slice(-8).map(({ spans }) => spans.map(runIdOf)[0]);
    expect(new Set(probes).size).toBe(8);
    rig.backend.answer = () => DELIVERED;
    await rig.runFor(HOUR);
    expect(await rig.outcomes(ids(30))).toEqual(Array(30).fill("delivered"));
    expect(await paused(rig)).toBeUndefined();
  });

  test("as soon as one is accepted, those that are still refused are taken apart and quarantined", async () => {
    const rig = await deliverRig();
    rig.backend.answer = () => refuses();
    await rig.queue(ids(12));
    await rig.runFor(HOUR);
    rig.backend.answer = (spans) => (spans.some((span) => ["r1", "r3"].includes(runIdOf(span))) ? refuses() : DELIVERED);
    await rig.runFor(HOUR);
    const outcomes = await rig.outcomes(ids(12));
    expect(outcomes.flatMap((outcome, n) => (outcome === "quarantined" ? [n] : []))).toEqual([1, 3]);
    expect(outcomes.filter((outcome) => outcome === "delivered")).toHaveLength(10);
  });

  test("refusals one by one, hours apart, are found to be everything as well: what was quarantined comes back", async () => {
    const rig = await deliverRig();
    rig.backend.answer = () => refuses();
    for (const id of ids(5)) {
      await rig.queue([id]);
      await rig.runFor(HOUR);
    }
    expect(await rig.store.quarantined({})).toEqual([]);
    expect((await paused(rig))?.reason).toContain("refuses everything");
    rig.backend.answer = () => DELIVERED;
    await rig.runFor(HOUR);
    expect(await rig.outcomes(ids(5))).toEqual(Array(5).fill("delivered"));
  });

  test("different statuses in a row are no sign that everything is refused", async () => {
    const rig = await deliverRig({ concurrency: 1 });
    rig.backend.answer = (spans) => refuses(Number(runIdOf(spans[0] as never).slice(1)) % 2 === 0 ? 400 : 422);
    await rig.queue(ids(6));
    await rig.runFor(60_000);
    expect(await rig.outcomes(ids(6))).toEqual(Array(6).fill("quarantined"));
  });

  test("a 503 to a probe does not make it forget that everything was refused", async () => {
    const rig = await deliverRig();
    rig.backend.answer = () => refuses();
    await rig.queue(ids(6));
    await rig.runFor(HOUR);
    rig.backend.answer = () => busy();
    await rig.runFor(HOUR);
    rig.backend.answer = () => refuses();
    await rig.runFor(6 * HOUR);
    expect(await rig.queued()).toBe(6);
    expect(await rig.store.quarantined({})).toEqual([]);
  });
});

describe("401, 403, 404, other 3xx and 4xx, TLS errors", () => {
  test("pause the destination, probed at growing intervals with one request; everything is kept for a day", async () => {
    const rig = await deliverRig({ latency: 0, concurrency: 1 });
    rig.backend.answer = () => unauthorized;
    await rig.queue(ids(5));
    await rig.runFor(24 * HOUR);
    expect(gaps(rig).slice(0, 8)).toEqual([5_000, 10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000]);
    expect(await rig.queued()).toBe(5);
    expect(await paused(rig)).toMatchObject({ reason: "HTTP 401" });
    rig.backend.answer = () => DELIVERED;
    await rig.runFor(HOUR);
    expect(await rig.queued()).toBe(0);
  });

  test("a bad run in front of the queue does not hide that the destination was mended", async () => {
    const rig = await deliverRig();
    rig.backend.answer = () => unauthorized;
    await rig.queue(["bad", ...ids(3)]);
    await rig.runFor(HOUR);
    rig.backend.answer = (spans) => (spans.some((span) => runIdOf(span) === "bad") ? refuses() : DELIVERED);
    await rig.runFor(HOUR);
    expect(await rig.outcomes(["bad", ...ids(3)])).toEqual(["quarantined", "delivered", "delivered", "delivered"]);
  });
});
