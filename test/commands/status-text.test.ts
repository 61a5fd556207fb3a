import { expect, test } from "vitest";
import { formatBytes, statusText } from "../../src/commands/status-text.ts";
import type { Terminal } from "../../src/commands/terminal.ts";
import { buildStatus, type StatusFacts } from "../../src/telemetry/build-status.ts";

const NOW = Date.UTC(2026, 0, 31, 12);
const plain: Terminal = { color: false, width: 100, style: (_, text) => text };

const facts: StatusFacts = {
  version: "1.2.3",
  now: NOW,
  maxBytes: 1024 ** 3,
  daemon: {
    startedAt: NOW - 18_000_000,
    live: { ok: true, checks: {} },
    ready: { ok: false, checks: { "first poll of eu": "401: unauthorized" } },
  },
  store: {
    sources: [
      {
        name: "eu",
        state: {
          epoch: NOW - 9e7,
          watermark: NOW - 4_000,
          feed: { status: "distrusted", reason: "it had a hole", retryAt: NOW + 400_000 },
          sweep: { startedAt: NOW - 5e6, finishedAt: NOW - 4e6, repaired: 2 },
          learnedRetentionMs: 3 * 86_400_000,
        },
        watched: [
          { reason: "open", count: 1_160, oldestCreatedAt: NOW - 8e8, oldestEndedAt: NOW - 8e8 },
          { reason: "ancestor", count: 3, oldestCreatedAt: NOW, oldestEndedAt: NOW },
        ],
        openByAge: [3, 0, 0, 157, 900, 100],
        counts: { collected: 90_210, gone: 1, "excluded.dropped": 12 },
      },
    ],
    destinations: [
      {
        name: "back\u001b[31mend",
        since: 0,
        paused: { reason: "401 unknown\nkey", since: NOW - 300_000 },
        queued: 210,
        queuedBytes: 500_000,
        oldestQueuedAt: NOW - 301_000,
        quarantined: 2,
        counts: { delivered: 89_000, partial: 2, spans: 900_123, bytes: 88_000_000, "excluded.too_old": 4, "excluded.too_old.spans": 40 },
      },
    ],
    size: { liveBytes: 12_000_000, payloadBytes: 500_000, quarantineBytes: 900, eventBytes: 2_500 },
  },
  sources: [
    {
      name: "eu",
      maxRequestsPerSecond: 10,
      feedOff: false,
      retention: undefined,
      live: {
        budget: { allowed: 5, ceiling: 10, used: { newest: 40, open: 1_200 }, foreign: 1.5, pausedUntil: NOW + 2_000 },
        skew: -40,
        lag: 1_500,
        paused: { reason: "401: unauthorized", since: NOW - 60_000 },
        runsPerSecond: 3.2,
      },
    },
  ],
  destinations: [{ name: "back\u001b[31mend", live: { inFlight: 1, paused: "401 unknown\nkey" } }],
};

test("one block a source and a destination, aligned, in words; nothing in a name or a reason moves the cursor", () => {
  expect(statusText(buildStatus(facts), plain)).toBe(`wfotel 1.2.3 running for 5h 00m, not ready (first poll of eu: 401: unauthorized)

source eu
  held up      401: unauthorized, for 1m 00s
  read up to   2026-01-31T11:59:56.000Z, last read whole 1.50 s ago
  feed         distrusted: it had a hole, tried again in 6m 40s
  open runs    1,160 (<1m 3, 1–24h 157, 1–7d 900, >7d 100)
  waiting      3 for their ancestor
  budget       5 of 10 requests/s, others use 1.5/s, nothing sent, again in 2.00 s; last minute: newest 40, open 1,200
  capacity     3.2 runs/s now: 9.1 % of 35 runs/s without the feed, 6.4 % of 50 runs/s with it
  sweep        last ended 1h 06m ago, 2 runs repaired
  retention    at least 3d 00h (learned)
  clock        own clock −40 ms against the API's
  runs         90,210 collected · 1 gone · 12 dropped

destination back·[31mend
  paused       401 unknown·key, for 5m 00s
  queued       210 runs, 488.3 KiB, the oldest for 5m 01s
  in flight    1 requests
  delivered    89,000 runs, 2 in part · 900,123 spans · 83.9 MiB
  quarantined  2 (wfotel quarantine list)
  excluded     4 too_old · 40 too_old (spans)

state
  size         11.4 MiB of 1.0 GiB (1.1 %)
  of it        488.3 KiB payloads · 900 B quarantine
  besides      2.4 KiB of the message log, of runs that are open
`);
});

test("colours stand around what was cleaned, never inside", () => {
  const marked: Terminal = { ...plain, style: (style, text) => `<${style}>${text}</>` };
  expect(statusText(buildStatus(facts), marked)).toContain("<dim>paused      </> <red>401 unknown·key, for 5m 00s</>");
});

test.each([
  [0, "0 B"],
  [1_023, "1023 B"],
  [1_024, "1.0 KiB"],
  [1_610_612_736, "1.5 GiB"],
])("%d bytes are %s", (bytes, text) => expect(formatBytes(bytes)).toBe(text));
