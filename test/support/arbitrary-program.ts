import fc from "fast-check";
import type { MessageEvent } from "../../src/model/event.ts";
import type { WorkflowRun } from "../../src/model/run.ts";
import { decodeEventsBody, decodeRunsBody } from "../../src/sources/upstash/decode.ts";
import { T0 } from "./run-builder.ts";
import { play } from "./scenarios/play.ts";
import type { FailedAttempt, Program, Work } from "./scenarios/program.ts";
import { seeded } from "./scenarios/random.ts";
import type { Truth } from "./scenarios/recording.ts";

/** A run that has happened: both logs as they are read, and the truth. */
export interface Played {
  readonly run: WorkflowRun;
  readonly events: readonly MessageEvent[];
  readonly truth: readonly Truth[];
}

/** Lets a program happen, with everything it invokes; its own run comes first. */
export function played(program: Program, seed = 1): readonly [Played, ...Played[]] {
  const [first, ...children] = play(program, T0, seeded(seed)).map(({ versions, events, truth }) => ({
    run: decodeRunsBody({ runs: [versions.at(-1)?.run] }).runs[0]!,
    events: decodeEventsBody({ events }).events,
    truth,
  }));
  return [first!, ...children];
}

const failed: fc.Arbitrary<FailedAttempt[]> = fc.array(
  fc.record({
    ms: fc.integer({ min: 1, max: 900 }),
    status: fc.constantFrom(429, 500, 503),
    message: fc.constant("boom"),
    retryAfterMs: fc.integer({ min: 1, max: 60_000 }),
  }),
  { maxLength: 3 },
);
/** Steps may have one name: so they do in loops. */
const name = fc.constantFrom("a", "b", "c");
const ms = fc.integer({ min: 1, max: 30_000 });
const work: fc.Arbitrary<Work> = fc.oneof(
  fc.record({ kind: fc.constant("run"), name, ms, failed }),
  fc.record({
    kind: fc.constant("call"),
    name,
    ms,
    failed,
    method: fc.constant("GET"),
    url: fc.constant("https://third.example.net/"),
    status: fc.constantFrom(200, 404),
    response: fc.constant({}),
  }),
  fc.record({ kind: fc.constant("sleep"), name, ms: fc.integer({ min: 1, max: 90 }).map((s) => s * 1_000), until: fc.boolean() }),
  fc.record(
    { kind: fc.constant("wait"), name, eventId: name, timeoutMs: fc.integer({ min: 30_001, max: 60_000 }), notifiedAfterMs: ms },
    { requiredKeys: ["kind", "name", "eventId", "timeoutMs"] },
  ),
  fc.record({
    kind: fc.constant("invoke"),
    name,
    program: fc.record({
      url: fc.constant("https://shop.example.com/child"),
      steps: fc.constant([{ kind: "run" as const, name: "c", ms: 400 }]),
    }),
  }),
);

/** Any program that succeeds: sequential steps and parallel ones, retries that recover. */
export const arbitraryProgram: fc.Arbitrary<Program> = fc.record({
  url: fc.constant("https://shop.example.com/any"),
  steps: fc.array(fc.oneof(work, fc.array(work, { minLength: 2, maxLength: 4 })), { minLength: 1, maxLength: 6 }),
});
