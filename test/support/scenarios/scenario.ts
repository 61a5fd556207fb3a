import type { LogStore } from "../../../src/fake-upstash/log-store.ts";
import type { Millis } from "../../../src/fake-upstash/wire.ts";
import { play } from "./play.ts";
import type { Program } from "./program.ts";
import { type Random, seeded } from "./random.ts";
import type { PlayedRun } from "./recording.ts";

/** A believable story of one or more runs. The same seed always tells it alike. */
export interface Scenario {
  readonly name: string;
  /** One line for people. */
  readonly title: string;
  /** Lets it happen from `start` (ms) on. */
  happen(start: Millis, random: Random): readonly PlayedRun[];
}

/** The scenario of one program and whatever it invokes. */
export function scenario(name: string, title: string, program: Program): Scenario {
  return { name, title, happen: (start, random) => play(program, start, random) };
}

/** The story placed so that its last run ends at `end` (ms): a day's sleep can be over in a moment, and nothing is scaled. */
export function happenUntil({ happen }: Scenario, end: Millis, seed: number): readonly PlayedRun[] {
  const duration = Math.max(...happen(0, seeded(seed)).map(endOf));
  return happen(end - duration, seeded(seed));
}

/** When a run was over. */
export const endOf = (run: PlayedRun): Millis => run.versions.at(-1)?.run.workflowRunCompletedAt ?? Number.NaN;

/** Puts runs into the store as they were at every moment; those of the future appear when their time has come. */
export function record(store: LogStore, runs: readonly PlayedRun[]): void {
  for (const { versions, events } of runs) {
    for (const { since, run } of versions) store.putRun(run, since);
    for (const event of events) store.putEvent(event);
  }
}
