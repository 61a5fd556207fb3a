import type { ReceivedSpan } from "../../src/fake-upstash/otlp-spans.ts";
import { contentOf, type ExpectedRun, expectedRuns, wholeOf } from "./expected.ts";
import { readState, type StateView } from "./state-view.ts";
import type { Backend, World } from "./world.ts";

/** input = delivered ∪ quarantined ∪ excluded, for every destination; and no span says two things. */
export interface Verdict {
  readonly runs: number;
  /** Accepted, each as often as it came. */
  readonly spans: number;
  readonly duplicates: number;
  readonly delivered: number;
  readonly quarantined: number;
  readonly excluded: number;
  readonly lost: readonly string[];
  /** Anything else that must not be. */
  readonly wrong: readonly string[];
}

/**
 * `exact`: spans are what the mapper makes of the run. `ids`: the log itself was spoilt, so only their ids are compared.
 * `roots`: even steps may be unrecognizable, but the run must be there.
 */
export type Compare = "exact" | "ids" | "roots";

/** Destinations that are judged, and since when each is one (API's clock). */
export interface JudgeOptions {
  readonly compare: Compare;
  readonly since?: ReadonlyMap<string, number>;
}

export async function judge(world: World, options: JudgeOptions): Promise<Verdict> {
  const expected = expectedRuns(world);
  const named = new Set(world.config.destinations.map((destination) => destination.name));
  const backends = world.backends.filter((backend) => named.has(backend.name));
  const state = await readState(
    world,
    expected.map((run) => ({ id: run.id, createdAt: run.createdAt })),
  );
  const verdicts = backends.map((backend) => judgeBackend(backend, expected, state, options));
  const sum = (pick: (verdict: Verdict) => number) => verdicts.reduce((total, verdict) => total + pick(verdict), 0);
  return {
    runs: expected.length,
    spans: sum((verdict) => verdict.spans),
    duplicates: sum((verdict) => verdict.duplicates),
    delivered: sum((verdict) => verdict.delivered),
    quarantined: sum((verdict) => verdict.quarantined),
    excluded: sum((verdict) => verdict.excluded),
    lost: verdicts.flatMap((verdict) => verdict.lost),
    wrong: verdicts.flatMap((verdict) => verdict.wrong),
  };
}

/** Nothing is missing from any backend, but for what the state knows: cheap enough to be asked again and again. */
export async function isSettled(world: World, options: JudgeOptions): Promise<boolean> {
  return (await judge(world, options)).lost.length === 0;
}

function judgeBackend(backend: Backend, expected: readonly ExpectedRun[], state: StateView | undefined, options: JudgeOptions): Verdict {
  const accepted = Map.groupBy(backend.accepted(), (span) => span.spanId);
  const since = options.since?.get(backend.name) ?? 0;
  const counts = { delivered: 0, quarantined: 0, excluded: 0 };
  const lost: string[] = [];
  const known = new Set<string>();
  for (const [index, run] of expected.entries()) {
    for (const id of run.spans.keys()) known.add(id);
    if (run.exempt || run.endedAt < since) continue;
    const fate = fateOf(backend, run, accepted, state, index, options.compare);
    if (fate in counts) counts[fate as keyof typeof counts] += 1;
    else lost.push(`${backend.name}: ${run.id}@${run.createdAt} ${fate}`);
  }
  const spans = backend.accepted().length;
  const wrong = [
    ...contradictions(backend, accepted),
    ...(options.compare === "exact" ? surprises(backend, accepted, expected, known) : []),
  ];
  return { runs: expected.length, spans, duplicates: spans - accepted.size, ...counts, lost, wrong: wrong.concat(violations(backend)) };
}

/** `delivered`, `quarantined`, `excluded`, or what is missing. */
function fateOf(
  backend: Backend,
  run: ExpectedRun,
  accepted: ReadonlyMap<string, ReceivedSpan[]>,
  state: StateView | undefined,
  index: number,
  compare: Compare,
): string {
  const wanted = compare === "roots" ? [...run.spans.keys()].slice(0, 1) : [...run.spans.keys()];
  if (run.dropped) return wanted.some((id) => accepted.has(id)) ? "was to be dropped and was delivered" : "excluded";
  const missing = wanted.filter((id) => !accepted.has(id));
  if (missing.length === 0) return "delivered";
  const entries = state?.quarantined.filter((entry) => entry.runId === run.id && ["", backend.name].includes(entry.destination)) ?? [];
  if (missing.every((id) => entries.some((entry) => entry.spans === "whole" || entry.spans.includes(id)))) return "quarantined";
  const outcome = state?.outcomes[index];
  const told = outcome?.destinations[backend.name];
  if (told?.startsWith("excluded")) return "excluded";
  return `${missing.length} of ${run.spans.size} spans missing; the state says ${outcome?.phase ?? "nothing"}, ${told ?? "nothing"}`;
}

/** One span id with two contents: a repetition that differs. */
function contradictions(backend: Backend, accepted: ReadonlyMap<string, ReceivedSpan[]>): string[] {
  return [...accepted].flatMap(([id, spans]) => {
    const [first, ...others] = [...new Set(spans.map(wholeOf))];
    if (first === undefined || others.length === 0) return [];
    const parts = others.map((other) => whereTheyPart(first, other)).join("; ");
    return [`${backend.name}: span ${id} (${spans[0]?.name}) came in ${others.length + 1} forms: ${parts}`];
  });
}

/** Around the first character in which they differ: of two spans that are alike for pages, what a person wants to see. */
function whereTheyPart(one: string, other: string): string {
  let at = 0;
  while (at < one.length && one[at] === other[at]) at += 1;
  const around = (text: string) => text.slice(Math.max(0, at - 100), at + 200);
  return `…${around(one)}… ⟷ …${around(other)}…`;
}

/** A span that says something else than the run does, or that nobody asked for. */
function surprises(
  backend: Backend,
  accepted: ReadonlyMap<string, ReceivedSpan[]>,
  expected: readonly ExpectedRun[],
  known: ReadonlySet<string>,
): string[] {
  const contents = new Map(expected.flatMap((run) => [...run.spans]));
  return [...accepted].flatMap(([id, [span]]) => {
    if (span === undefined) return [];
    if (!known.has(id)) return [`${backend.name}: nobody expects span ${id} (${span.name})`];
    const allowed = contents.get(id);
    return allowed?.has(contentOf(span))
      ? []
      : [`${backend.name}: span ${id} (${span.name}) is ${contentOf(span)}, not ${[...(allowed ?? [])].join(" or ")}`];
  });
}

const violations = (backend: Backend) => backend.receiver.violations.map((violation) => `${backend.name}: ${violation}`);
