import type { Millis } from "../model/run.ts";
import type { BudgetSnapshot } from "../sources/source.ts";
import { OPEN_AGES_MS, type StoreStatus } from "../state/report.ts";
import type { Verdict } from "./health.ts";
import type { DestinationStatus, SourceStatus, Status } from "./status.ts";

/** The status document out of what the state knows and, where the bridge runs, what only it knows. */
export interface StatusFacts {
  readonly version: string;
  readonly now: Millis;
  readonly daemon?: { readonly startedAt: Millis; readonly live: Verdict; readonly ready: Verdict };
  /** Absent while the state is not ours to read: the daemon waits for the lock. */
  readonly store?: StoreStatus;
  readonly sources: readonly SourceFacts[];
  readonly destinations: readonly DestinationFacts[];
  /** `state.max_size`. */
  readonly maxBytes: number;
}

/** A source of the configuration; `live` only of the running bridge. */
export interface SourceFacts {
  readonly name: string;
  readonly maxRequestsPerSecond: number;
  readonly feedOff: boolean;
  readonly retention: number | undefined;
  readonly live?: LiveSource;
}

export interface LiveSource {
  readonly budget: BudgetSnapshot;
  /** Own clock minus the API's, ms. */
  readonly skew: number | undefined;
  /** Age of the last complete reading, ms. */
  readonly lag: number | undefined;
  readonly paused: { readonly reason: string; readonly since: Millis } | undefined;
  /** Runs that ended, per second, over the last minutes. */
  readonly runsPerSecond: number;
}

export interface DestinationFacts {
  readonly name: string;
  readonly live?: { readonly inFlight: number; readonly paused: string | undefined };
}

/**
 * How many runs one request carries in the long run, the safety nets included; measured by `npm run simulate` (README,
 * "What one bridge can follow") at 10 requests/s: with the feed 5.0 requests/s fetch 50 runs/s while a sweep and a lookback
 * are under way; without it 35 runs/s were followed well.
 */
const RUNS_PER_REQUEST = { withFeed: 5, withoutFeed: 3.5 } as const;

type StoredSource = StoreStatus["sources"][number];
type StoredDestination = StoreStatus["destinations"][number];

export function buildStatus(facts: StatusFacts): Status {
  const { store, now, daemon } = facts;
  const stored = store?.sources ?? [];
  const known = store?.destinations ?? [];
  return {
    version: facts.version,
    time: iso(now),
    daemon: daemon === undefined ? null : daemonStatus(daemon),
    sources: named(facts.sources, stored).map((name) =>
      sourceStatus(
        name,
        facts.sources.find((one) => one.name === name),
        stored.find((one) => one.name === name),
      ),
    ),
    destinations: named(facts.destinations, known).map((name) =>
      destinationStatus(
        name,
        facts.destinations.find((one) => one.name === name),
        known.find((one) => one.name === name),
        now,
      ),
    ),
    state:
      store === undefined
        ? null
        : {
            live_bytes: store.size.liveBytes,
            payload_bytes: store.size.payloadBytes,
            quarantine_bytes: store.size.quarantineBytes,
            event_bytes: store.size.eventBytes,
            max_bytes: facts.maxBytes,
          },
  };
}

/** In the order of the configuration; then what only the state still knows. */
function named(configured: readonly { readonly name: string }[], stored: readonly { readonly name: string }[]): string[] {
  return [...new Set([...configured, ...stored].map((one) => one.name))];
}

function daemonStatus({ startedAt, live, ready }: NonNullable<StatusFacts["daemon"]>): NonNullable<Status["daemon"]> {
  const missing = Object.entries({ ...live.checks, ...ready.checks }).filter(([, said]) => said !== "ok");
  return { started_at: iso(startedAt), live: live.ok, ready: ready.ok, not_ready: Object.fromEntries(missing) };
}

