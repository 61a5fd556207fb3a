import { isComplete } from "../pipeline/job-handlers.ts";
import { MISSING } from "../pipeline/standing.ts";
import type { MissingRun, SourceVerification } from "../pipeline/verify.ts";
import { terminalText } from "../trace/waterfall-text.ts";
import type { Verified } from "./verify.ts";

interface Span {
  readonly from: number;
  readonly to: number;
}

/** For people: what was compared, what became of it by destination, and every missing run on a line of its own. */
export function verifyText({ sources, unsettled }: Verified, { from, to }: Span): string {
  const repaired = sources.reduce((sum, source) => sum + source.repaired.runs, 0);
  const lines = [
    `runs that ended from ${iso(from)} to ${iso(to)}`,
    ...sources.flatMap(sourceLines),
    ...(repaired > 0 ? [`${repaired} repaired${unsettled > 0 ? `, of them ${unsettled} still queued` : " and settled"}`] : []),
    "",
    conclusion(sources),
  ];
  return `${lines.map(terminalText).join("\n")}\n`;
}

function sourceLines(source: SourceVerification): string[] {
  const { listed, ended, open, unreadable, destinations, missing, trouble } = source;
  const rare = unreadable > 0 ? `, ${unreadable} unreadable` : "";
  const width = Math.max(0, ...Object.keys(destinations).map((name) => name.length));
  return [
    "",
    `source ${source.source}: ${listed} listed, ${ended} ended in that time, ${open} running${rare}`,
    ...(trouble === undefined ? [] : [`  NOT ALL could be listed: ${trouble}`]),
    ...Object.entries(destinations).map(([name, words]) => `  ${name.padEnd(width)}  ${countsText(words)}`),
    ...missing.first.map(missingLine),
    ...(missing.runs > missing.first.length ? [`  … and ${missing.runs - missing.first.length} more missing`] : []),
  ];
}

function countsText(words: Readonly<Record<string, number>>): string {
  return Object.entries(words)
    .toSorted(([a], [b]) => Number(a === MISSING) - Number(b === MISSING))
    .map(([word, count]) => `${count} ${word}`)
    .join(" · ");
}

function missingLine({ id, createdAt, endedAt, destinations }: MissingRun): string {
  return `  missing ${id}@${createdAt} (ended ${iso(endedAt)}): ${destinations.join(", ")}`;
}

function conclusion(sources: readonly SourceVerification[]): string {
  const missing = sources.reduce((sum, source) => sum + source.missing.runs, 0);
  if (missing > 0) return `${missing} runs are missing`;
  const refused = sources
    .flatMap(({ destinations }) => Object.values(destinations))
    .reduce((sum, words) => sum + (words.quarantined ?? 0), 0);
  const but = refused > 0 ? `; ${refused} quarantined, as wfotel quarantine list shows` : "";
  return `nothing is missing${isComplete(sources) ? "" : " among what could be listed"}${but}`;
}

/** The whole report, as `--json` shows it. */
export function verifyJson({ sources, unsettled }: Verified, { from, to }: Span) {
  return {
    from: iso(from),
    to: iso(to),
    complete: isComplete(sources),
    sources: sources.map(({ source, listed, ended, open, unreadable, destinations, missing, repaired, trouble }) => ({
      name: source,
      listed,
      ended,
      open,
      unreadable,
      destinations,
      missing_runs: missing.runs,
      missing: missing.first.map(({ id, createdAt, endedAt, destinations: lacking }) => ({
        run_id: id,
        run_created_at: createdAt,
        ended_at: iso(endedAt),
        destinations: lacking,
      })),
      repaired_runs: repaired.runs,
      trouble: trouble ?? null,
    })),
    unsettled,
  };
}

/** Times from a hostile log may lie outside what a date can say. */
function iso(time: number): string {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? String(time) : date.toISOString();
}
