import { describe, expect, test } from "vitest";
import { type Store, StoreError } from "../../src/state/store.ts";
import { busy, DELIVERED, fails, refuses, runIdOf, unauthorized } from "../support/backend.ts";
import { openMemoryStore } from "../support/memory-store.ts";
import { DAY, deliverRig, HOUR } from "../support/pipeline.ts";
import { T0 } from "../support/run-builder.ts";

const ids = (count: number, prefix = "r") => Array.from({ length: count }, (_, n) => `${prefix}${n}`);
const forever = new AbortController().signal;

/** The store, with some of its methods made to fail as long as `broken` says so. */
function breakable(store: Store, broken: (method: string) => boolean): Store {
  const methods = Object.entries(store).map(([name, method]) => [
    name,
    async (...args: unknown[]) => {
      if (broken(name)) throw new StoreError("full", "database or disk is full");
      return (method as (...args: unknown[]) => unknown)(...args);
    },
  ]);
  return Object.fromEntries(methods);
}

describe("a queue", () => {
  test("larger than memory should hold is never held: while the destination is down, only what is on its way is read", async () => {
    let read = 0;
    const store = openMemoryStore();
    const counting: Store = {
      ...store,
      async queued(...args) {
        const rows = await store.queued(...args);
        read += rows.length;
        return rows;
      },
    };
    const rig = await deliverRig({ store: counting, maxRequestBytes: 4_096 });
    rig.backend.answer = () => fails();
    await rig.queue(ids(500));
    await rig.runFor(10 * 60_000);
    expect(read).toBeLessThan(400);
    expect(await rig.queued()).toBe(500);
  });

  test("that is empty is looked at twice a minute, and at once when somebody rings", async () => {
    let looks = 0;
    const store = openMemoryStore();
    const counting: Store = { ...store, queued: (...args) => store.queued(...args).finally(() => (looks += 1)) };
    const rig = await deliverRig({ store: counting });
    const stop = new AbortController();
    const running = rig.deliverer.run(stop.signal, 0);
    await rig.clock.advance(10 * 60_000);
    expect(looks).toBeGreaterThanOrEqual(20);
    expect(looks).toBeLessThanOrEqual(21);
    await rig.queue(["new"]);
    await rig.clock.advance(100);
    expect(await rig.outcomes(["new"])).toEqual(["delivered"]);
    stop.abort();
    await rig.clock.until(running);
  });

  test("is sent oldest first, in requests that are no larger than allowed", async () => {
    const rig = await deliverRig({ maxRequestBytes: 8_192, concurrency: 1 });
    await rig.queue(ids(60));
    await rig.runFor(60_000);
    expect(rig.backend.runIds()).toEqual(ids(60));
    expect(rig.backend.requests.length).toBeGreaterThan(5);
  });

  test("a run that is larger than a request goes alone in several, and where it is interrupted goes on where it was", async () => {
    const rig = await deliverRig({ maxRequestBytes: 8_192, concurrency: 1 });
    rig.backend.answer = () => (rig.backend.requests.length === 2 ? busy() : DELIVERED);
    await rig.queue(["large"], { steps: 60 });
    await rig.runFor(60_000);
    expect(await rig.outcomes(["large"])).toEqual(["delivered"]);
    const sent = rig.backend.requests
      .filter(({ outcome }) => outcome.kind === "delivered")
      .flatMap(({ spans }) => spans.map((span) => span.spanId));
    expect(sent).toHaveLength(61);
    expect(new Set(sent).size).toBe(61);
  });

  test("never more requests are in flight than the destination allows", async () => {
    let inFlight = 0;
    let most = 0;
    const rig = await deliverRig({ maxRequestBytes: 2_048, concurrency: 3 });
    const { destination } = rig.backend;
    const send = destination.send.bind(destination);
    Object.assign(destination, {
      async send(...args: Parameters<typeof send>) {
        inFlight += 1;
        most = Math.max(most, inFlight);
        return send(...args).finally(() => {
          inFlight -= 1;
        });
      },
    });
    await rig.queue(ids(40));
    await rig.runFor(60_000);
    expect([most, await rig.queued()]).toEqual([3, 0]);
  });

  test("an idle destination is not looked at more than once a second", async () => {
    let looks = 0;
    const store = openMemoryStore();
    const looking: Store = {
      ...store,
      queued(...args) {
        looks += 1;
        return store.queued(...args);
      },
    };
    const rig = await deliverRig({ store: looking });
    await rig.runFor(HOUR);
    expect(looks).toBeLessThanOrEqual(3_601);
  });
});

