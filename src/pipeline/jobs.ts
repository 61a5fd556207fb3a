import type { Logger } from "pino";
import type { Job, JobKind } from "../state/job.ts";
import { type Store, StoreError } from "../state/store.ts";
import type { Clock } from "./clock.ts";

/**
 * Work that commands leave in the state for whoever holds the worker's role. A job that was begun and not
 * finished (the process ended) is begun again by the next holder: every handler must bear that.
 */

/** How often the jobs are looked at, in ms: they come from other processes, which cannot ring. */
const LOOK_EVERY_MS = 4_000;
/** A job's progress is written this often at most, in ms. */
const REPORT_EVERY_MS = 1_000;

export interface JobResult {
  readonly exitCode: number;
  readonly progress: Readonly<Record<string, unknown>>;
}

/**
 * Does one job. `before` is what it reported when it was begun earlier. `report` shows how far it is (at most once a second is written). Undefined: it was stopped and is to
 * be done again. @throws StoreError where the state cannot be used now: it is tried again
 */
export type JobHandler = (
  args: Job["args"],
  report: (progress: Readonly<Record<string, unknown>>) => Promise<void>,
  signal: AbortSignal,
  before?: Job["progress"],
) => Promise<JobResult | undefined>;

export type JobHandlers = Readonly<Partial<Record<JobKind, JobHandler>>>;

export interface JobContext {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Takes up jobs until `signal` is aborted; several at a time, so that a short one never waits behind a long one. */
export async function runJobs(context: JobContext, handlers: JobHandlers, signal: AbortSignal): Promise<void> {
  const { store, clock } = context;
  const running = new Map<number, Promise<void>>();
  const failure = new AbortController();
  while (!signal.aborted && !failure.signal.aborted) {
    for (const job of await pending(store, clock.now())) {
      if (running.has(job.id)) continue;
      const done = runJob(context, handlers[job.kind], job, signal).finally(() => running.delete(job.id));
      done.catch((error: unknown) => failure.abort(error));
      running.set(job.id, done);
    }
    await clock.sleep(LOOK_EVERY_MS, signal);
  }
  await Promise.all(running.values());
  failure.signal.throwIfAborted();
}

/** A state that cannot be read now holds up nothing but the jobs. */
async function pending(store: Store, now: number): Promise<readonly Job[]> {
  try {
    return (await store.jobs(now)).filter((job) => job.finishedAt === undefined);
  } catch (error) {
    if (error instanceof StoreError) return [];
    throw error;
  }
}

/** Does it now, as far as it comes: what is not finished afterwards is to be begun again. */
export async function runJob(context: JobContext, handler: JobHandler | undefined, job: Job, signal: AbortSignal): Promise<void> {
  const { store, clock, log } = context;
  let writtenAt = clock.monotonic();
  const report = async (progress: Readonly<Record<string, unknown>>) => {
    if (clock.monotonic() - writtenAt < REPORT_EVERY_MS) return;
    writtenAt = clock.monotonic();
    await store.updateJob(job.id, { progress });
  };
  try {
    await store.updateJob(job.id, { startedAt: clock.now() });
    log.info({ job: job.id, kind: job.kind }, "a job begins");
    const result = handler === undefined ? unknownKind(job.kind) : await handler(job.args, report, signal, job.progress);
    if (result === undefined) return;
    await store.updateJob(job.id, { ...result, finishedAt: clock.now() });
    log.info({ job: job.id, kind: job.kind, exitCode: result.exitCode }, "a job is done");
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    log.error({ job: job.id, kind: job.kind, error: error.message }, "the state cannot be written: the job is tried again");
  }
}

const unknownKind = (kind: string): JobResult => ({ exitCode: 2, progress: { error: `the running bridge knows no job ${kind}` } });
