import type { DestinationStatus, SourceStatus, Status } from "../telemetry/status.ts";
import { formatDuration, terminalText } from "../trace/waterfall-text.ts";
import type { Style, Terminal } from "./terminal.ts";

/** The status document for people: one block a source and a destination, labels in one column. */
export function statusText(status: Status, terminal: Terminal): string {
  const now = Date.parse(status.time);
  const blocks = [
    [headline(status, now, terminal)],
    ...status.sources.map((source) => block("source", source.name, sourceLines(source, now), terminal)),
    ...status.destinations.map((one) => block("destination", one.name, destinationLines(one, now), terminal)),
    status.state === null ? [] : block("state", "", stateLines(status.state), terminal),
  ];
  return `${blocks
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join("\n"))
    .join("\n\n")}\n`;
}

type Line = readonly [label: string, text: string, style?: Style] | undefined;

const LABEL_WIDTH = 12;

function block(kind: string, name: string, lines: readonly Line[], { style }: Terminal): string[] {
  const shown = lines.filter((line) => line !== undefined);
  return [
    `${style("bold", kind)} ${terminalText(name)}`.trimEnd(),
    ...shown.map(([label, text, painted]) => {
      const clean = terminalText(text);
      return `  ${style("dim", label.padEnd(LABEL_WIDTH))} ${painted === undefined ? clean : style(painted, clean)}`;
    }),
  ];
}

function headline({ daemon, version }: Status, now: number, { style }: Terminal): string {
  const name = style("bold", `wfotel ${version}`);
  if (daemon === null) return `${name} ${style("yellow", "not running, or not answering: what follows stands in the state")}`;
  const since = `running for ${formatDuration(now - Date.parse(daemon.started_at))}`;
  const trouble = Object.entries(daemon.not_ready).map(([check, why]) => `${check}: ${why}`);
  if (trouble.length === 0) return `${name} ${style("green", since)}`;
  return `${name} ${since}, ${style("red", `${daemon.live ? "not ready" : "not alive"} (${terminalText(trouble.join("; "))})`)}`;
}

function sourceLines(source: SourceStatus, now: number): Line[] {
  const { feed, sweep, retention } = source;
  const why = feed.reason === null ? "" : `: ${feed.reason}`;
  const retry = feed.retry_at === null ? "" : `, tried again ${until(feed.retry_at, now)}`;
  return [
    source.paused === null ? undefined : ["held up", `${source.paused.reason}${lasting(source.paused.since, now)}`, "red"],
    ["read up to", source.watermark === null ? "nothing yet" : `${source.watermark}${lagOf(source)}`],
    ["feed", `${feed.status}${why}${retry}`],
    ["open runs", openRuns(source)],
    waiting(source),
    budget(source, now),
    ["capacity", capacity(source)],
    ["sweep", `${sweepState(sweep, now)}, ${n(sweep.repaired)} runs repaired`],
    [
      "retention",
      retention.configured_ms === null ? learned(retention.learned_ms) : `${formatDuration(retention.configured_ms)} (configured)`,
    ],
    source.clock_skew_ms === null ? undefined : ["clock", `own clock ${signed(source.clock_skew_ms)} against the API's`],
    ["runs", runs(source)],
  ];
}

function runs({ collected, gone, unreadable, detail_lost, excluded: reasons }: SourceStatus): string {
  const rare = Object.entries({ gone, unreadable }).flatMap(([what, count]) => (count > 0 ? [`${n(count)} ${what}`] : []));
  const lost = detail_lost > 0 ? [`${n(detail_lost)} without the message log for lack of space`] : [];
  return [`${n(collected)} collected`, ...rare, ...lost, ...excluded(reasons)].join(" · ");
}

function lagOf({ lag_ms }: SourceStatus): string {
  return lag_ms === null ? "" : `, last read whole ${formatDuration(lag_ms)} ago`;
}

const AGES = ["<1m", "1–10m", "10–60m", "1–24h", "1–7d", ">7d"];

function openRuns({ open }: SourceStatus): string {
  const ages = open.by_age.flatMap(({ runs }, i) => (runs > 0 ? [`${AGES[i] ?? ""} ${n(runs)}`] : []));
  return open.runs === 0 ? "none" : `${n(open.runs)} (${ages.join(", ")})`;
}

function waiting({ watched }: SourceStatus): Line {
  const others = Object.entries(watched).filter(([reason]) => reason !== "open");
  return others.length === 0
    ? undefined
    : ["waiting", others.map(([reason, { runs }]) => `${n(runs)} for ${WAITS[reason] ?? reason}`).join(", ")];
}

