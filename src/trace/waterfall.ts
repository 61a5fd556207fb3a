import { ATTRIBUTES, EVENTS } from "./attributes.ts";
import type { Attributes, MappedRun, Span } from "./span.ts";
import { type Axis, BREAK, createAxis } from "./waterfall-axis.ts";
import { cells, formatDuration, pad, shorten, terminalText } from "./waterfall-text.ts";

/** Draws traces for a terminal: what `show`, `demo` and the `console` destination print. */
export interface WaterfallOptions {
  /** Cells of a line; at least 60 are used. */
  readonly width: number;
  readonly color: boolean;
}

/**
 * Every trace as a tree of spans with bars on one scale; children of invoked runs stand under the Invoke step,
 * whichever run they come with. Long sleeps and waits are left out visibly (`≈`), steps on the critical path
 * marked (`◆`). Ends with a line feed. Names are data: no control character of theirs is printed.
 */
export function waterfall(traces: readonly MappedRun[], options: WaterfallOptions): string {
  const services = new Map(traces.flatMap(({ resource, spans }) => spans.map((span) => [span, string(resource, "service.name")] as const)));
  const spans = [...services.keys()].toSorted((a, b) => a.start - b.start);
  const ids = new Set(spans.map(idOf));
  const children = Map.groupBy(spans, (span) => `${span.traceId}${span.parentSpanId ?? ""}`);
  const roots = spans.filter((span) => span.parentSpanId === undefined || !ids.has(`${span.traceId}${span.parentSpanId}`));
  const paint = options.color
    ? (style: Style, text: string) => `\u001B[${STYLES[style]}m${text}\u001B[0m`
    : (_: Style, text: string) => text;
  return roots
    .map((root) => draw(rowsOf(root, children), services.get(root) ?? "", { width: Math.max(60, options.width), paint }))
    .join("\n");
}

const STYLES = { bold: "1", dim: "2", error: "31", wait: "33", work: "36", critical: "35" } as const;
type Style = keyof typeof STYLES;

interface Canvas {
  readonly width: number;
  paint(style: Style, text: string): string;
}

interface Row {
  readonly span: Span;
  /** The lines of the tree in front of its name, and in front of what stands below it. */
  readonly branch: string;
  readonly below: string;
  readonly parent: boolean;
}

function idOf(span: Span): string {
  return `${span.traceId}${span.spanId}`;
}

/** Deeper rows are not indented further: their names would have no room. Three levels of invoked runs take seven. */
const INDENTED_LEVELS = 8;

/** Depth first, without recursion: a tree may be as deep as its invocations. */
function rowsOf(root: Span, children: ReadonlyMap<string, readonly Span[]>): readonly Row[] {
  const rows: Row[] = [];
  const seen = new Set<string>();
  const stack = [{ span: root, branch: "", stem: "" }];
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const { span, branch, stem } = next;
    if (seen.has(idOf(span))) continue;
    seen.add(idOf(span));
    const own = children.get(idOf(span)) ?? [];
    const indented = stem.length < 2 * INDENTED_LEVELS;
    rows.push({ span, branch, below: `${stem}${own.length > 0 ? "│ " : "  "}`, parent: own.length > 0 });
    for (const [i, child] of own.toReversed().entries()) {
      stack.push({
        span: child,
        branch: `${indented ? stem : stem.slice(0, -2)}${i === 0 ? "└─" : "├─"}`,
        stem: indented ? `${stem}${i === 0 ? "  " : "│ "}` : stem,
      });
    }
  }
  return rows;
}

interface Columns {
  readonly name: number;
  readonly type: number;
  readonly bar: number;
  readonly id: boolean;
}

const DURATION = 8;
const SPAN_ID = 16;

function columnsOf(rows: readonly Row[], width: number): Columns {
  const type = rows.reduce((most, { span }) => Math.max(most, Math.min(14, cells(typeOf(span)))), 0);
  const id = width >= 110;
  const wanted = rows.reduce((most, { span, branch }) => Math.max(most, cells(branch) + cells(terminalText(span.name))), 12);
  const name = Math.min(wanted, Math.floor(width * 0.36));
  return { name, type, id, bar: width - name - type - DURATION - 5 - (id ? SPAN_ID + 2 : 0) };
}

function draw(rows: readonly Row[], service: string, canvas: Canvas): string {
  const columns = columnsOf(rows, canvas.width);
  const axis = createAxis(
    rows.map(({ span, parent }) => ({ start: span.start, end: span.end, works: isWork(span, parent) })),
    columns.bar,
  );
  const indent = " ".repeat(columns.name + columns.type + 4);
  const lines = [...header(rows[0]?.span, service, canvas), canvas.paint("dim", indent + axis.labels)];
  for (const row of rows) lines.push(line(row, axis, columns, canvas), ...details(row, row === rows[0], canvas));
  return `${lines.map((text) => text.trimEnd()).join("\n")}\n`;
}

