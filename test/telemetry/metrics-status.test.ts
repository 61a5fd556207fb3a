import { expect, test } from "vitest";
import { statusSamples } from "../../src/telemetry/metrics-status.ts";
import type { DestinationStatus, SourceStatus, Status } from "../../src/telemetry/status.ts";

const NOW = Date.parse("2025-01-08T12:00:00.000Z");
const ago = (seconds: number) => new Date(NOW - seconds * 1_000).toISOString();
const ceiling = (runs_per_second: number, used: number | null) => ({ runs_per_second, used });

const SOURCE: SourceStatus = {
  name: "eu",
  epoch: ago(9_000),
  watermark: ago(60),
  lag_ms: 5_000,
  feed: { status: "trusted", reason: null, since: null, retry_at: null },
  paused: null,
  open: {
    runs: 3,
    by_age: [
      { from_ms: 0, runs: 1 },
      { from_ms: 60_000, runs: 0 },
      { from_ms: 604_800_000, runs: 2 },
    ],
  },
  watched: {},
  budget: {
    allowed_per_second: 5,
    ceiling_per_second: 10,
    foreign_per_second: 2,
    paused_until: null,
    used_last_minute: { feed: 60, open: 240 },
  },
  capacity: { runs_per_second: 9, with_feed: ceiling(90, 0.1), without_feed: ceiling(8, 1.125) },
  sweep: { running: false, started_at: null, finished_at: ago(100), repaired: 0 },
  retention: { configured_ms: null, learned_ms: 86_400_000 },
  clock_skew_ms: -1_500,
  discovered: 7,
  collected: 6,
  gone: 1,
  unreadable: 0,
  excluded: { dropped: 4 },
  detail_lost: 0,
};
const DESTINATION: DestinationStatus = {
  name: "tempo",
  queued: { runs: 2, bytes: 300, oldest_at: ago(30), oldest_ms: 30_000 },
  in_flight: 1,
  paused: { reason: "down", since: null },
  quarantined: 1,
  delivered: { runs: 10, partial: 1, quarantined: 2, spans: 50, bytes: 9_000 },
  excluded: { sampled: 3, too_old: 1, "too_old.spans": 12 },
  removed_at: null,
};
const STATUS: Status = {
  version: "1.2.3",
  time: new Date(NOW).toISOString(),
  daemon: { started_at: ago(500), live: true, ready: true, not_ready: {} },
  sources: [SOURCE],
  destinations: [DESTINATION],
  state: { live_bytes: 4_096, payload_bytes: 300, quarantine_bytes: 20, event_bytes: 7, max_bytes: 1_000_000 },
};

/** By name and labels, as `/metrics` writes it. */
function samples(status: Status): Record<string, number> {
  const text = (labels: Record<string, string>) =>
    Object.entries(labels)
      .map(([name, value]) => `${name}=${value}`)
      .join();
  return Object.fromEntries(statusSamples(status).map(({ name, labels, value }) => [`${name}{${text(labels)}}`, value]));
}
const ofSource = (change: Partial<SourceStatus>) => samples({ ...STATUS, sources: [{ ...SOURCE, ...change }] });
const HEADROOM = "wfotel_source_retention_headroom_seconds{source=eu}";

test("numbers of the status document become samples in seconds, bytes and ratios", () => {
  expect(samples(STATUS)).toMatchObject({
    "wfotel_build_info{version=1.2.3}": 1,
    "wfotel_ready{}": 1,
    "wfotel_state_bytes{kind=payload}": 300,
    "wfotel_source_runs_discovered_total{source=eu}": 7,
    "wfotel_source_runs_excluded_total{source=eu,reason=dropped}": 4,
    "wfotel_source_open_runs{source=eu,age_from=0s}": 1,
    "wfotel_source_open_runs{source=eu,age_from=1m}": 0,
    "wfotel_source_open_runs{source=eu,age_from=7d}": 2,
    "wfotel_source_poll_lag_seconds{source=eu}": 5,
    "wfotel_source_clock_skew_seconds{source=eu}": -1.5,
    "wfotel_source_budget_used_ratio{source=eu}": 0.5,
    "wfotel_source_sweep_finished_timestamp_seconds{source=eu}": NOW / 1_000 - 100,
    "wfotel_destination_queue_oldest_seconds{destination=tempo}": 30,
    "wfotel_destination_paused{destination=tempo}": 1,
    "wfotel_destination_runs_excluded_total{destination=tempo,reason=too_old}": 1,
    "wfotel_destination_spans_excluded_total{destination=tempo,reason=too_old}": 12,
  });
});

test("capacity is that of the way it is read now", () => {
  expect(samples(STATUS)["wfotel_source_capacity_used_ratio{source=eu}"]).toBe(0.1);
  const feed = { ...SOURCE.feed, status: "absent" as const };
  expect(ofSource({ feed })["wfotel_source_capacity_used_ratio{source=eu}"]).toBe(1.125);
});

test("a bridge that waits for the state says nothing of sources and destinations", () => {
  const waiting = { ...STATUS, state: null, daemon: { ...STATUS.daemon!, ready: false } };
  expect(samples(waiting)).toEqual({ "wfotel_build_info{version=1.2.3}": 1, "wfotel_ready{}": 0 });
});

test("headroom is what the API keeps less the age of what was not read", () => {
  expect(samples(STATUS)[HEADROOM]).toBe(86_400 - 5);
  const watched = {
    ancestor: { runs: 1, oldest_created_at: ago(3_600), oldest_ended_at: ago(3_600) },
    verdict: { runs: 1, oldest_created_at: ago(80_000), oldest_ended_at: ago(80_000) },
  };
  expect(ofSource({ watched })[HEADROOM]).toBe(86_400 - 3_600);
});

test("a run that slept for weeks and waits to be read uses up headroom from its end on", () => {
  const watched = { room: { runs: 1, oldest_created_at: ago(3_000_000), oldest_ended_at: ago(3_600) } };
  expect(ofSource({ watched })[HEADROOM]).toBe(86_400 - 3_600);
});

test("runs that are still open use up no headroom, however old", () => {
  expect(ofSource({ watched: { open: { runs: 1, oldest_created_at: ago(9_000_000), oldest_ended_at: ago(9_000_000) } } })[HEADROOM]).toBe(
    86_400 - 5,
  );
});

test("before the first complete reading the headroom counts from the watermark, so that a crash loop is seen", () => {
  expect(ofSource({ lag_ms: null, watermark: ago(50_000) })[HEADROOM]).toBe(36_400);
});

test("what is not known makes no sample", () => {
  const unknown = ofSource({ lag_ms: null, clock_skew_ms: null, budget: null, retention: { configured_ms: null, learned_ms: null } });
  const absent = ["poll_lag_seconds", "clock_skew_seconds", "budget_used_ratio", "retention_seconds", "retention_headroom_seconds"];
  for (const name of absent) expect(unknown[`wfotel_source_${name}{source=eu}`], name).toBeUndefined();
});
