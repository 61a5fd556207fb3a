import type { Labels, MetricName } from "./metrics-table.ts";
import type { DestinationStatus, SourceStatus, Status } from "./status.ts";

export interface Sample<Name extends MetricName = MetricName> {
  readonly name: Name;
  readonly labels: Record<string, string>;
  readonly value: number;
}

/**
 * What `/metrics` takes from the status document at each scrape. Nothing is said of sources and destinations while the
 * state is not ours: a bridge that waits for another must not look like one whose counters began again.
 */
export function statusSamples(status: Status): Sample[] {
  const { daemon, state } = status;
  const about = [sample("wfotel_build_info", { version: status.version }, 1), sample("wfotel_ready", {}, flag(daemon?.ready))];
  if (state === null) return about;
  const now = Date.parse(status.time);
  return [
    ...about,
    sample("wfotel_state_bytes", { kind: "live" }, state.live_bytes),
    sample("wfotel_state_bytes", { kind: "payload" }, state.payload_bytes),
    sample("wfotel_state_bytes", { kind: "quarantine" }, state.quarantine_bytes),
    sample("wfotel_state_bytes", { kind: "events" }, state.event_bytes),
    sample("wfotel_state_max_bytes", {}, state.max_bytes),
    ...status.sources.flatMap((source) => [...runSamples(source, now), ...readingSamples(source, now), ...budgetSamples(source)]),
    ...status.destinations.flatMap(destinationSamples),
  ];
}

function sample<Name extends MetricName>(name: Name, labels: Labels<Name>, value: number): Sample {
  return { name, labels, value };
}

/** None where the status document does not know. */
function known<Name extends MetricName>(name: Name, labels: Labels<Name>, value: number | null): Sample[] {
  return value === null || Number.isNaN(value) ? [] : [sample(name, labels, value)];
}

const flag = (value: boolean | undefined): number => (value === true ? 1 : 0);
const seconds = (ms: number | null): number | null => (ms === null ? null : ms / 1_000);
const ageOf = (instant: string | null, now: number): number | null => (instant === null ? null : Math.max(0, now - Date.parse(instant)));

function runSamples(status: SourceStatus, now: number): Sample[] {
  const source = status.name;
  return [
    sample("wfotel_source_runs_discovered_total", { source }, status.discovered),
    sample("wfotel_source_runs_collected_total", { source }, status.collected),
    sample("wfotel_source_runs_gone_total", { source }, status.gone),
    sample("wfotel_source_runs_unreadable_total", { source }, status.unreadable),
    sample("wfotel_source_runs_detail_lost_total", { source }, status.detail_lost),
    sample("wfotel_source_sweep_repaired_total", { source }, status.sweep.repaired),
    ...byReason(status.excluded).map(([reason, runs]) => sample("wfotel_source_runs_excluded_total", { source, reason }, runs)),
    ...status.open.by_age.map(({ from_ms, runs }) => sample("wfotel_source_open_runs", { source, age_from: ageLabel(from_ms) }, runs)),
    ...Object.entries(status.watched).flatMap(([reason, { runs, oldest_created_at }]) => [
      sample("wfotel_source_watched_runs", { source, reason }, runs),
      ...known("wfotel_source_watched_oldest_seconds", { source, reason }, seconds(ageOf(oldest_created_at, now))),
    ]),
  ];
}

function readingSamples(status: SourceStatus, now: number): Sample[] {
  const source = status.name;
  const { retention, sweep } = status;
  const finishedAt = sweep.finished_at === null ? null : Date.parse(sweep.finished_at);
  return [
    sample("wfotel_source_paused", { source }, flag(status.paused !== null)),
    sample("wfotel_source_feed_trusted", { source }, flag(status.feed.status === "trusted")),
    ...known("wfotel_source_poll_lag_seconds", { source }, seconds(status.lag_ms)),
    ...known("wfotel_source_clock_skew_seconds", { source }, seconds(status.clock_skew_ms)),
    ...known("wfotel_source_sweep_finished_timestamp_seconds", { source }, seconds(finishedAt)),
    ...known("wfotel_source_retention_seconds", { source }, seconds(retention.configured_ms ?? retention.learned_ms)),
    ...known("wfotel_source_retention_learned_seconds", { source }, seconds(retention.learned_ms)),
    ...known("wfotel_source_retention_headroom_seconds", { source }, seconds(headroom(status, now))),
  ];
}