describe("a destination whose encoding was changed", () => {
  test.each([
    ["json", "protobuf"],
    ["protobuf", "json"],
  ] as const)("gets what was queued as %s in %s, span for span", async (before, now) => {
    const native = await deliverRig({ encoding: now });
    await native.queue(ids(3), { steps: 5 });
    await native.runFor(10_000);
    const rig = await deliverRig({ encoding: now });
    await rig.queue(ids(3), { steps: 5, encoding: before });
    await rig.runFor(10_000);
    expect(await rig.outcomes(ids(3))).toEqual(["delivered", "delivered", "delivered"]);
    expect(rig.backend.spans).toEqual(native.backend.spans);
  });
});

describe("the age of spans", () => {
  const hourOld = { maxSpanAge: HOUR - 5_000 } as const; // runs end 10 ms after T0, and each step adds a second

  test("send: nothing is left out", async () => {
    const rig = await deliverRig({ ...hourOld, tooOld: "send" });
    await rig.queue(["old"], { steps: 10 });
    await rig.runFor(1_000);
    expect(await rig.outcomes(["old"])).toEqual(["delivered"]);
    expect(rig.backend.spans.size).toBe(11);
  });

  test("skip_spans: spans past it are left out and counted, times are never shifted", async () => {
    const rig = await deliverRig({ ...hourOld, tooOld: "skip_spans", latency: 0 });
    await rig.queue(["old"], { steps: 10 });
    await rig.runFor(1_000);
    expect(await rig.outcomes(["old"])).toEqual(["delivered"]);
    const spans = rig.backend.requests.flatMap((request) => request.spans);
    const ends = spans.map((span) => Number(span.endTimeUnixNano / 1_000_000n));
    expect(Math.min(...ends)).toBeGreaterThanOrEqual(T0 + 5_000);
    const counts = (await rig.store.status(0)).destinations[0]?.counts ?? {};
    expect(counts["excluded.too_old.spans"]).toBe(11 - spans.length);
    expect(spans.length).toBeGreaterThan(3);
  });

  test.each([
    ["skip_run", 10],
    ["skip_spans", 1],
  ] as const)("%s: a run past it is excluded (too_old), never sent", async (tooOld, steps) => {
    const rig = await deliverRig({ ...hourOld, tooOld });
    await rig.queue(["old"], { steps });
    await rig.runFor(1_000);
    expect(await rig.outcomes(["old"])).toEqual(["excluded (too_old)"]);
    expect(rig.backend.requests).toEqual([]);
  });

  test("a run that gets too old while the destination is down is excluded, and the rest goes on", async () => {
    const rig = await deliverRig({ maxSpanAge: 3 * HOUR, tooOld: "skip_run" });
    rig.backend.answer = () => busy();
    await rig.queue(["old"]);
    await rig.runFor(6 * HOUR);
    await rig.queue(["young"], { run: { createdAt: rig.clock.now() - 10_000, completedAt: rig.clock.now(), groups: [] } });
    rig.backend.answer = () => DELIVERED;
    await rig.runFor(HOUR);
    expect(await rig.outcomes(["old"])).toEqual(["excluded (too_old)"]);
    expect(rig.backend.runIds()).toEqual(["young"]);
  });
});

describe("a state that fails", () => {
  test("to write: nothing is sent twice while the disk is full, and all is settled when it is not", async () => {
    let full = true;
    const rig = await deliverRig({ store: breakable(openMemoryStore(), (method) => full && method === "settle") });
    await rig.queue(ids(5));
    await rig.runFor(HOUR);
    expect(rig.backend.requests).toHaveLength(1);
    full = false;
    await rig.runFor(HOUR);
    expect(rig.backend.requests).toHaveLength(1);
    expect(await rig.outcomes(ids(5))).toEqual(Array(5).fill("delivered"));
  });

  test("to read: the deliverer waits for it, and does not think its queue empty", async () => {
    let broken = true;
    const rig = await deliverRig({ store: breakable(openMemoryStore(), (method) => broken && method === "queued") });
    await rig.queue(ids(2));
    expect(await rig.clock.until(rig.deliverer.drain(30_000, forever))).toMatchObject({ empty: false });
    broken = false;
    expect(await rig.clock.until(rig.deliverer.drain(30_000, forever))).toMatchObject({ empty: true });
    expect(rig.backend.runIds()).toEqual(ids(2));
  });

  test("to show a pause does not matter", async () => {
    const rig = await deliverRig({ store: breakable(openMemoryStore(), (method) => method === "setPaused") });
    rig.backend.answer = () => (rig.backend.requests.length < 2 ? unauthorized : DELIVERED);
    await rig.queue(ids(2));
    await rig.runFor(HOUR);
    expect(await rig.queued()).toBe(0);
  });

  test("a bug in a destination ends the deliverer with that error", async () => {
    const rig = await deliverRig();
    Object.assign(rig.backend.destination, { send: () => Promise.reject(new TypeError("a bug")) });
    await rig.queue(["r"]);
    const running = rig.deliverer.run(forever, 0);
    await expect(rig.clock.until(running)).rejects.toThrow("a bug");
  });
});