/** What it was and how it ended; its service and run; its trace, whole, to be copied. */
function header(root: Span | undefined, service: string, { width, paint }: Canvas): readonly string[] {
  if (root === undefined) return [];
  const failed = root.status.code === "error";
  const began = new Date(root.start).toISOString().replace("T", " ").replace("Z", " UTC");
  const facts = joined(string(root.attributes, ATTRIBUTES.RUN_STATE.name), formatDuration(root.end - root.start), began);
  const title = shorten(terminalText(root.name), Math.max(12, width - cells(facts) - 4));
  const end = shorten(facts, width - cells(title) - 4);
  const run = string(root.attributes, ATTRIBUTES.RUN_ID.name);
  return [
    `${failed ? paint("error", "✗") : "●"} ${paint("bold", title)}  ${paint(failed ? "error" : "dim", end)}`,
    paint("dim", `  ${shorten(joined(service, run === "" ? "" : `run ${run}`), width - 2)}`),
    paint("dim", `  trace ${root.traceId}`),
  ];
}

function joined(...parts: readonly string[]): string {
  return terminalText(parts.filter((part) => part !== "").join(" · "));
}

function line({ span, branch, parent }: Row, axis: Axis, columns: Columns, { paint }: Canvas): string {
  const failed = span.status.code === "error";
  const waits = !isWork(span, parent);
  const critical = span.attributes[ATTRIBUTES.STEP_CRITICAL.name] === true;
  const name = pad(branch + terminalText(span.name), columns.name);
  const style: Style = failed ? "error" : isContainer(span) ? "bold" : waits ? "wait" : "work";
  const duration = formatDuration(span.end - span.start).padStart(DURATION);
  return [
    isContainer(span) ? paint("bold", name) : name,
    ` ${paint("dim", pad(typeOf(span), columns.type))} `,
    `${critical ? paint("critical", "◆") : failed ? paint("error", "✗") : " "} `,
    paint(style, bar(span, axis, columns.bar, waits)),
    failed ? paint("error", duration) : duration,
    columns.id ? `  ${paint("dim", span.spanId)}` : "",
  ].join("");
}

function bar(span: Span, axis: Axis, width: number, waits: boolean): string {
  const from = Math.min(width - 1, Math.round(axis.column(span.start)));
  const to = Math.max(from + 1, Math.min(width, Math.round(axis.column(span.end))));
  const fill = isContainer(span) ? "━" : waits ? "░" : "█";
  const drawn = Array.from({ length: to - from }, (_, i) => (axis.breaks.includes(from + i) && to - from > 1 ? BREAK : fill));
  return `${" ".repeat(from)}${drawn.join("")}${" ".repeat(width - to)} `;
}

/** Below a span: the run it is, what went wrong, and what an LLM took. */
function details({ span, below }: Row, isRoot: boolean, { width, paint }: Canvas): readonly string[] {
  const text = (name: string) => string(span.attributes, name);
  const notes: (readonly [Style, string])[] = [];
  if (span.role === "run" && !isRoot) notes.push(["dim", `run ${text(ATTRIBUTES.RUN_ID.name)} · ${text(ATTRIBUTES.RUN_STATE.name)}`]);
  const model = text(ATTRIBUTES.GEN_AI_RESPONSE_MODEL.name) || text(ATTRIBUTES.GEN_AI_REQUEST_MODEL.name);
  const tokens = [ATTRIBUTES.GEN_AI_INPUT_TOKENS.name, ATTRIBUTES.GEN_AI_OUTPUT_TOKENS.name].map((name) => text(name) || "?");
  if (model !== "") notes.push(["dim", `${model} · ${tokens.join(" → ")} tokens`]);
  for (const { name, attributes } of span.events) {
    if (name !== EVENTS.ATTEMPT_FAILED) continue;
    const attempt = string(attributes, ATTRIBUTES.ATTEMPT_NUMBER.name);
    notes.push([
      "wait",
      `↻ attempt ${attempt} failed: ${string(attributes, ATTRIBUTES.ATTEMPT_MESSAGE.name) || string(attributes, ATTRIBUTES.ERROR_TYPE.name)}`,
    ]);
  }
  const message = span.status.message ?? text(ATTRIBUTES.ERROR_TYPE.name);
  if (span.status.code === "error" && message !== "") notes.push(["error", `✗ ${message}`]);
  return notes.map(([style, note]) => below + paint(style, shorten(terminalText(note), width - cells(below))));
}

/** Types in which nobody computes; an Invoke or a run without anything below it waits for somebody else. */
const WAITS = new Set(["SleepFor", "SleepUntil", "Wait", "WaitForWebhook", "Invoke"]);

function isWork(span: Span, parent: boolean): boolean {
  if (span.role === "run" || span.role === "continuation") return false;
  if (span.role === "delay" || (span.role === "part" && !span.name.startsWith("attempt"))) return false;
  return !(parent && span.role === "step") && !WAITS.has(string(span.attributes, ATTRIBUTES.STEP_TYPE.name));
}

function isContainer(span: Span): boolean {
  return span.role === "run" || span.role === "continuation";
}

function typeOf(span: Span): string {
  const type = string(span.attributes, ATTRIBUTES.STEP_TYPE.name);
  return terminalText(span.role === "step" ? type : span.role === "part" ? "" : span.role);
}

function string(attributes: Attributes, name: string): string {
  const value = attributes[name];
  return value === undefined ? "" : String(value);
}
