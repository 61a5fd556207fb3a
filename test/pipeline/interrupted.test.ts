import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Outcome } from "../../src/destinations/destination.ts";
import type { ReceivedSpan } from "../../src/fake-upstash/otlp-spans.ts";
import { type Backend, busy, DELIVERED, fails, partly, refuses, resets, runIdOf, timesOut, unauthorized } from "../support/backend.ts";
import { type DeliverRig, deliverRig, HOUR } from "../support/pipeline.ts";
import "../support/property-seed.ts";

/** Answers that come between: while a run is taken apart, while a destination is left alone, after a partial success. */

const forever = new AbortController().signal;
const ids = (count: number, prefix = "r") => Array.from({ length: count }, (_, n) => `${prefix}${n}`);
const isBad = ({ name }: ReceivedSpan) => name.startsWith("bad");
const badAt = (...steps: readonly number[]) => ({ name: (n: number) => (steps.includes(n) ? `bad ${n}` : `step ${n}`) });
const truth = (spans: readonly ReceivedSpan[]) => (spans.some(isBad) ? refuses() : DELIVERED);
const runsIn = (spans: readonly ReceivedSpan[]) => new Set(spans.map(runIdOf)).size;
const accepted = ({ requests }: Backend) => requests.flatMap(({ outcome, spans }) => (outcome.kind === "delivered" ? spans : []));

/** Spans that left again after an answer had said that they were accepted. */
function sentAgain({ requests }: Backend): string[] {
  const done = new Set<string>();
  const again: string[] = [];
  for (const { outcome, spans } of requests) {
    again.push(...spans.filter(({ spanId }) => done.has(spanId)).map(({ name }) => name));
    if (outcome.kind === "delivered") for (const { spanId } of spans) done.add(spanId);
  }
  return again;
}

/** When each request left. */
function departures({ backend: { destination }, clock }: DeliverRig): number[] {
  const times: number[] = [];
  const send = destination.send.bind(destination);
  Object.assign(destination, {
    send(...args: Parameters<typeof send>) {
      times.push(clock.monotonic());
      return send(...args);
    },
  });
  return times;
}

/** The n-th request to leave, counted from 1, is answered only so much later. */
function slow({ backend: { destination }, clock }: DeliverRig, delays: Readonly<Record<number, number>>): void {
  let n = 0;
  const send = destination.send.bind(destination);
  Object.assign(destination, {
    async send(...args: Parameters<typeof send>) {
      n += 1;
      const delay = delays[n] ?? 0;
      const outcome = await send(...args);
      await clock.sleep(delay, args[1]);
      return outcome;
    },
  });
}

/** While it runs every `every`-th request is answered so instead. */
function nowAndThen(rig: DeliverRig, every: number, outcome: Outcome): void {
  let n = 0;
  rig.backend.answer = (spans) => {
    n += 1;
    return n % every === 0 ? outcome : truth(spans);
  };
}

const BAD = [3, 60, 90, 120, 150, 180];

