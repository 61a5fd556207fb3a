import { backoff } from "./backoff.ts";
import type { SourceContext } from "./context.ts";
import { type CycleReport, pollCycle } from "./poll.ts";
import { openReader, type Reader } from "./reader.ts";
import { guarded, type Trouble } from "./trouble.ts";
import { createWake } from "./wake.ts";

/** A source that showed nothing new for this long is polled at `poll_interval_idle`. */
const IDLE_AFTER_MS = 600_000;
/** A source that refuses or fails is asked again after at most this. */
const TROUBLE_CAP_MS = 60_000;
/** A clock that is further off is warned about; and again once it has gone as far from what was said. */
const SKEW_LIMIT_MS = 30_000;

export interface SourceLoop {
  readonly name: string;
  readonly context: SourceContext;
  /** Polls at once, then at the interval, until `signal` is aborted. */
  run(signal: AbortSignal): Promise<void>;
  /** One complete cycle: everything listed, every open run asked for. */
  once(signal: AbortSignal): Promise<CycleReport>;
  /** What the source is read with, also for work beside the loop; opened once. @throws StoreError */
  reader(signal: AbortSignal): Promise<Reader | { readonly trouble: Trouble }>;
  /** Ends the wait for the next cycle: a secret was renewed. */
  readonly wakeUp: () => void;
}

interface LoopState {
  reader?: Promise<Reader | { readonly trouble: Trouble }> | undefined;
  failures: number;
  /** On the monotonic clock. */
  activeAt: number;
  skewSaid: number;
}

export function createSourceLoop(context: SourceContext): SourceLoop {
  const { clock, source } = context;
  const loop: LoopState = { failures: 0, activeAt: clock.monotonic(), skewSaid: 0 };
  const wake = createWake(clock);
  return {
    name: source.name,
    context,
    async run(signal) {
      while (!signal.aborted) {
        const startedAt = clock.monotonic();
        const report = await cycle(context, loop, false, signal);
        const pause = await pauseAfter(context, loop, report, clock.monotonic() - startedAt);
        if (!signal.aborted && pause > 0) await wake.wait(pause, signal);
      }
    },
    once: (signal) => cycle(context, loop, true, signal),
    reader: (signal) => readerOf(context, loop, signal),
    wakeUp: wake.ring,
  };
}

async function cycle(context: SourceContext, loop: LoopState, everything: boolean, signal: AbortSignal): Promise<CycleReport> {
  const startedAt = context.clock.monotonic();
  const report = await read(context, loop, everything, signal);
  noteReport(context, loop, report);
  context.onCycle?.({ ...report, startedAt });
  return report;
}

async function read(context: SourceContext, loop: LoopState, everything: boolean, signal: AbortSignal): Promise<CycleReport> {
  const opened = await guarded(() => readerOf(context, loop, signal));
  if ("trouble" in opened) return { collected: 0, fresh: 0, troubles: [opened.trouble] };
  return pollCycle(opened, everything, signal);
}

/** One reader, whoever asks first: the first start fixes the epoch once. */
async function readerOf(context: SourceContext, loop: LoopState, signal: AbortSignal): Promise<Reader | { readonly trouble: Trouble }> {
  loop.reader ??= openReader(context, signal);
  const opening = loop.reader;
  const forget = () => {
    if (loop.reader === opening) loop.reader = undefined;
  };
  opening.then((opened) => "trouble" in opened && forget(), forget);
  return opening;
}

/** How long until the next cycle, in ms. @param took how long this one took */
async function pauseAfter(
  { config, clock, store, source, server }: SourceContext,
  loop: LoopState,
  report: CycleReport,
  took: number,
): Promise<number> {
  const { poll_interval: usual } = config;
  if (report.troubles.length > 0) {
    loop.failures += 1;
    return Math.max(usual, backoff(loop.failures - 1, clock.random(), usual, TROUBLE_CAP_MS));
  }
  loop.failures = 0;
  if (report.fresh > 0 || report.collected > 0) loop.activeAt = clock.monotonic();
  if (clock.monotonic() - loop.activeAt < IDLE_AFTER_MS) return usual - took;
  const idle = Math.max(usual, config.poll_interval_idle) - took;
  const due = await guarded(async () => ({ at: await store.nextDue(source.name) }));
  const next = "at" in due && due.at !== undefined ? due.at - server.now() : idle;
  return Math.min(idle, Math.max(usual - took, next));
}

function noteReport({ log, source, server }: SourceContext, loop: LoopState, report: CycleReport): void {
  if (report.collected > 0) log.info({ source: source.name, runs: report.collected }, "collected");
  for (const trouble of report.troubles) {
    if (trouble.kind === "aborted") continue;
    const level = trouble.kind === "unavailable" ? "warn" : "error";
    log[level]({ source: source.name, reason: trouble.message }, "reading is held up; nothing is lost, it is read again");
  }
  const skew = server.skew() ?? 0;
  const news = Math.abs(skew - loop.skewSaid) > SKEW_LIMIT_MS;
  if (news && Math.abs(skew) > SKEW_LIMIT_MS)
    log.warn({ source: source.name, seconds: Math.round(skew / 1_000) }, "this machine's clock is off");
  if (news) loop.skewSaid = skew;
}
