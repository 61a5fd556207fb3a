import pino from "pino";
import { beforeEach, expect, test, vi } from "vitest";
import { systemClock } from "../../src/pipeline/clock.ts";
import { type JobHandlers, runJobs } from "../../src/pipeline/jobs.ts";
import { type Store, StoreError } from "../../src/state/store.ts";
import { openMemoryStore } from "../support/memory-store.ts";

const log = pino({ level: "silent" });
/** Sleeps a moment, whatever it is asked for. */
const clock = { ...systemClock, sleep: () => new Promise<void>((resolve) => setImmediate(resolve)) };

let store: Store;
beforeEach(() => {
  store = openMemoryStore();
});

const jobs = () => store.jobs(Date.now());

/** Runs until `check` holds. */
async function until(handlers: JobHandlers, check: () => Promise<void>, on: Store = store): Promise<void> {
  const stop = new AbortController();
  const running = runJobs({ store: on, clock, log }, handlers, stop.signal);
  await Promise.race([running, vi.waitFor(check, { interval: 1 })]).finally(() => stop.abort());
  await running;
}

test("a job is done once, with its arguments, and its result is kept", async () => {
  const id = await store.addJob("drop", { ids: [1] }, Date.now());
  const drop = vi.fn(async () => ({ exitCode: 0, progress: { dropped: 1 } }));
  await until({ drop }, async () => expect((await jobs())[0]?.finishedAt).toBeDefined());
  expect(await jobs()).toMatchObject([{ id, exitCode: 0, progress: { dropped: 1 } }]);
  await until({ drop }, async () =>
    expect(drop).toHaveBeenCalledWith({ ids: [1] }, expect.any(Function), expect.any(AbortSignal), undefined),
  );
  expect(drop).toHaveBeenCalledTimes(1);
});

test("a short job does not wait for a long one", async () => {
  await store.addJob("verify", {}, Date.now());
  await store.addJob("drop", {}, Date.now());
  let end = () => {};
  const verify = () =>
    new Promise<{ exitCode: number; progress: object }>((resolve) => {
      end = () => resolve({ exitCode: 1, progress: {} });
    });
  const handlers = { verify, drop: async () => ({ exitCode: 0, progress: {} }) } as JobHandlers;
  await until(handlers, async () => {
    const [long, short] = await jobs();
    expect(short?.exitCode).toBe(0);
    expect(long?.finishedAt).toBeUndefined();
    end();
  });
  expect((await jobs())[0]?.exitCode).toBe(1);
});

test("a job that was stopped is begun again by the next holder", async () => {
  await store.addJob("verify", {}, Date.now());
  const verify = vi.fn<NonNullable<JobHandlers["verify"]>>(async () => undefined);
  await until({ verify }, async () => expect(verify).toHaveBeenCalled());
  expect((await jobs())[0]).toMatchObject({ startedAt: expect.any(Number) });
  expect((await jobs())[0]?.finishedAt).toBeUndefined();
  verify.mockImplementation(async () => ({ exitCode: 0, progress: {} }));
  await until({ verify }, async () => expect((await jobs())[0]?.exitCode).toBe(0));
});

test("a kind of job that nobody here knows is ended with an error, not waited for", async () => {
  await store.addJob("backfill", {}, Date.now());
  await until({}, async () =>
    expect(await jobs()).toMatchObject([{ exitCode: 2, progress: { error: expect.stringContaining("backfill") } }]),
  );
});

test("a state that cannot be used for a while holds up the jobs and nothing else", async () => {
  await store.addJob("drop", {}, Date.now());
  let failures = 3;
  const failing: Store = {
    ...store,
    async jobs(now) {
      failures -= 1;
      if (failures > 0) throw new StoreError("busy", "canary");
      return store.jobs(now);
    },
  };
  const drop = vi
    .fn<NonNullable<JobHandlers["drop"]>>()
    .mockRejectedValueOnce(new StoreError("full", "canary"))
    .mockResolvedValue({ exitCode: 0, progress: {} });
  await until({ drop }, async () => expect((await jobs())[0]?.exitCode).toBe(0), failing);
  expect(drop).toHaveBeenCalledTimes(2);
});

test("a bug in a job is a bug: it ends the loop", async () => {
  await store.addJob("drop", {}, Date.now());
  const drop = () => Promise.reject(new TypeError("canary"));
  await expect(runJobs({ store, clock, log }, { drop }, new AbortController().signal)).rejects.toThrow("canary");
});
