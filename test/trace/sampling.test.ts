import { createHash } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Step } from "../../src/model/run.ts";
import { type KeepRule, keepByRatio, keptByOutcome, type Outcome } from "../../src/trace/sampling.ts";

const head = "ffffffffffffffffff";
const traceId = fc.integer({ min: 0, max: 0xffffffff }).map((n) => createHash("sha256").update(String(n)).digest("hex").slice(0, 32));

test.each([
  // The last 7 bytes against (1 − ratio)·2^56, on both sides of the edge.
  [`${head}00000000000000`, 1, true],
  [`${head}ffffffffffffff`, 0, false],
  [`${head}80000000000000`, 0.5, true],
  [`${head}7fffffffffffff`, 0.5, false],
  [`${head}c0000000000000`, 0.25, true],
  [`${head}bfffffffffffff`, 0.25, false],
  [`${"0".repeat(18)}ffffffffffffff`, 0.01, true],
  [`${head}ffffffffffffff`, 2 ** -53, true],
  [`${head}fffffffffffff7`, 2 ** -53, false],
  [`${head}ffffffffffffff`, 1e-300, false],
  [`${head}ffffffffffffff`, -1, false],
  [`${head}00000000000000`, 2, true],
])("%s at ratio %d: %s", (id, ratio, expected) => expect(keepByRatio(id, ratio)).toBe(expected));

test("what a ratio keeps, every larger ratio keeps", () => {
  const ratio = fc.double({ min: 0, max: 1, noNaN: true });
  fc.assert(
    fc.property(traceId, ratio, ratio, (id, a, b) => {
      if (keepByRatio(id, Math.min(a, b))) expect(keepByRatio(id, Math.max(a, b))).toBe(true);
    }),
  );
});

test("keeps the share that was asked for", () => {
  const ids = Array.from({ length: 20_000 }, (_, n) => createHash("sha256").update(`trace ${n}`).digest("hex").slice(0, 32));
  for (const ratio of [0.01, 0.1, 0.5, 0.9]) {
    const share = ids.filter((id) => keepByRatio(id, ratio)).length / ids.length;
    expect(Math.abs(share - ratio)).toBeLessThan(0.012);
  }
});

const step = (own: Partial<Step>): Step => ({ name: "s", type: "Run", state: "STEP_SUCCESS", errors: [], ...own });
const run = (own: Partial<Outcome>, ...steps: Step[]): Outcome => ({
  state: "RUN_SUCCESS",
  createdAt: 1_000,
  completedAt: 2_000,
  groups: [{ type: "sequential", steps }],
  ...own,
});

test.each<[string, Outcome, KeepRule[], boolean]>([
  ["a success by no rule", run({}, step({})), ["failed", "canceled", "retried", { slower_than: 1_000 }], false],
  ["nothing without rules", run({ state: "RUN_FAILED" }), [], false],
  ["a failure", run({ state: "RUN_FAILED" }), ["failed"], true],
  ["no cancellation as a failure", run({ state: "RUN_CANCELED" }), ["failed"], false],
  ["a cancellation", run({ state: "RUN_CANCELED" }), ["failed", "canceled"], true],
  ["a retry by its state", run({}, step({ state: "STEP_RETRY" })), ["retried"], true],
  ["a retry by its errors", run({}, step({ errors: [{ message: "500" }] })), ["retried"], true],
  ["a slow one", run({ completedAt: 2_001 }), [{ slower_than: 1_000 }], true],
  [
    "a slow one without an end, by its latest step",
    run({ completedAt: undefined }, step({ createdAt: 5_000 }), step({})),
    [{ slower_than: 3_000 }],
    true,
  ],
  [
    "a slow one without an end, by its latest error",
    run({ completedAt: undefined }, step({ errors: [{ message: "x", time: 5_000 }, { message: "y" }] })),
    [{ slower_than: 3_000 }],
    true,
  ],
  ["no fast one without an end", run({ completedAt: undefined }), [{ slower_than: 0 }], false],
])("keeps %s", (_, outcome, rules, expected) => expect(keptByOutcome(outcome, rules)).toBe(expected));

test("a second attempt that only the message log shows is a retry", () => {
  expect(keptByOutcome(run({}, step({})), ["retried"], 2)).toBe(true);
  expect(keptByOutcome(run({}, step({})), ["retried"], 1)).toBe(false);
});