describe("drain (--once)", () => {
  test("ends when the queue is empty", async () => {
    const rig = await deliverRig();
    await rig.queue(ids(20));
    expect(await rig.clock.until(rig.deliverer.drain(30_000, forever))).toEqual({ empty: true, quarantined: 0 });
  });

  test("ends at once where the destination is misconfigured, and names why", async () => {
    const rig = await deliverRig();
    rig.backend.answer = () => unauthorized;
    await rig.queue(ids(3));
    const before = rig.clock.monotonic();
    expect(await rig.clock.until(rig.deliverer.drain(30_000, forever))).toEqual({ empty: false, reason: "HTTP 401", quarantined: 0 });
    expect(rig.clock.monotonic() - before).toBeLessThan(5_000);
  });

  test("ends when nothing was accepted for its time, though a batch backs off for longer", async () => {
    const rig = await deliverRig();
    rig.backend.answer = () => busy(3_600_000);
    await rig.queue(ids(3));
    const before = rig.clock.monotonic();
    expect(await rig.clock.until(rig.deliverer.drain(30_000, forever))).toEqual({ empty: false, reason: "HTTP 503", quarantined: 0 });
    expect(rig.clock.monotonic() - before).toBeLessThan(33_000);
  });

  test("goes on for as long as something is accepted now and then", async () => {
    const rig = await deliverRig({ concurrency: 1, maxRequestBytes: 2_048 });
    let n = 0;
    rig.backend.answer = () => {
      n += 1;
      return n % 2 === 0 ? DELIVERED : busy(20_000);
    };
    await rig.queue(ids(20));
    expect(await rig.clock.until(rig.deliverer.drain(30_000, forever))).toMatchObject({ empty: true });
  });

  test("decides what was refused: quarantined, and said so", async () => {
    const rig = await deliverRig();
    rig.backend.answer = (spans) => (spans.some((span) => runIdOf(span) === "r3") ? refuses() : DELIVERED);
    await rig.queue(ids(8));
    expect(await rig.clock.until(rig.deliverer.drain(30_000, forever))).toEqual({ empty: true, quarantined: 1 });
  });

  test("a stop gives what is in flight 5 seconds", async () => {
    const rig = await deliverRig({ latency: 3_000 });
    await rig.queue(["r"]);
    const stop = new AbortController();
    const draining = rig.deliverer.drain(30_000, stop.signal);
    await rig.clock.advance(100);
    stop.abort();
    await rig.clock.until(draining);
    expect(await rig.outcomes(["r"])).toEqual(["delivered"]);
  });
});

describe("a stop", () => {
  test("gives what is in flight its time, and what is not done by then is still queued", async () => {
    const rig = await deliverRig({ latency: 60_000 });
    await rig.queue(["r"]);
    const stop = new AbortController();
    const running = rig.deliverer.run(stop.signal, 5_000);
    await rig.clock.advance(100);
    stop.abort();
    const before = rig.clock.monotonic();
    await rig.clock.until(running);
    expect(rig.clock.monotonic() - before).toBeLessThan(6_000);
    expect(await rig.queued()).toBe(1);
  });
});

test("a destination that is down for a simulated day gets everything once it is back, once", async () => {
  const rig = await deliverRig();
  rig.backend.answer = () => busy();
  for (let hour = 0; hour < 24; hour += 1) {
    await rig.queue(ids(5, `h${hour}-`));
    await rig.runFor(HOUR);
  }
  expect(await rig.queued()).toBe(120);
  rig.backend.answer = () => DELIVERED;
  await rig.runFor(HOUR);
  expect(await rig.queued()).toBe(0);
  expect(rig.backend.requests.filter(({ outcome }) => outcome.kind === "delivered").flatMap(({ spans }) => spans)).toHaveLength(240);
  expect(rig.clock.monotonic()).toBeGreaterThan(DAY);
});