function sourceStatus(name: string, facts: SourceFacts | undefined, stored: StoredSource | undefined): SourceStatus {
  const { state, counts = {} } = stored ?? {};
  const { live } = facts ?? {};
  const { sweep } = state ?? {};
  const byAge = OPEN_AGES_MS.map((from, i) => ({ from_ms: from, runs: stored?.openByAge[i] ?? 0 }));
  const watched = (stored?.watched ?? []).map(
    ({ reason, count, oldestCreatedAt, oldestEndedAt }) =>
      [reason, { runs: count, oldest_created_at: iso(oldestCreatedAt), oldest_ended_at: iso(oldestEndedAt) }] as const,
  );
  return {
    name,
    epoch: instant(state?.epoch),
    watermark: instant(state?.watermark),
    lag_ms: live?.lag ?? null,
    feed: feedStatus(facts, state?.feed),
    paused: live?.paused === undefined ? null : { reason: live.paused.reason, since: iso(live.paused.since) },
    open: { runs: byAge.reduce((sum, { runs }) => sum + runs, 0), by_age: byAge },
    watched: Object.fromEntries(watched),
    budget: live === undefined ? null : budgetStatus(live.budget),
    capacity: capacityOf(facts),
    sweep: {
      running: sweep?.startedAt !== undefined && (sweep.finishedAt ?? 0) < sweep.startedAt,
      started_at: instant(sweep?.startedAt),
      finished_at: instant(sweep?.finishedAt),
      repaired: sweep?.repaired ?? 0,
    },
    retention: { configured_ms: facts?.retention ?? null, learned_ms: state?.learnedRetentionMs ?? null },
    clock_skew_ms: live?.skew ?? null,
    discovered: counts.discovered ?? 0,
    collected: counts.collected ?? 0,
    gone: counts.gone ?? 0,
    unreadable: counts.unreadable ?? 0,
    excluded: excluded(counts),
    detail_lost: counts["events.dropped"] ?? 0,
  };
}

function feedStatus(facts: SourceFacts | undefined, feed: NonNullable<StoredSource["state"]["feed"]> | undefined): SourceStatus["feed"] {
  if (facts?.feedOff) return { status: "off", reason: "completion_feed: off", since: null, retry_at: null };
  return {
    status: feed?.status ?? "unknown",
    reason: feed?.reason ?? null,
    since: instant(feed?.since),
    retry_at: instant(feed?.retryAt),
  };
}

function budgetStatus(budget: BudgetSnapshot): NonNullable<SourceStatus["budget"]> {
  return {
    allowed_per_second: round(budget.allowed),
    ceiling_per_second: round(budget.ceiling),
    foreign_per_second: round(budget.foreign),
    paused_until: instant(budget.pausedUntil),
    used_last_minute: { ...budget.used },
  };
}

/** What the budget can carry, and how much of that is used now. */
function capacityOf(facts: SourceFacts | undefined): SourceStatus["capacity"] {
  const { live } = facts ?? {};
  const requests = live?.budget.ceiling ?? facts?.maxRequestsPerSecond ?? 0;
  const ceiling = (runsPerRequest: number) => {
    const most = requests * runsPerRequest;
    return { runs_per_second: round(most), used: live === undefined || most === 0 ? null : round(live.runsPerSecond / most) };
  };
  return {
    runs_per_second: live === undefined ? null : round(live.runsPerSecond),
    with_feed: ceiling(RUNS_PER_REQUEST.withFeed),
    without_feed: ceiling(RUNS_PER_REQUEST.withoutFeed),
  };
}

function destinationStatus(
  name: string,
  facts: DestinationFacts | undefined,
  stored: StoredDestination | undefined,
  now: Millis,
): DestinationStatus {
  const counts = stored?.counts ?? {};
  return {
    name,
    queued: {
      runs: stored?.queued ?? 0,
      bytes: stored?.queuedBytes ?? 0,
      oldest_at: instant(stored?.oldestQueuedAt),
      oldest_ms: stored?.oldestQueuedAt === undefined ? null : Math.max(0, now - stored.oldestQueuedAt),
    },
    in_flight: facts?.live?.inFlight ?? null,
    paused: pausedStatus(facts?.live, stored?.paused),
    quarantined: stored?.quarantined ?? 0,
    delivered: {
      runs: counts.delivered ?? 0,
      partial: counts.partial ?? 0,
      quarantined: counts.quarantined ?? 0,
      spans: counts.spans ?? 0,
      bytes: counts.bytes ?? 0,
    },
    excluded: excluded(counts),
    removed_at: instant(stored?.removedAt),
  };
}

/** The running bridge knows best; since when, only the state. */
function pausedStatus(live: DestinationFacts["live"], stored: StoredDestination["paused"]): DestinationStatus["paused"] {
  const reason = live === undefined ? stored?.reason : live.paused;
  return reason === undefined ? null : { reason, since: instant(stored?.since) };
}

const EXCLUDED = "excluded.";

function excluded(counts: Readonly<Record<string, number>>): Record<string, number> {
  const own = Object.entries(counts).filter(([name]) => name.startsWith(EXCLUDED));
  return Object.fromEntries(own.map(([name, value]) => [name.slice(EXCLUDED.length), value]));
}

/** Times from a hostile log may lie outside what a date can say. */
function iso(time: Millis): string {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? "unknown" : date.toISOString();
}

const instant = (time: Millis | undefined): string | null => (time === undefined ? null : iso(time));

/** Three decimals are enough for rates and shares. */
const round = (value: number): number => Math.round(value * 1_000) / 1_000;
