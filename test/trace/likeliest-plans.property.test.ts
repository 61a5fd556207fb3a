import fc from "fast-check";
import { expect, test } from "vitest";
import { byEnd, likeliestPlans } from "../../src/trace/likeliest-plans.ts";
import { type Message, madeAt } from "../../src/trace/messages.ts";

/** The rule as plain as it can be said, one result after the other. */
function plainly(plans: readonly Message[], owns: readonly (Message | undefined)[]) {
  const left = [...plans];
  const taken = owns.map((own) => {
    const made = own === undefined ? Number.POSITIVE_INFINITY : madeAt(own);
    const possible = left.filter((plan) => start(plan) <= made && (!hasEnd(plan) || end(plan) >= made || own === undefined));
    const [first] = possible;
    const isNear = first === undefined || end(first) - made <= 1_000;
    const likeliest = (isNear ? undefined : possible.find((plan) => !hasEnd(plan))) ?? first ?? left[0];
    if (likeliest !== undefined) left.splice(left.indexOf(likeliest), 1);
    return likeliest;
  });
  return { taken, left };
}
const start = ({ attempts }: Message) => attempts[0]?.start ?? 0;
const end = ({ attempts, failed }: Message) => (failed ? 0 : (attempts.at(-1)?.end ?? Number.POSITIVE_INFINITY));
const hasEnd = ({ attempts }: Message) => attempts.at(-1)?.end !== undefined;

const time = fc.oneof(fc.integer({ min: 0, max: 8 }), fc.integer({ min: -1, max: 3_000 }));
const orNone = <T>(values: fc.Arbitrary<T>) => fc.option(values, { nil: undefined, freq: 3 });
const attempt = fc.record({ start: orNone(time), end: orNone(time) });
const base = { step: undefined, created: undefined, due: undefined, complete: true, canceled: undefined, failedStepName: undefined };
const plan: fc.Arbitrary<Message> = fc
  .record({ id: fc.string({ maxLength: 2 }), attempts: fc.array(attempt, { maxLength: 2 }), failed: fc.boolean() })
  .map((own) => ({ ...base, ...own, role: "plan" }));
const results = fc
  .array(orNone(time), { maxLength: 12 })
  .map((times) =>
    times
      .toSorted((a, b) => (a ?? Number.MAX_VALUE) - (b ?? Number.MAX_VALUE))
      .map((created): Message | undefined =>
        created === undefined ? undefined : { ...base, id: "", attempts: [], failed: false, role: "result", created },
      ),
  );

test("plans are handed out as by the plain rule, whatever failed, never ended or is lost", () => {
  fc.assert(
    fc.property(fc.array(plan, { maxLength: 12 }), results, (plans, owns) => {
      const sorted = plans.toSorted(byEnd);
      const expected = plainly(sorted, owns);
      const { taken, left } = likeliestPlans(sorted, owns);
      expect(taken.map((one) => sorted.indexOf(one as Message))).toEqual(expected.taken.map((one) => sorted.indexOf(one as Message)));
      expect(left).toEqual(expected.left);
    }),
    { numRuns: 5_000 },
  );
});

test("of ten thousand equal ones each is looked at a few times, not ten thousand times", () => {
  const many = 10_000;
  let looks = 0;
  const looked = (own: Message): Message =>
    new Proxy(own, {
      get(target, key) {
        looks += 1;
        return Reflect.get(target, key);
      },
    });
  const plans = Array.from({ length: many }, (_, i) =>
    looked({ ...base, id: "", role: "plan", failed: false, attempts: [{ start: i % 50, end: 1_000 + (i % 500) }] }),
  ).toSorted(byEnd);
  looks = 0;
  const owns = Array.from(
    { length: many },
    (_, i): Message => ({ ...base, id: "", attempts: [], failed: false, role: "result", created: 900 + (i >> 5) }),
  );
  expect(new Set(likeliestPlans(plans, owns).taken).size).toBe(many);
  expect(looks).toBeLessThan(100 * many);
});