describe("a run that is taken apart by a backend that", () => {
  test.each([
    ["throttles now and then", 10, busy()],
    ["throttles every third request, with Retry-After: 0", 3, busy(0)],
    ["says how long to wait, now and then", 7, busy(5_000)],
    ["times out now and then", 10, timesOut],
    ["answers every second request with 500", 2, fails()],
    ["breaks connections", 4, resets],
    ["forgets its credentials now and then", 30, unauthorized],
  ])("%s: the search goes on where it was, and ends", async (_, every, outcome) => {
    const rig = await deliverRig();
    nowAndThen(rig, every, outcome);
    await rig.queue(["big"], { steps: 199, ...badAt(...BAD) });
    await rig.runFor(6 * HOUR);
    expect(await rig.outcomes(["big"])).toEqual(["partial"]);
    expect(sentAgain(rig.backend)).toEqual([]);
    expect(accepted(rig.backend)).toHaveLength(200 - BAD.length);
    const entries = await rig.store.quarantined({});
    expect(entries.map(({ reason, spans }) => [reason, spans])).toEqual(BAD.map(() => ["refused", 1]));
    const answered = rig.backend.requests.filter(({ outcome: { kind } }) => kind === "delivered" || kind === "refused");
    expect(answered.length).toBeLessThan(2 + 2 * BAD.length * 9);
  });

  test("throttles: what it accepts in between does not bring the search's back-off down to nothing", async () => {
    const rig = await deliverRig({ latency: 0 });
    nowAndThen(rig, 5, busy());
    await rig.queue(["big"], { steps: 199, ...badAt(...BAD) });
    await rig.runFor(HOUR);
    const { requests } = rig.backend;
    const waits = requests.flatMap(({ at, outcome }, n) => (n > 0 && outcome.kind === "retry" ? [(requests[n + 1]?.at ?? at) - at] : []));
    expect(waits.slice(0, 8)).toEqual([500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000]);
    expect(await rig.outcomes(["big"])).toEqual(["partial"]);
  });

  test("throttles nothing but the search: others are delivered all the while, and it is left in peace", async () => {
    const rig = await deliverRig({ concurrency: 1 });
    rig.backend.answer = (spans) => {
      const searching = spans.some((span) => runIdOf(span) === "big") && spans.length < 50;
      return searching ? busy() : truth(spans);
    };
    await rig.queue(["big"], { steps: 199, ...badAt(...BAD) });
    for (let n = 0; n < 60; n += 1) {
      await rig.queue([`later${n}`]);
      await rig.runFor(10_000);
    }
    expect(await rig.outcomes(ids(60, "later"))).toEqual(Array(60).fill("delivered"));
    expect(rig.backend.requests.filter(({ outcome }) => outcome.kind === "retry").length).toBeLessThan(60);
    rig.backend.answer = truth;
    await rig.runFor(HOUR);
    expect(await rig.outcomes(["big"])).toEqual(["partial"]);
    expect(sentAgain(rig.backend)).toEqual([]);
  });

  test("asks for patience in another's answer: the search stops too", async () => {
    const rig = await deliverRig({ concurrency: 2 });
    const left = departures(rig);
    rig.backend.answer = (spans) => (spans.some((span) => runIdOf(span) === "other") && left.length < 60 ? busy(60_000) : truth(spans));
    await rig.queue(["big"], { steps: 199, ...badAt(...BAD) });
    const stop = new AbortController();
    const running = rig.deliverer.run(stop.signal, 0);
    await rig.clock.advance(200);
    await rig.queue(["other"]);
    await rig.clock.advance(HOUR);
    stop.abort();
    await rig.clock.until(running);
    const [pause] = rig.backend.requests.filter(({ outcome }) => outcome.kind === "retry");
    const from = pause?.at ?? Number.NaN;
    expect(left.filter((at) => at > from && at < from + 60_000)).toEqual([]);
    expect(left.some((at) => at < from)).toBe(true);
    expect(await rig.outcomes(["big", "other"])).toEqual(["partial", "delivered"]);
    expect(sentAgain(rig.backend)).toEqual([]);
  });

  test("is interrupted before each of many: only so many runs wait half taken apart, and all are settled in the end", async () => {
    const rig = await deliverRig({ concurrency: 4 });
    const begun = new Set<string>();
    let broken = true;
    rig.backend.answer = (spans) => {
      const [first] = spans;
      const apart = runsIn(spans) === 1 && first !== undefined && runIdOf(first).startsWith("odd") && spans.length < 6;
      if (apart && broken) begun.add(runIdOf(first));
      return apart && broken ? timesOut : truth(spans);
    };
    for (let n = 0; n < 40; n += 1) {
      await rig.queue([`odd${n}`], { steps: 5, ...badAt(2) });
      await rig.queue([`good${n}`]);
    }
    await rig.runFor(30_000);
    expect(begun.size).toBeGreaterThan(10);
    expect(begun.size).toBeLessThanOrEqual(16 + 4);
    broken = false;
    await rig.runFor(HOUR);
    expect(await rig.outcomes(ids(40, "odd"))).toEqual(Array(40).fill("partial"));
    expect(await rig.outcomes(ids(40, "good"))).toEqual(Array(40).fill("delivered"));
    expect(accepted(rig.backend)).toHaveLength(40 * 5 + 40 * 2);
  });

  test("accepts a part of it only in part: that is not sent again either", async () => {
    const rig = await deliverRig();
    rig.backend.answer = (spans) => (spans.some(isBad) ? (spans.length > 4 ? refuses() : partly()) : DELIVERED);
    await rig.queue(["big"], { steps: 15, ...badAt(7) });
    await rig.runFor(60_000);
    expect(await rig.outcomes(["big"])).toEqual(["partial"]);
    const ends = rig.backend.requests.filter(({ outcome: { kind } }) => kind !== "refused").flatMap(({ spans }) => spans);
    expect(ends).toHaveLength(16);
    expect(new Set(ends.map(({ spanId }) => spanId)).size).toBe(16);
  });
});

