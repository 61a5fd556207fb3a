import { keyOf, type Millis, type RunKey, type WorkflowRun } from "../model/run.ts";
import type { ChildEnd } from "./timeline-statement.ts";

/** The identities of the runs that these have invoked, as far as their logs give them. */
export function invokedBy(runs: readonly WorkflowRun[]): RunKey[] {
  const steps = runs.flatMap((run) => run.groups.flatMap((group) => group.steps));
  return steps.flatMap(({ invoked: { id, createdAt } = {} }) => (id === undefined || createdAt === undefined ? [] : [{ id, createdAt }]));
}

/** When invoked runs ended, of those that are among these. */
export function childEnds(ended: readonly { readonly key: RunKey; readonly endedAt?: Millis }[]): ChildEnd {
  const ends = new Map(ended.map(({ key, endedAt }) => [keyOf(key), endedAt]));
  return ({ id = "", createdAt = Number.NaN }) => ends.get(keyOf({ id, createdAt }));
}
