import type { Config } from "../config/schema.ts";
import type { Destination } from "../destinations/destination.ts";
import type { Clock } from "../pipeline/clock.ts";
import type { Cycle, SourceContext } from "../pipeline/context.ts";
import type { Reply, RunSource } from "../sources/source.ts";
import type { LiveSource } from "../telemetry/build-status.ts";
import type { Health, Heartbeat } from "../telemetry/health.ts";

/** Wraps the parts of the running bridge so that health and status can be told from outside: what they do stays as it is. */

/** A cycle of reading sleeps at most its interval; one request may be tried several times for up to 30 s each. */
const SOURCE_TIMEOUT_MS = 300_000;
/** A deliverer says how long it means to sleep; else it bisects, request by request. */
const DELIVER_TIMEOUT_MS = 60_000;
/** The rate of ended runs is taken over so long, in ms. */
const RATE_WINDOW_MS = 300_000;

/** Every sleep is a sign of life. */
export function beatingClock(clock: Clock, heartbeat: Heartbeat): Clock {
  return {
    ...clock,
    async sleep(ms, signal) {
      heartbeat.beat(ms);
      await clock.sleep(ms, signal);
      heartbeat.beat();
    },
  };
}

export interface ObservedSource {
  readonly context: SourceContext;
  live(): LiveSource;
}

/** The source's context with signs of life at each request and sleep, and what `status` shows of it. */
export function observeSource(original: SourceContext, health: Health): ObservedSource {
  const { source, clock, server, config } = original;
  const held = () => (source.budget().pausedUntil ?? 0) > clock.now();
  const heartbeat = health.loop(`source ${config.name}`, SOURCE_TIMEOUT_MS, held);
  const firstPoll = `first poll of ${config.name}`;
  health.condition(firstPoll, "not done yet");
  const rate = createRate(clock.monotonic);
  let completeAt: number | undefined;
  let paused: LiveSource["paused"];
  const onCycle = ({ startedAt, collected, troubles }: Cycle) => {
    rate.add(collected);
    const trouble = troubles.find(({ kind }) => kind !== "aborted");
    const storage = troubles.find(({ kind }) => kind === "storage");
    health.condition(`state for ${config.name}`, storage?.message);
    if (troubles.length === 0) completeAt = startedAt;
    if (completeAt !== undefined) health.condition(firstPoll, undefined);
    else if (trouble !== undefined) health.condition(firstPoll, trouble.message);
    paused = trouble && { reason: trouble.message, since: paused?.since ?? clock.now() };
  };
  return {
    context: { ...original, source: beatingSource(source, heartbeat), clock: beatingClock(clock, heartbeat), onCycle },
    live: () => ({
      budget: source.budget(),
      skew: server.skew(),
      lag: completeAt === undefined ? undefined : Math.round(clock.monotonic() - completeAt),
      paused,
      runsPerSecond: rate.perSecond(),
    }),
  };
}

function beatingSource(source: RunSource, heartbeat: Heartbeat): RunSource {
  const beating = async <T>(asked: Promise<Reply<T>>): Promise<Reply<T>> => {
    heartbeat.beat();
    const reply = await asked;
    heartbeat.beat();
    return reply;
  };
  return {
    ...source,
    list: (query, purpose, signal) => beating(source.list(query, purpose, signal)),
    fetch: (keys, purpose, signal) => beating(source.fetch(keys, purpose, signal)),
    events: (query, purpose, signal) => beating(source.events(query, purpose, signal)),
  };
}

/** A destination with signs of life at each request; `clock` is for its deliverer and its bell. */
export function observeDestination(
  config: Config["destinations"][number],
  destination: Destination,
  original: Clock,
  health: Health,
): { readonly destination: Destination; readonly clock: Clock } {
  const timeout = config.type === "otlp-http" ? config.timeout : 0;
  const heartbeat = health.loop(`destination ${config.name}`, DELIVER_TIMEOUT_MS + timeout);
  const send: Destination["send"] = async (body, signal) => {
    heartbeat.beat();
    const outcome = await destination.send(body, signal);
    heartbeat.beat();
    return outcome;
  };
  return { destination: { ...destination, send }, clock: beatingClock(original, heartbeat) };
}

/** How many of something happened per second over the last minutes. */
function createRate(monotonic: () => number) {
  const startedAt = monotonic();
  let events: { readonly at: number; readonly count: number }[] = [];
  const recent = () => {
    events = events.filter((event) => event.at > monotonic() - RATE_WINDOW_MS);
    return events;
  };
  return {
    add(count: number): void {
      if (count > 0) recent().push({ at: monotonic(), count });
    },
    perSecond(): number {
      const seconds = Math.max(1, Math.min(monotonic() - startedAt, RATE_WINDOW_MS) / 1_000);
      return recent().reduce((sum, { count }) => sum + count, 0) / seconds;
    },
  };
}
