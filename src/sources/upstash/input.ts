import type { MessageEvent } from "../../model/event.ts";
import type { RunKey, WorkflowRun } from "../../model/run.ts";
import type { UnreadableEntry } from "../source.ts";
import { bodyKind, decodeEvent, decodeRun } from "./decode.ts";
import { leftOut } from "./left-out.ts";
import { isObject } from "./repair.ts";

export interface Input {
  readonly runs: readonly WorkflowRun[];
  /** `position` counts every run and event of the whole input from 0, page limits aside. */
  readonly unreadable: readonly UnreadableEntry[];
  readonly events: readonly MessageEvent[];
  /** Runs and events that were read but for these pieces. */
  readonly incomplete: readonly IncompleteEntry[];
}

export interface IncompleteEntry {
  /** As an unreadable one's. */
  readonly position: number;
  readonly key: RunKey;
  /** Groups and steps that are none: `steps[0].steps[2]: expected a step, an object`. */
  readonly lost: readonly string[];
  /** Fields whose values say nothing: `steps.steps.createdAt`. */
  readonly fields: readonly string[];
}

/**
 * Reads what `wfotel convert` is given: log API bodies (of runs or of the message log), single runs or
 * events, arrays of any of them, or the same as NDJSON. What each entry is, it says by its own fields.
 * A broken NDJSON line is one unreadable entry; text that is no JSON at all is one for the whole, and so is
 * one that holds no list of runs or events.
 */
export function readInput(text: string): Input {
  const runs: WorkflowRun[] = [];
  const events: MessageEvent[] = [];
  const unreadable: UnreadableEntry[] = [];
  const incomplete: IncompleteEntry[] = [];
  const seen = { list: false };
  let position = 0;
  for (const entry of entriesOf(text, seen)) {
    const outcome = "reason" in entry ? { ok: false as const, ...entry } : decodeEntry(entry.value);
    if (!outcome.ok) unreadable.push({ position, reason: outcome.reason, key: outcome.key, id: outcome.id });
    else if ("run" in outcome) runs.push(outcome.run);
    else events.push(outcome.event);
    if (outcome.ok && "value" in entry) incomplete.push(...piecesLost(entry.value, outcome, position));
    position += 1;
  }
  if (position === 0 && !seen.list) unreadable.push({ position, reason: "expected runs or events, found neither" });
  return { runs, unreadable, events, incomplete };
}

/** Nothing where all of it was read; what is mended is not lost. */
function piecesLost(value: unknown, outcome: Extract<Decoded, { ok: true }>, position: number): IncompleteEntry[] {
  const { id, createdAt } = "run" in outcome ? outcome.run : outcome.event;
  const lost = isObject(value) ? leftOut(value) : [];
  const dropped = "run" in outcome ? outcome.run.oddities.filter((oddity) => oddity.endsWith(":dropped")) : [];
  const fields = dropped
    .map((oddity) => oddity.slice(0, oddity.lastIndexOf(":")))
    .filter((field) => field !== "steps" && field !== "steps.steps");
  return lost.length + fields.length === 0 ? [] : [{ position, key: { id, createdAt }, lost, fields }];
}

type Entry = { readonly value: unknown } | { readonly reason: string; readonly key?: undefined; readonly id?: undefined };

/** What was found on the way, beside the entries. */
interface Seen {
  /** A list of runs or events, though it may be empty. */
  list: boolean;
}

function* entriesOf(text: string, seen: Seen): Generator<Entry> {
  if (text.trim() === "") return yield { reason: "expected JSON or NDJSON, found nothing" };
  const whole = parse(text);
  if (whole !== undefined) return yield* flatten(whole.value, seen);
  const lines = text.split("\n").map((line, index) => ({ number: index + 1, line, parsed: parse(line) }));
  // A truncated JSON file may have lines that are JSON by chance, such as `1` or `"x"`, but no line that is a container.
  if (!lines.some(({ parsed }) => typeof parsed?.value === "object" && parsed.value !== null)) {
    return yield { reason: "expected JSON or NDJSON, found neither" };
  }
  for (const { number, line, parsed } of lines) {
    if (parsed !== undefined) yield* flatten(parsed.value, seen);
    else if (line.trim() !== "") yield { reason: `line ${number}: expected JSON` };
  }
}

/** The runs and events in pages, lists and lists of pages; each exactly once, in their order. */
function* flatten(value: unknown, seen: Seen): Generator<Entry> {
  if (Array.isArray(value)) {
    seen.list = true;
    for (const item of value) yield* isPage(item) ? flatten(item, seen) : [entryOf(item)];
  } else if (isPage(value)) {
    for (const field of ["runs", "events"]) {
      const list = value[field];
      if (Array.isArray(list)) for (const item of list) yield { value: item };
      else if (list !== undefined && list !== null) yield { reason: `${field}: expected a list` };
      seen.list ||= Array.isArray(list) || list === null;
    }
  } else {
    yield entryOf(value);
  }
}

/** With a list, or what should be one; or a body that left its empty list out. */
function isPage(value: unknown): value is Record<string, unknown> {
  if (!isObject(value)) return false;
  if (bodyKind(value) !== "other") return Object.keys(value).length > 0;
  return !("workflowRunId" in value) && ("runs" in value || "events" in value);
}

function entryOf(value: unknown): Entry {
  const isError = isObject(value) && "error" in value && !("workflowRunId" in value) && !("steps" in value) && !isEvent(value);
  return isError ? { reason: "expected runs or events, found an error answer of the API" } : { value };
}

/** An event has a `time` of its own and `state`; a run has `workflowState` and steps. */
function isEvent(value: Record<string, unknown>): boolean {
  return "time" in value && "state" in value && !("workflowState" in value) && !("steps" in value);
}

type Decoded = ReturnType<typeof decodeRun> | ReturnType<typeof decodeEvent>;

function decodeEntry(value: unknown): Decoded {
  return isObject(value) && isEvent(value) ? decodeEvent(value) : decodeRun(value);
}

function parse(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text.startsWith("\uFEFF") ? text.slice(1) : text) };
  } catch {
    return undefined;
  }
}
