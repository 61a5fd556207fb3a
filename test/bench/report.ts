/** What the benchmark found, as a table and as JSON. Pure. */

export interface Row {
  /** The part of the benchmark that measured it. */
  readonly part: string;
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  readonly bar?: Bar;
  /** What one should know beside the figure. */
  readonly note?: string;
}

/** What issue and README promise: `value` at most, or at least, so much. */
export interface Bar {
  readonly at: "most" | "least";
  readonly limit: number;
}

export const atMost = (limit: number): Bar => ({ at: "most", limit });
export const atLeast = (limit: number): Bar => ({ at: "least", limit });

/** Undefined where nothing was promised. A figure that could not be taken meets nothing. */
export function isMet({ value, bar }: Pick<Row, "value" | "bar">): boolean | undefined {
  if (bar === undefined) return undefined;
  return bar.at === "most" ? value <= bar.limit : value >= bar.limit;
}

/** Three significant digits, and none of the whole part lost. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return "–";
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : Math.abs(value) >= 1 ? 2 : 3;
  return value.toLocaleString("en", { maximumFractionDigits: digits, minimumFractionDigits: Number.isInteger(value) ? 0 : digits });
}

/** A Markdown table, one row a figure, in the order given. */
export function table(rows: readonly Row[]): string {
  const cells = rows.map((row) => [
    row.part,
    row.what,
    `${figure(row.value)} ${row.unit}`.trim(),
    barText(row),
    metText(row),
    row.note ?? "",
  ]);
  const lines = [["part", "what", "figure", "bar", "met", "note"], ...cells];
  const widths = lines[0]?.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0))) ?? [];
  const line = (of: readonly string[]) => `| ${of.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`;
  const [head = [], ...body] = lines;
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...body.map(line)].join("\n");
}

function barText({ bar, unit }: Row): string {
  return bar === undefined ? "" : `${bar.at === "most" ? "≤" : "≥"} ${figure(bar.limit)} ${unit}`.trim();
}

function metText(row: Row): string {
  const met = isMet(row);
  return met === undefined ? "" : met ? "yes" : "NO";
}
