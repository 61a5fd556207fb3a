import * as z from "zod";

/**
 * What `wfotel status --json` prints and `GET /status` answers: one document, stable. Instants are ISO 8601
 * in UTC; a name says its unit. `null`: not known, or nothing to say. What lives only in the running bridge
 * (`budget`, `lag_ms`, `clock_skew_ms`, `in_flight`, …) is null where none answered.
 * No payload, no token, nothing of a run: only numbers, and the names and reasons of sources and destinations.
 */
const instant = z.string().nullable();
const count = z.number();
const byName = z.record(z.string(), count);
const paused = z.object({ reason: z.string(), since: instant }).nullable();
const ceiling = z.object({ runs_per_second: z.number(), used: z.number().nullable() });

const sourceStatus = z.object({
  name: z.string(),
  /** Runs that ended before this are none of ours. */
  epoch: instant,
  /** Every run created up to here was listed at least once. */
  watermark: instant,
  /** Age of the last complete reading: whatever the API showed before that is known. */
  lag_ms: count.nullable(),
  feed: z.object({
    status: z.enum(["trusted", "absent", "distrusted", "unknown", "off"]),
    reason: z.string().nullable(),
    since: instant,
    retry_at: instant,
  }),
  paused,
  open: z.object({
    runs: count,
    /** Not cumulative; `from_ms` is each age's lower limit. */
    by_age: z.array(z.object({ from_ms: count, runs: count })),
  }),
  /** Runs that are asked for again, by why: open, ended, failure, ancestor, verdict, room, refetch. One that has not ended counts as ended when it was created. */
  watched: z.record(z.string(), z.object({ runs: count, oldest_created_at: z.string(), oldest_ended_at: z.string() })),
  budget: z
    .strictObject({
      allowed_per_second: count,
      ceiling_per_second: count,
      foreign_per_second: count,
      paused_until: instant,
      used_last_minute: byName,
    })
    .nullable(),
  capacity: z.object({ runs_per_second: count.nullable(), with_feed: ceiling, without_feed: ceiling }),
  sweep: z.object({ running: z.boolean(), started_at: instant, finished_at: instant, repaired: count }),
  retention: z.object({ configured_ms: count.nullable(), learned_ms: count.nullable() }),
  clock_skew_ms: count.nullable(),
  /** Runs seen for the first time, and those of them that ended and were queued. */
  discovered: count,
  collected: count,
  gone: count,
  unreadable: count,
  excluded: byName,
  /** Runs of which the message log's events had to go before their end, for lack of space. */
  detail_lost: count,
});

const destinationStatus = z.object({
  name: z.string(),
  queued: z.object({ runs: count, bytes: count, oldest_at: instant, oldest_ms: count.nullable() }),
  in_flight: count.nullable(),
  paused,
  /** Entries in the quarantine now. */
  quarantined: count,
  delivered: z.object({ runs: count, partial: count, quarantined: count, spans: count, bytes: count }),
  /** Runs, by reason; `too_old.spans` and the like are spans. */
  excluded: byName,
  /** Since when the configuration no longer names it. */
  removed_at: instant,
});

export const statusSchema = z.object({
  version: z.string(),
  time: z.string(),
  daemon: z
    .object({ started_at: z.string(), live: z.boolean(), ready: z.boolean(), not_ready: z.record(z.string(), z.string()) })
    .nullable(),
  sources: z.array(sourceStatus),
  destinations: z.array(destinationStatus),
  state: z.object({ live_bytes: count, payload_bytes: count, quarantine_bytes: count, event_bytes: count, max_bytes: count }).nullable(),
});

export type Status = z.infer<typeof statusSchema>;
export type SourceStatus = Status["sources"][number];
export type DestinationStatus = Status["destinations"][number];
