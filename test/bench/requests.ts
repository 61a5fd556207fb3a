import { simulate } from "../simulation/simulate.ts";
import { atMost, type Row } from "./report.ts";
import type { Setting } from "./setting.ts";

/** On virtual time, by the bridge's own reading and budget: what a run costs in requests, and how long it waits. */

/** `open_run_max_interval` and `poll_interval`, by default, in s. */
const OPEN_RUN_MAX = 300;
const POLL = 5;

export async function requests({ quick }: Setting): Promise<Row[]> {
  const seconds = quick ? 300 : 1_800;
  const feed = await simulate({ rate: 17, feed: true, seconds });
  const listing = await simulate({ rate: 5, feed: false, seconds });
  const quiet = await simulate({ rate: 1, feed: true, seconds });
  const row = (what: string, value: number, unit: string, more: Partial<Row> = {}): Row => ({
    part: "requests",
    what,
    value,
    unit,
    ...more,
  });
  return [
    row("per run with the feed, 17 runs/s", feed.requestsPerRun.read, "", { bar: atMost(0.15), note: "feed and by id" }),
    row("the same with the safety nets", feed.requestsPerRun.all, "", { note: "newest page, lookback, sweep" }),
    row("per run without the feed, 5 runs/s", listing.requestsPerRun.read, "", { note: "grouped listing and by id" }),
    row("end → stored with the feed, 17 runs/s, p99", feed.freshness.p99 / 1_000, "s"),
    row("end → stored with the feed, 1 run/s, p99", quiet.freshness.p99 / 1_000, "s", { bar: atMost(POLL + 1) }),
    row("end → stored without the feed, 5 runs/s, p99", listing.freshness.p99 / 1_000, "s", { bar: atMost(OPEN_RUN_MAX + POLL) }),
  ];
}