/** Runs that ended and of which no payload was read. One that waits for a verdict has its own deadline, long before. */
const UNREAD: ReadonlySet<string> = new Set(["ended", "ancestor", "room", "refetch"]);

/**
 * In ms: what the API keeps, less how long ago the oldest thing ended that was not read yet. What ended since the last complete
 * reading was not; before the first one of this process, the age of the watermark is the most that can be said.
 */
function headroom(status: SourceStatus, now: number): number | null {
  const keeps = status.retention.configured_ms ?? status.retention.learned_ms;
  if (keeps === null) return null;
  const unread = Object.entries(status.watched).flatMap(([reason, { oldest_ended_at }]) =>
    UNREAD.has(reason) ? (ageOf(oldest_ended_at, now) ?? 0) : [],
  );
  return keeps - Math.max(status.lag_ms ?? ageOf(status.watermark, now) ?? 0, ...unread);
}

function budgetSamples({ name: source, budget, capacity, feed }: SourceStatus): Sample[] {
  if (budget === null) return [];
  const way = feed.status === "trusted" ? capacity.with_feed : capacity.without_feed;
  const used = Object.values(budget.used_last_minute).reduce((sum, requests) => sum + requests, 0) / 60;
  return [
    sample("wfotel_source_budget_allowed_requests_per_second", { source }, budget.allowed_per_second),
    sample("wfotel_source_budget_ceiling_requests_per_second", { source }, budget.ceiling_per_second),
    sample("wfotel_source_budget_foreign_requests_per_second", { source }, budget.foreign_per_second),
    sample("wfotel_source_budget_used_ratio", { source }, used / Math.max(budget.ceiling_per_second, Number.MIN_VALUE)),
    sample("wfotel_source_capacity_runs_per_second", { source }, way.runs_per_second),
    ...known("wfotel_source_capacity_used_ratio", { source }, way.used),
  ];
}

function destinationSamples(status: DestinationStatus): Sample[] {
  const destination = status.name;
  const { delivered, queued, excluded } = status;
  const runs = byReason(excluded).filter(([reason]) => !reason.endsWith(SPANS));
  const spans = byReason(excluded).filter(([reason]) => reason.endsWith(SPANS));
  return [
    sample("wfotel_destination_runs_delivered_total", { destination }, delivered.runs),
    sample("wfotel_destination_runs_partial_total", { destination }, delivered.partial),
    sample("wfotel_destination_runs_quarantined_total", { destination }, delivered.quarantined),
    sample("wfotel_destination_spans_delivered_total", { destination }, delivered.spans),
    sample("wfotel_destination_bytes_delivered_total", { destination }, delivered.bytes),
    ...runs.map(([reason, count]) => sample("wfotel_destination_runs_excluded_total", { destination, reason }, count)),
    ...spans.map(([reason, count]) =>
      sample("wfotel_destination_spans_excluded_total", { destination, reason: reason.slice(0, -SPANS.length) }, count),
    ),
    sample("wfotel_destination_queue_runs", { destination }, queued.runs),
    sample("wfotel_destination_queue_bytes", { destination }, queued.bytes),
    sample("wfotel_destination_queue_oldest_seconds", { destination }, (queued.oldest_ms ?? 0) / 1_000),
    sample("wfotel_destination_quarantine_entries", { destination }, status.quarantined),
    sample("wfotel_destination_paused", { destination }, flag(status.paused !== null)),
    ...known("wfotel_destination_requests_in_flight", { destination }, status.in_flight),
  ];
}

const SPANS = ".spans";

const byReason = (counts: Readonly<Record<string, number>>): [reason: string, count: number][] => Object.entries(counts);

/** 3600000 → `1h`: as one writes durations in the file. */
function ageLabel(ms: number): string {
  const units = [
    ["d", 86_400_000],
    ["h", 3_600_000],
    ["m", 60_000],
  ] as const;
  const [unit, length] = units.find(([, size]) => ms >= size) ?? ["s", 1_000];
  return `${ms / length}${unit}`;
}