describe("whatever a backend says in between", () => {
  const interruption = fc.constantFrom<Outcome | "lost">(
    busy(),
    busy(0),
    busy(30_000),
    timesOut,
    resets,
    fails(),
    { ...(fails() as Extract<Outcome, { kind: "retry" }>), retryAfterMs: 3_000 },
    "lost",
  );
  const runs = fc.array(fc.record({ steps: fc.integer({ min: 1, max: 40 }), bad: fc.uniqueArray(fc.nat(39), { maxLength: 6 }) }), {
    minLength: 1,
    maxLength: 4,
  });
  const settings = fc.record({
    concurrency: fc.integer({ min: 1, max: 4 }),
    encoding: fc.constantFrom("protobuf", "json"),
    maxRequestBytes: fc.constantFrom(4_096, 16_384, 1_048_576),
  });
  // fewer than the 10 that make a request guilty by itself
  const plans = fc.array(fc.array(interruption, { maxLength: 8 }), { minLength: 1, maxLength: 20 });

  test("the search ends, good spans are accepted, exactly the bad ones quarantined, nothing accepted is sent again", async () => {
    await fc.assert(
      fc.asyncProperty(settings, runs, plans, async (options, queue, interruptions) => {
        const rig = await deliverRig(options);
        const attempts = new Map<string, { readonly plan: readonly (Outcome | "lost")[]; count: number }>();
        rig.backend.answer = (spans) => {
          const content = spans.map(({ spanId }) => spanId).join();
          const known = attempts.get(content) ?? { plan: interruptions[attempts.size % interruptions.length] ?? [], count: 0 };
          attempts.set(content, known);
          known.count += 1;
          const said = known.plan[known.count - 1] ?? truth(spans);
          return said === "lost" && spans.some(isBad) ? timesOut : said;
        };
        for (const [n, { steps, bad }] of queue.entries()) {
          await rig.queue([`run${n}`], { steps, encoding: options.encoding, ...badAt(...bad) });
        }
        const drained = await rig.clock.until(rig.deliverer.drain(24 * HOUR, forever));
        const wanted = queue.map(({ steps, bad }) => bad.filter((step) => step < steps).length);
        expect(drained).toEqual({ empty: true, quarantined: wanted.filter((count) => count > 0).length });
        const good = accepted(rig.backend);
        expect(good.length).toBe(queue.reduce((sum, { steps }) => sum + steps + 1, 0) - wanted.reduce((sum, count) => sum + count, 0));
        expect(good.some(isBad)).toBe(false);
        expect(sentAgain(rig.backend)).toEqual([]);
        const entries = await rig.store.quarantined({});
        expect(entries.map(({ key, reason, spans }) => [key.id, reason, spans]).sort()).toEqual(
          wanted.flatMap((count, n) => Array(count).fill([`run${n}`, "refused", 1])).sort(),
        );
      }),
      { numRuns: 40 },
    );
  });
});

describe("an answer to a request that left before a pause began", () => {
  test.each([
    ["accepted", DELIVERED],
    ["a lone run refused", refuses()],
  ])("(%s) does not end it: Retry-After holds for the whole destination", async (_, answer) => {
    const rig = await deliverRig({ concurrency: 2, maxRequestBytes: 1_024 });
    const left = departures(rig);
    slow(rig, { 2: 900 });
    rig.backend.answer = () => (left.length === 1 ? busy(10_000) : left.length === 2 ? answer : DELIVERED);
    await rig.queue(ids(10));
    await rig.runFor(9_900);
    expect(left).toHaveLength(2);
    await rig.runFor(HOUR);
    expect(left[2]).toBeGreaterThanOrEqual(10_000);
    expect((await rig.outcomes(ids(10))).filter((outcome) => outcome === "delivered").length).toBe(10);
    expect(sentAgain(rig.backend)).toEqual([]);
  });

  test("a run of several requests stops between them, and goes on when the pause is over", async () => {
    const rig = await deliverRig({ concurrency: 2, maxRequestBytes: 8_192 });
    const left = departures(rig);
    slow(rig, { 1: 100 });
    rig.backend.answer = (spans) => (spans.some((span) => runIdOf(span) === "small") && left.length < 5 ? busy(10_000) : DELIVERED);
    await rig.queue(["large"], { steps: 100 });
    await rig.queue(["small"]);
    await rig.runFor(9_000);
    expect(left).toHaveLength(2);
    await rig.runFor(HOUR);
    expect(await rig.outcomes(["large", "small"])).toEqual(["delivered", "delivered"]);
    expect(sentAgain(rig.backend)).toEqual([]);
  });

  test("a destination that is misconfigured stays paused until a probe is accepted", async () => {
    const rig = await deliverRig({ concurrency: 2, maxRequestBytes: 1_024 });
    const left = departures(rig);
    slow(rig, { 2: 900 });
    rig.backend.answer = () => (left.length === 1 ? unauthorized : DELIVERED);
    await rig.queue(ids(10));
    await rig.runFor(4_900);
    expect(left).toHaveLength(2);
    expect((await rig.store.destinations())[0]?.paused).toMatchObject({ reason: "HTTP 401" });
    await rig.runFor(HOUR);
    expect(await rig.queued()).toBe(0);
  });
});

describe("after a partial success", () => {
  test("what was in flight already does not count towards the 20 clean requests of one run each", async () => {
    const rig = await deliverRig({ concurrency: 10, maxRequestBytes: 4_096 });
    const { requests } = rig.backend;
    const cleanBefore: number[] = [];
    let left = 0;
    rig.backend.answer = (spans) => {
      left += 1;
      const clean = requests.filter((request) => runsIn(request.spans) === 1).length;
      if (requests.length > 0 && runsIn(spans) > 1) cleanBefore.push(clean);
      return left === 1 ? partly() : DELIVERED;
    };
    await rig.queue(ids(300));
    await rig.runFor(60_000);
    expect(requests.slice(0, 10).map(({ spans }) => runsIn(spans) > 1)).toEqual(Array(10).fill(true));
    expect(cleanBefore[0]).toBe(20);
    expect(await rig.queued()).toBe(0);
  });
});
