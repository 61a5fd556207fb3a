import { expect, test } from "vitest";
import type { StoreStatus } from "../../src/state/report.ts";
import { buildStatus, type StatusFacts } from "../../src/telemetry/build-status.ts";
import { statusSchema } from "../../src/telemetry/status.ts";

const NOW = 1_736_340_463_061;
const at = (time: number) => new Date(time).toISOString();

const store: StoreStatus = {
  sources: [
    {
      name: "eu",
      state: {
        epoch: NOW - 100,
        watermark: NOW - 50,
        feed: { status: "distrusted", reason: "it skipped", retryAt: NOW + 5 },
        sweep: { startedAt: NOW - 10, finishedAt: NOW - 20, repaired: 3 },
        learnedRetentionMs: 7_000,
      },
      watched: [
        { reason: "open", count: 3, oldestCreatedAt: NOW - 90, oldestEndedAt: NOW - 90 },
        { reason: "ancestor", count: 1, oldestCreatedAt: Number.MAX_SAFE_INTEGER, oldestEndedAt: NOW - 5 },
      ],
      openByAge: [2, 0, 0, 1, 0, 0],
      counts: { collected: 9, gone: 1, unreadable: 2, "excluded.dropped": 4 },
    },
  ],
  destinations: [
    {
      name: "old",
      since: 1,
      removedAt: NOW - 5,
      paused: { reason: "401", since: NOW - 7 },
      queued: 2,
      queuedBytes: 20,
      oldestQueuedAt: NOW - 1_000,
      quarantined: 1,
      counts: {
        delivered: 5,
        partial: 1,
        spans: 50,
        bytes: 500,
        quarantined: 1,
        "quarantined.spans": 1,
        "excluded.too_old": 2,
        "excluded.too_old.spans": 8,
      },
    },
  ],
  size: { liveBytes: 100, payloadBytes: 60, quarantineBytes: 10, eventBytes: 5 },
};

const facts: StatusFacts = {
  version: "1",
  now: NOW,
  store,
  maxBytes: 1_000,
  sources: [{ name: "eu", maxRequestsPerSecond: 10, feedOff: false, retention: undefined }],
  destinations: [{ name: "new" }],
};

test("from the state alone: what only the running bridge knows is null", () => {
  const status = buildStatus(facts);
  expect(status).toEqual(statusSchema.parse(status));
  expect(status).toMatchObject({
    daemon: null,
    state: { live_bytes: 100, payload_bytes: 60, quarantine_bytes: 10, event_bytes: 5, max_bytes: 1_000 },
  });
  expect(status.sources).toEqual([
    {
      name: "eu",
      epoch: at(NOW - 100),
      watermark: at(NOW - 50),
      lag_ms: null,
      feed: { status: "distrusted", reason: "it skipped", since: null, retry_at: at(NOW + 5) },
      paused: null,
      open: {
        runs: 3,
        by_age: [0, 60_000, 600_000, 3_600_000, 86_400_000, 604_800_000].map((from_ms, i) => ({ from_ms, runs: [2, 0, 0, 1, 0, 0][i] })),
      },
      watched: {
        open: { runs: 3, oldest_created_at: at(NOW - 90), oldest_ended_at: at(NOW - 90) },
        ancestor: { runs: 1, oldest_created_at: "unknown", oldest_ended_at: at(NOW - 5) },
      },
      budget: null,
      capacity: {
        runs_per_second: null,
        with_feed: { runs_per_second: 50, used: null },
        without_feed: { runs_per_second: 35, used: null },
      },
      sweep: { running: true, started_at: at(NOW - 10), finished_at: at(NOW - 20), repaired: 3 },
      retention: { configured_ms: null, learned_ms: 7_000 },
      clock_skew_ms: null,
      discovered: 0,
      detail_lost: 0,
      collected: 9,
      gone: 1,
      unreadable: 2,
      excluded: { dropped: 4 },
    },
  ]);
  expect(status.destinations.map((one) => one.name)).toEqual(["new", "old"]);
  expect(status.destinations[1]).toEqual({
    name: "old",
    queued: { runs: 2, bytes: 20, oldest_at: at(NOW - 1_000), oldest_ms: 1_000 },
    in_flight: null,
    paused: { reason: "401", since: at(NOW - 7) },
    quarantined: 1,
    delivered: { runs: 5, partial: 1, quarantined: 1, spans: 50, bytes: 500 },
    excluded: { too_old: 2, "too_old.spans": 8 },
    removed_at: at(NOW - 5),
  });
});

test("from the running bridge: budget, capacity used, lag, skew, requests in flight and why something is paused", () => {
  const budget = { allowed: 5, ceiling: 10, used: { feed: 60, open: 30 }, foreign: 1.23456, pausedUntil: NOW + 9 };
  const status = buildStatus({
    ...facts,
    daemon: {
      startedAt: NOW - 1_000,
      live: { ok: true, checks: { jobs: "ok" } },
      ready: { ok: false, checks: { state: "ok", "first poll": "not done yet" } },
    },
    sources: [
      {
        name: "eu",
        maxRequestsPerSecond: 99,
        feedOff: true,
        retention: 5,
        live: { budget, skew: -40, lag: 1_500, paused: { reason: "401", since: NOW - 3 }, runsPerSecond: 4 },
      },
    ],
    destinations: [{ name: "old", live: { inFlight: 2, paused: undefined } }],
  });
  expect(status.daemon).toEqual({ started_at: at(NOW - 1_000), live: true, ready: false, not_ready: { "first poll": "not done yet" } });
  expect(status.sources[0]).toMatchObject({
    lag_ms: 1_500,
    feed: { status: "off" },
    paused: { reason: "401", since: at(NOW - 3) },
    budget: {
      allowed_per_second: 5,
      ceiling_per_second: 10,
      foreign_per_second: 1.235,
      paused_until: at(NOW + 9),
      used_last_minute: { feed: 60, open: 30 },
    },
    capacity: { runs_per_second: 4, with_feed: { runs_per_second: 50, used: 0.08 }, without_feed: { runs_per_second: 35, used: 0.114 } },
    retention: { configured_ms: 5 },
    clock_skew_ms: -40,
  });
  expect(status.destinations[0]).toMatchObject({ in_flight: 2, paused: null });
});

test("a daemon that waits for the state shows its configuration and nothing of the state", () => {
  const { store: _, ...waiting } = facts;
  const status = buildStatus(waiting);
  expect(status).toEqual(statusSchema.parse(status));
  expect(status).toMatchObject({ state: null, sources: [{ name: "eu", epoch: null, watermark: null }], destinations: [{ name: "new" }] });
});
