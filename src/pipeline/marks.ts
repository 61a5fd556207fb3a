import { isTerminal, keyOf, type RunKey, type Step, type WorkflowRun } from "../model/run.ts";
import { MARKS_PER_WORD, type Mark } from "../state/store.ts";
import type { MappingSettings } from "../trace/config.ts";
import { eventWords, wordOf } from "../trace/event-links.ts";
import type { RunFacts } from "../trace/map-run.ts";
import { OWN_TRACE_FLAGS } from "../trace/placement.ts";
import type { MappedRun, Span, SpanLink } from "../trace/span.ts";
import type { SourceContext } from "./context.ts";

/**
 * What runs leave behind for runs that come later: a step that waits or notifies, for the other side of its
 * event; a run that failed, for the one that resumes it and carries its messages. Stored as hashes, since
 * event ids are the user's own words.
 */
export type Marks = ReadonlyMap<string, readonly Mark[]>;

/** So many of a run's steps are looked at: the first messages of a resumed run are those it shares. */
const SHARED_MESSAGES = 4;

/** The marks that a page's runs may want, by their word. */
export async function findMarks({ store, source, settings }: SourceContext, runs: readonly WorkflowRun[]): Promise<Marks> {
  const words = [...new Set(runs.filter(isTerminal).flatMap((run) => wantedWords(run, settings)))];
  const found = new Map<string, Mark[]>();
  if (words.length === 0) return found;
  for (const mark of await store.findMarks(source.name, words)) found.set(mark.word, [...(found.get(mark.word) ?? []), mark]);
  return found;
}

function wantedWords(run: WorkflowRun, { traces }: MappingSettings): string[] {
  const resumed = isResumed(run) ? messageWords(run) : [];
  if (!traces.capture.outputs) return resumed;
  return [...resumed, ...stepsOf(run).flatMap((step) => eventWords(step)?.other ?? [])];
}

/** What the mapper is told of runs that came before. */
export function factsOf(run: WorkflowRun, marks: Marks): RunFacts {
  if (!isResumed(run)) return {};
  for (const word of messageWords(run)) {
    const mark = marks.get(word)?.find(({ key }) => keyOf(key) !== keyOf(run));
    if (mark !== undefined) return { resumedFrom: { ...mark.key, traceId: mark.traceId } };
  }
  return {};
}

/** Links from a run's waits and notifies to the other side, as far as it was exported before. */
export function eventLinks(marks: Marks, run: RunKey): (word: string) => readonly SpanLink[] {
  return (word) => (marks.get(word) ?? []).filter(({ key }) => keyOf(key) !== keyOf(run)).map(linkTo);
}

/** What a run has just left behind, for those that come after it on the same page; it may be there already. */
export function addMarks(marks: Map<string, readonly Mark[]>, left: readonly Mark[]): void {
  for (const mark of left) {
    const before = marks.get(mark.word) ?? [];
    const isKnown = before.some(({ traceId, spanId }) => traceId === mark.traceId && spanId === mark.spanId);
    if (!isKnown) marks.set(mark.word, [mark, ...before].slice(0, MARKS_PER_WORD));
  }
}

function linkTo({ traceId, spanId }: Mark): SpanLink {
  return { traceId, spanId, traceFlags: OWN_TRACE_FLAGS, isRemote: true, attributes: {} };
}

/** What this run leaves behind. */
export function marksOf(run: WorkflowRun, { spans }: MappedRun): Mark[] {
  const [root] = spans;
  const key = { id: run.id, createdAt: run.createdAt };
  const at = (word: string, span: Span): Mark => ({ word, key, traceId: span.traceId, spanId: span.spanId });
  const resumable = root !== undefined && (run.state === "RUN_FAILED" || run.state === "RUN_CANCELED");
  const messages = resumable ? messageWords(run).map((word) => at(word, root)) : [];
  const events = spans.flatMap((span) => (span.event === undefined ? [] : [at(span.event.own, span)]));
  return [...messages, ...events];
}

/** A run that resumes another carries steps that are older than itself. */
function isResumed(run: WorkflowRun): boolean {
  return stepsOf(run).some((step) => step.createdAt !== undefined && step.createdAt < run.createdAt);
}

function messageWords(run: WorkflowRun): string[] {
  const shared = stepsOf(run).slice(0, SHARED_MESSAGES);
  return shared.flatMap(({ messageId }) => (messageId === undefined ? [] : [wordOf("message", messageId)]));
}

/** Stands for the message that called a failure function. */
export function failureWord(messageId: string): string {
  return wordOf("failure", messageId);
}

function stepsOf(run: WorkflowRun): Step[] {
  return run.groups.flatMap((group) => group.steps);
}
