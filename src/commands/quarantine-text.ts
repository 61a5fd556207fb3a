import { spansOfJson } from "../otlp/decode-json.ts";
import { transcode } from "../otlp/transcode.ts";
import type { QuarantineEntry } from "../state/report.ts";
import { waterfall } from "../trace/waterfall.ts";
import { cells, formatDuration, pad, terminalText } from "../trace/waterfall-text.ts";
import { formatBytes } from "./status-text.ts";
import type { Terminal } from "./terminal.ts";

/** Quarantined entries for people and for programs. Run ids and the backend's words are data: cleaned before they are printed. */

const COLUMNS = ["id", "run", "destination", "reason", "status", "spans", "age"] as const;

/** A table, one line an entry, aligned; nothing is cut. */
export function listText(entries: readonly QuarantineEntry[], now: number, { style }: Terminal): string {
  const rows = entries.map((entry) => [
    String(entry.id),
    terminalText(entry.key.id),
    terminalText(entry.destination ?? `(source ${entry.source})`),
    entry.reason,
    entry.status === undefined ? "–" : String(entry.status),
    String(entry.spans),
    formatDuration(Math.max(0, now - entry.at)),
  ]);
  const widths = COLUMNS.map((column, i) => Math.max(cells(column), ...rows.map((row) => cells(row[i] ?? ""))));
  const line = (row: readonly string[]) => row.map((text, i) => (i === row.length - 1 ? text : pad(text, widths[i] ?? 0))).join("  ");
  return `${[style("bold", line(COLUMNS)), ...rows.map(line)].join("\n")}\n`;
}

/** Who, why, the backend's own words, and the spans as a waterfall. */
export function entryText(entry: QuarantineEntry, bytes: Uint8Array | undefined, terminal: Terminal): string {
  const facts = [
    ["entry", `${entry.id}, quarantined ${iso(entry.at)}`],
    ["run", `${runText(entry)}${partText(entry.part)}`],
    ["source", entry.source],
    ["destination", entry.destination ?? "none: the source could not read it"],
    ["reason", entry.status === undefined ? entry.reason : `${entry.reason}, status ${entry.status}`],
    ["it says", entry.message],
    ["spans", `${entry.spans}, ${formatBytes(entry.bytes)}${entry.encoding === undefined ? "" : ` as ${entry.encoding}`}`],
  ] as const;
  const lines = facts.map(([label, text]) => `${terminal.style("dim", label.padEnd(11))} ${terminalText(text)}`);
  const drawn = bytes === undefined ? `${withoutBytes(entry)}\n` : spansText(entry, bytes, terminal);
  return `${lines.join("\n")}\n\n${drawn}`;
}

function partText(part: number): string {
  if (part === 0) return "";
  return part === 1 ? " (its failure function)" : ` (its failure function, repetition ${part})`;
}

/** Where the creation time could not be read it is 0: such an entry stands for a run that cannot be asked for. */
const hasWholeKey = ({ key }: QuarantineEntry): boolean => key.createdAt !== 0;

const runText = (entry: QuarantineEntry): string => (hasWholeKey(entry) ? `${entry.key.id}@${entry.key.createdAt}` : entry.key.id);

function withoutBytes(entry: QuarantineEntry): string {
  if (hasWholeKey(entry)) return "the bytes are not kept (any more): retry fetches the run again";
  return "it cannot be fetched by itself: who it is could not be read; it is collected if a listing shows it whole";
}

function spansText(entry: QuarantineEntry, bytes: Uint8Array, { width, color }: Terminal): string {
  return waterfall(spansOfJson(transcode(bytes, entry.encoding ?? "protobuf", "json")), { width, color });
}

/** The refused request as OTLP/JSON; null where its bytes are gone. */
export function requestJson(entry: QuarantineEntry, bytes: Uint8Array | undefined): unknown {
  if (bytes === undefined) return null;
  return JSON.parse(new TextDecoder().decode(transcode(bytes, entry.encoding ?? "protobuf", "json")));
}

/** One entry, as `--json` shows it. */
export function entryJson(entry: QuarantineEntry) {
  return {
    id: entry.id,
    source: entry.source,
    run_id: entry.key.id,
    run_created_at: entry.key.createdAt,
    part: entry.part,
    destination: entry.destination ?? null,
    reason: entry.reason,
    status: entry.status ?? null,
    message: entry.message,
    spans: entry.spans,
    bytes: entry.bytes,
    has_bytes: entry.hasBytes,
    encoding: entry.encoding ?? null,
    quarantined_at: iso(entry.at),
  };
}

const iso = (time: number): string => new Date(time).toISOString();