const WAITS: Readonly<Record<string, string>> = {
  ended: "their end in the log",
  failure: "their failure function",
  ancestor: "their ancestor",
  verdict: "a sampling verdict",
  room: "room in the state",
  refetch: "being fetched again",
};

function budget({ budget }: SourceStatus, now: number): Line {
  if (budget === null) return undefined;
  const used = Object.entries(budget.used_last_minute).map(([purpose, count]) => `${purpose} ${n(count)}`);
  const foreign = budget.foreign_per_second > 0 ? `, others use ${budget.foreign_per_second}/s` : "";
  const held = budget.paused_until === null ? "" : `, nothing sent, again ${until(budget.paused_until, now)}`;
  return [
    "budget",
    `${budget.allowed_per_second} of ${budget.ceiling_per_second} requests/s${foreign}${held}; last minute: ${used.join(", ") || "none"}`,
  ];
}

function capacity({ capacity, feed }: SourceStatus): string {
  const { runs_per_second, with_feed, without_feed } = capacity;
  const one = (name: string, { runs_per_second: most, used }: typeof with_feed) =>
    `${used === null ? "" : `${percent(used)} of `}${most} runs/s ${name}`;
  const both = [one("with the feed", with_feed), one("without it", without_feed)];
  const ordered = feed.status === "trusted" ? both : [one("without the feed", without_feed), one("with it", with_feed)];
  return `${runs_per_second === null ? "" : `${runs_per_second} runs/s now: `}${ordered.join(", ")}`;
}

function sweepState({ running, started_at, finished_at }: SourceStatus["sweep"], now: number): string {
  if (running) return `under way${lasting(started_at, now)}`;
  return finished_at === null ? "none yet" : `last ended ${formatDuration(Math.max(0, now - Date.parse(finished_at)))} ago`;
}

function learned(ms: number | null): string {
  return ms === null ? "not known yet" : `at least ${formatDuration(ms)} (learned)`;
}

function destinationLines(one: DestinationStatus, now: number): Line[] {
  const { queued, delivered } = one;
  const oldest = queued.oldest_ms === null ? "" : `, the oldest for ${formatDuration(queued.oldest_ms)}`;
  const partial = delivered.partial > 0 ? `, ${n(delivered.partial)} in part` : "";
  const left = excluded(one.excluded);
  return [
    one.removed_at === null ? undefined : ["removed", `not configured any more${lasting(one.removed_at, now)}`, "yellow"],
    one.paused === null ? undefined : ["paused", `${one.paused.reason}${lasting(one.paused.since, now)}`, "red"],
    ["queued", queued.runs === 0 ? "nothing" : `${n(queued.runs)} runs, ${formatBytes(queued.bytes)}${oldest}`],
    one.in_flight === null ? undefined : ["in flight", `${one.in_flight} requests`],
    ["delivered", `${n(delivered.runs)} runs${partial} · ${n(delivered.spans)} spans · ${formatBytes(delivered.bytes)}`],
    one.quarantined === 0 ? ["quarantined", "none"] : ["quarantined", `${one.quarantined} (wfotel quarantine list)`, "red"],
    left.length === 0 ? undefined : ["excluded", left.join(" · ")],
  ];
}

function stateLines({ live_bytes, payload_bytes, quarantine_bytes, event_bytes, max_bytes }: NonNullable<Status["state"]>): Line[] {
  return [
    ["size", `${formatBytes(live_bytes)} of ${formatBytes(max_bytes)} (${percent(live_bytes / max_bytes)})`],
    ["of it", `${formatBytes(payload_bytes)} payloads · ${formatBytes(quarantine_bytes)} quarantine`],
    event_bytes === 0 ? undefined : ["besides", `${formatBytes(event_bytes)} of the message log, of runs that are open`],
  ];
}

const excluded = (reasons: Readonly<Record<string, number>>): string[] =>
  Object.entries(reasons).map(([reason, count]) => `${n(count)} ${reason.replace(".spans", " (spans)")}`);

/** `90,210` */
const n = (count: number): string => count.toLocaleString("en-US");
const percent = (share: number): string => `${Math.round(share * 1_000) / 10} %`;
const signed = (ms: number): string => `${ms < 0 ? "−" : "+"}${formatDuration(Math.abs(ms))}`;
const until = (time: string, now: number): string => `in ${formatDuration(Math.max(0, Date.parse(time) - now))}`;

function lasting(since: string | null, now: number): string {
  return since === null ? "" : `, for ${formatDuration(Math.max(0, now - Date.parse(since)))}`;
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"] as const;

/** `1.5 MiB` */
export function formatBytes(bytes: number): string {
  const power = Math.min(UNITS.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  const value = bytes / 1_024 ** power;
  return `${power === 0 ? value : value.toFixed(1)} ${UNITS[power]}`;
}
