import { backoff } from "./backoff.ts";
import type { SourceContext } from "./context.ts";
import { type CycleReport, type PollMemory, pollCycle } from "./poll.ts";
import { openReader, type Reader } from "./reader.ts";

/** A source that showed nothing new for this long is polled at `poll_interval_idle`. */
const IDLE_AFTER_MS = 600_000;
/** A source that refuses or fails is asked again after at most this. */
const TROUBLE_CAP_MS = 60_000;

export interface SourceLoop {
  readonly name: string;
  /** Polls at once, then at the interval, until `signal` is aborted. */
  run(signal: AbortSignal): Promise<void>;
  /** One complete cycle: everything listed, every open run asked for. */
  once(signal: AbortSignal): Promise<CycleReport>;
  /** Ends the wait for the next cycle: a secret was renewed. */
  readonly wakeUp: () => void;
}

export function createSourceLoop(context: SourceContext): SourceLoop {
  let wake = new AbortController();
  return {
    name: context.source.name,
    async run(signal) {
      const memory: PollMemory = {};
      const pace = { failures: 0, activeAt: context.clock.monotonic() };
      const reader = await openReader(context);
      while (!signal.aborted) {
        const startedAt = context.clock.monotonic();
        const report = await pollCycle(reader, memory, false, signal);
        logCycle(context, report);
        context.onCycle?.({ ...report, startedAt });
        const interval = nextInterval(reader, report, pace);
        wake = new AbortController();
        const left = interval - (context.clock.monotonic() - startedAt);
        if (!signal.aborted && left > 0) await context.clock.sleep(left, AbortSignal.any([signal, wake.signal]));
      }
    },
    async once(signal) {
      const report = await pollCycle(await openReader(context), {}, true, signal);
      logCycle(context, report);
      return report;
    },
    wakeUp: () => wake.abort(),
  };
}

function nextInterval({ context }: Reader, report: CycleReport, pace: { failures: number; activeAt: number }): number {
  const { config, clock } = context;
  if (report.troubles.length > 0) {
    pace.failures += 1;
    return Math.max(config.poll_interval, backoff(pace.failures - 1, clock.random(), config.poll_interval, TROUBLE_CAP_MS));
  }
  pace.failures = 0;
  if (report.fresh > 0 || report.collected > 0) pace.activeAt = clock.monotonic();
  const idle = clock.monotonic() - pace.activeAt >= IDLE_AFTER_MS;
  return idle ? Math.max(config.poll_interval, config.poll_interval_idle) : config.poll_interval;
}

function logCycle({ log, source, server }: SourceContext, report: CycleReport): void {
  if (report.collected > 0) log.info({ source: source.name, runs: report.collected }, "collected");
  for (const trouble of report.troubles) {
    if (trouble.kind === "aborted") continue;
    const level = trouble.kind === "unavailable" ? "warn" : "error";
    log[level]({ source: source.name, reason: trouble.message }, "reading is held up; nothing is lost, it is read again");
  }
  const skew = server.skew();
  if (skew !== undefined && Math.abs(skew) > SKEW_LIMIT_MS)
    log.warn({ source: source.name, seconds: Math.round(skew / 1_000) }, "this machine's clock is off");
}

const SKEW_LIMIT_MS = 30_000;
