/**
 * Every metric of the bridge: the README's table, the dashboards' and alerts' test and the registry are made from this.
 * Names and units are Prometheus's (base units, `_total` for counters). Public: dashboards and alerts are built on them.
 */
export interface MetricDefinition {
  readonly type: "counter" | "gauge" | "histogram";
  readonly help: string;
  readonly labels: readonly string[];
  /** Upper bounds of a histogram's buckets. */
  readonly buckets?: readonly number[];
  /** `status`: read from the status document at each scrape (counters live in the state and outlast restarts). */
  readonly from: "status" | "event";
}

/** Seconds that a request takes, a cycle of reading, a run's way to its destination, a run or one of its steps. */
const REQUEST = [0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const CYCLE = [0.1, 0.5, 1, 5, 15, 60, 300];
const DELAY = [1, 5, 15, 30, 60, 300, 900, 3_600, 21_600, 86_400];
const WORK = [0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3_600, 21_600, 86_400, 604_800];

const counter = <const L extends string>(help: string, ...labels: L[]) => ({ type: "counter", from: "event", help, labels }) as const;
const kept = <const L extends string>(help: string, ...labels: L[]) => ({ type: "counter", from: "status", help, labels }) as const;
const gauge = <const L extends string>(help: string, ...labels: L[]) => ({ type: "gauge", from: "status", help, labels }) as const;
const histogram = <const L extends string>(help: string, buckets: readonly number[], ...labels: L[]) =>
  ({ type: "histogram", from: "event", help, labels, buckets }) as const;

export const METRICS = {
  wfotel_build_info: gauge("1; the version that runs", "version"),
  wfotel_ready: gauge("1 if /readyz says so: the state is ours and every source was read once"),
  wfotel_config_last_reload_successful: { ...gauge("1 if the last SIGHUP took the new configuration"), from: "event" },

  wfotel_source_runs_discovered_total: kept("Runs seen for the first time", "source"),
  wfotel_source_runs_collected_total: kept("Runs that ended, were mapped and queued", "source"),
  wfotel_source_runs_excluded_total: kept("Runs that no destination gets, by rule: dropped, filtered", "source", "reason"),
  wfotel_source_runs_gone_total: kept("Runs that the API stopped showing before they ended", "source"),
  wfotel_source_runs_unreadable_total: kept("Entries of the log that could not be read, each once; they are quarantined", "source"),
  wfotel_source_runs_detail_lost_total: kept(
    "Runs of which the message log's events had to go before their end, for lack of room",
    "source",
  ),
  wfotel_source_open_runs: gauge("Runs that have not ended; age_from is the lower limit of their age", "source", "age_from"),
  wfotel_source_watched_runs: gauge("Runs that are asked for again, by why", "source", "reason"),
  wfotel_source_watched_oldest_seconds: gauge("Age of the oldest of them", "source", "reason"),
  wfotel_source_poll_lag_seconds: gauge("Age of the last complete reading: what the API showed before it is known", "source"),
  wfotel_source_paused: gauge("1 while reading is held up (token refused, API down, disk full)", "source"),
  wfotel_source_feed_trusted: gauge("1 while the message log names what ends", "source"),
  wfotel_source_retention_seconds: gauge(
    "How long the API keeps runs: as configured, else as learnt; absent while neither is known",
    "source",
  ),
  wfotel_source_retention_learned_seconds: gauge(
    "How long after its end the last sweep still saw a run: what the API keeps, at least; absent below a day",
    "source",
  ),
  wfotel_source_retention_headroom_seconds: gauge(
    "Time left until the API may forget a run that was not read yet; absent while the retention is not known",
    "source",
  ),
  wfotel_source_budget_allowed_requests_per_second: gauge("What the bridge allows itself now", "source"),
  wfotel_source_budget_ceiling_requests_per_second: gauge("The most it may: configured, or as the API says", "source"),
  wfotel_source_budget_foreign_requests_per_second: gauge("What somebody else takes from the same budget", "source"),
  wfotel_source_budget_used_ratio: gauge("Requests of the last minute, as a share of the ceiling", "source"),
  wfotel_source_capacity_runs_per_second: gauge("Ended runs per second that the budget can carry, the way it is read now", "source"),
  wfotel_source_capacity_used_ratio: gauge("Ended runs per second of the last minutes, as a share of that", "source"),
  wfotel_source_sweep_repaired_total: kept("Runs that only the sweep found; should stay 0", "source"),
  wfotel_source_sweep_finished_timestamp_seconds: gauge("When the last sweep was complete", "source"),
  wfotel_source_clock_skew_seconds: gauge("This machine's clock minus the API's", "source"),
  wfotel_source_requests_total: counter("Requests to the log API", "source", "purpose", "outcome"),
  wfotel_source_request_duration_seconds: histogram("Requests to the log API", REQUEST, "source", "purpose"),
  wfotel_source_cycles_total: counter("Cycles of reading; outcome is ok, or what held it up", "source", "outcome"),
  wfotel_source_cycle_duration_seconds: histogram("Cycles of reading", CYCLE, "source"),
  wfotel_source_collect_delay_seconds: histogram("From a run's end until it was queued", DELAY, "source"),
  wfotel_source_decode_oddities_total: counter("What the log had in an unexpected form and was mended", "source", "oddity"),
  wfotel_source_redactions_total: counter("Values of spans in which a secret was removed", "source"),
  wfotel_source_times_adjusted_total: counter("Spans of which the log contradicts itself and a time had to move", "source"),

  wfotel_destination_runs_delivered_total: kept("Runs that were accepted", "destination"),
  wfotel_destination_runs_partial_total: kept("Runs of which a part was refused", "destination"),
  wfotel_destination_runs_quarantined_total: kept("Runs that were refused", "destination"),
  wfotel_destination_runs_excluded_total: kept("Runs that are not sent, by why: sampled, too_old, …", "destination", "reason"),
  wfotel_destination_spans_delivered_total: kept("Spans that were accepted", "destination"),
  wfotel_destination_spans_excluded_total: kept("Spans that are not sent, by why", "destination", "reason"),
  wfotel_destination_bytes_delivered_total: kept("Encoded bytes that were accepted, before compression", "destination"),
  wfotel_destination_queue_runs: gauge("Runs that wait to be sent", "destination"),
  wfotel_destination_queue_bytes: gauge("Their encoded bytes", "destination"),
  wfotel_destination_queue_oldest_seconds: gauge("How long the oldest of them has waited; 0 if there is none", "destination"),
  wfotel_destination_quarantine_entries: gauge("What lies in the quarantine now", "destination"),
  wfotel_destination_paused: gauge("1 while nothing but a probe is sent", "destination"),
  wfotel_destination_requests_in_flight: gauge("Requests on their way", "destination"),
  wfotel_destination_requests_total: counter("Requests to the destination, by what became of them", "destination", "outcome"),
  wfotel_destination_request_duration_seconds: histogram("Requests to the destination", REQUEST, "destination"),
  wfotel_destination_delivery_delay_seconds: histogram("From a run's end until it was accepted", DELAY, "destination"),

  wfotel_state_bytes: gauge(
    "The state: live (pages in use), of these payload and quarantine; besides it events (of the message log, of open runs)",
    "kind",
  ),
  wfotel_state_max_bytes: gauge("state.max_size: no new payloads past it"),

  wfotel_run_duration_seconds: histogram("Runs; _count is how many", WORK, "workflow", "outcome"),
  wfotel_step_duration_seconds: histogram("Steps; _count is how many", WORK, "workflow", "step", "type", "outcome"),
} as const satisfies Record<string, MetricDefinition>;

export type MetricName = keyof typeof METRICS;
export type Labels<Name extends MetricName> = Readonly<Record<(typeof METRICS)[Name]["labels"][number], string>>;
