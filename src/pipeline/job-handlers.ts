import * as z from "zod";
import { type BackfillArgs, backfillSchema, backfillSource } from "./backfill.ts";
import { leftSchema, type SourceBackfill } from "./backfill-progress.ts";
import type { Clock } from "./clock.ts";
import type { SourceContext } from "./context.ts";
import type { JobHandler, JobHandlers, JobResult } from "./jobs.ts";
import type { SourceLoop } from "./loop.ts";
import { type SourceVerification, verifySource } from "./verify.ts";

/** What the holder of the worker's role does for other commands. Each may be begun again after a crash. */

/** Arguments as they stand in the job's row. */
const idsSchema = z.object({ ids: z.array(z.int().positive()) });
const verifySchema = z.object({ from: z.number(), to: z.number(), repair: z.boolean() });

export interface HandlerContext {
  readonly sources: readonly SourceContext[];
  readonly loops: readonly Pick<SourceLoop, "name" | "context" | "reader">[];
  readonly clock: Clock;
  /** Tells every reader and deliverer that there is something to do. */
  readonly wakeUp: () => void;
}

/** A run that ended within this may not have been read yet by the running bridge: twice the idle interval's default. */
const UNREAD_MS = 120_000;

export function createHandlers(context: HandlerContext & Pick<SourceContext, "store">): JobHandlers {
  const { store, clock, wakeUp } = context;
  return {
    requeue: withArgs(idsSchema, async ({ ids }) => {
      const requeued = await store.requeue(ids, clock.now());
      wakeUp();
      return { exitCode: 0, progress: { ...requeued } };
    }),
    drop: withArgs(idsSchema, async ({ ids }) => ({ exitCode: 0, progress: { dropped: await store.dropQuarantined(ids) } })),
    verify: withArgs(verifySchema, async (args, report, signal) => {
      const window = { ...args, unreadSince: clock.now() - UNREAD_MS };
      const verified = await verifyAll(context.sources, window, (listed) => report({ listed }), signal);
      if (signal.aborted) return undefined;
      return { exitCode: isComplete(verified) ? 0 : 1, progress: { sources: verified } };
    }),
    backfill: withArgs(backfillSchema, async (args, report, signal, before) => {
      const sources = await backfillAll(context.loops, args, before, (now) => report({ sources: now }), signal);
      if (signal.aborted) return undefined;
      return { exitCode: sources.every(isBackfilled) ? 0 : 1, progress: { sources } };
    }),
  };
}

/** All sources at once: each has a request budget of its own. @throws StoreError */
export async function backfillAll(
  loops: HandlerContext["loops"],
  args: BackfillArgs,
  before: Readonly<Record<string, unknown>> | undefined,
  report: (sources: readonly SourceBackfill[]) => Promise<void>,
  signal: AbortSignal,
): Promise<SourceBackfill[]> {
  const left = leftSchema.safeParse(before).data?.sources ?? [];
  const latest = new Map<string, SourceBackfill>();
  return Promise.all(
    loops.map((loop) => {
      const own = left.find(({ source }) => source === loop.name);
      const note = (now: SourceBackfill) => report([...latest.set(loop.name, now).values()]);
      return backfillSource(loop, args, own, note, signal);
    }),
  );
}

/** Everything was listed, all that was shown could be read, and nothing that has ended waits: that is not delivered yet. */
export function isBackfilled(source: SourceBackfill): boolean {
  return isRead(source) && source.counts.waiting === 0;
}

/** Everything was listed, and all that was shown could be read. */
export function isRead({ complete, counts }: SourceBackfill): boolean {
  return complete && counts.unreadable === 0 && counts.lost === 0;
}

/** One source after the other. */
export async function verifyAll(
  sources: readonly SourceContext[],
  window: Parameters<typeof verifySource>[1],
  report: (listed: number) => Promise<void>,
  signal: AbortSignal,
): Promise<SourceVerification[]> {
  const verified: SourceVerification[] = [];
  let before = 0;
  for (const source of sources) {
    const one = await verifySource(source, window, (listed) => report(before + listed), signal);
    before += one.listed;
    verified.push(one);
  }
  return verified;
}

/** Everything was listed, and nothing is missing. */
export function isComplete(verified: readonly SourceVerification[]): boolean {
  return verified.every(({ missing, trouble }) => missing.runs === 0 && trouble === undefined);
}

type Work<T> = (args: T, ...rest: Parameters<JobHandler> extends [unknown, ...infer R] ? R : never) => Promise<JobResult | undefined>;

/** A row that another version wrote may hold anything. */
function withArgs<T>(schema: z.ZodType<T>, work: Work<T>): JobHandler {
  return async (args, ...rest) => {
    const parsed = schema.safeParse(args);
    if (!parsed.success) return { exitCode: 2, progress: { error: "the running bridge does not understand the job" } };
    return work(parsed.data, ...rest);
  };
}
