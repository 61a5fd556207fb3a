import type { MessageEvent } from "../../model/event.ts";
import type { WorkflowRun } from "../../model/run.ts";
import type { UnreadableEntry } from "../source.ts";
import { bodyKind, decodeEvent, decodeRun } from "./decode.ts";
import { isObject } from "./repair.ts";

export interface Input {
  readonly runs: readonly WorkflowRun[];
  /** `position` counts every run and event of the whole input from 0, page limits aside. */
  readonly unreadable: readonly UnreadableEntry[];
  readonly events: readonly MessageEvent[];
}

/**
 * Reads what `wfotel convert` is given: log API bodies (of runs or of the message log), single runs or
 * events, arrays of any of them, or the same as NDJSON. What each entry is, it says by its own fields.
 * A broken NDJSON line is one unreadable entry; text that is no JSON at all is one for the whole.
 */
export function readInput(text: string): Input {
  const runs: WorkflowRun[] = [];
  const events: MessageEvent[] = [];
  const unreadable: UnreadableEntry[] = [];
  let position = 0;
  for (const entry of entriesOf(text.startsWith("\uFEFF") ? text.slice(1) : text)) {
    const outcome = "reason" in entry ? { ok: false as const, ...entry } : decodeEntry(entry.value);
    if (!outcome.ok) unreadable.push({ position, reason: outcome.reason, key: outcome.key });
    else if ("run" in outcome) runs.push(outcome.run);
    else events.push(outcome.event);
    position += 1;
  }
  return { runs, unreadable, events };
}

type Entry = { readonly value: unknown } | { readonly reason: string; readonly key?: undefined };

function* entriesOf(text: string): Generator<Entry> {
  if (text.trim() === "") return yield { reason: "expected JSON or NDJSON, found nothing" };
  const whole = parse(text);
  if (whole !== undefined) return yield* flatten(whole.value);
  const lines = text.split("\n").map((line, index) => ({ number: index + 1, line, parsed: parse(line) }));
  // A truncated JSON file may have lines that are JSON by chance, such as `1` or `"x"`, but no line that is a container.
  if (!lines.some(({ parsed }) => typeof parsed?.value === "object" && parsed.value !== null)) {
    return yield { reason: "expected JSON or NDJSON, found neither" };
  }
  for (const { number, line, parsed } of lines) {
    if (parsed !== undefined) yield* flatten(parsed.value);
    else if (line.trim() !== "") yield { reason: `line ${number}: expected JSON` };
  }
}

/** The runs and events in pages, lists and lists of pages; each exactly once, in their order. */
function* flatten(value: unknown): Generator<Entry> {
  if (Array.isArray(value)) {
    for (const item of value) yield* isPage(item) ? flatten(item) : [{ value: item }];
  } else if (isPage(value)) {
    for (const list of [value.runs, value.events]) for (const entry of Array.isArray(list) ? list : []) yield { value: entry };
  } else {
    yield { value };
  }
}

function isPage(value: unknown): value is Record<string, unknown> {
  return isObject(value) && Object.keys(value).length > 0 && bodyKind(value) !== "other";
}

/** An event has a `time` of its own and `state`; a run has `workflowState` and steps. */
function decodeEntry(value: unknown): ReturnType<typeof decodeRun> | ReturnType<typeof decodeEvent> {
  const isEvent = isObject(value) && "time" in value && "state" in value && !("workflowState" in value) && !("steps" in value);
  return isEvent ? decodeEvent(value) : decodeRun(value);
}

function parse(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}
