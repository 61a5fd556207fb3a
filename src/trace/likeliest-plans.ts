import type { Millis } from "../model/run.ts";
import { type Message, madeAt } from "./messages.ts";

/** ms; an endpoint answers sooner than that once it has handed in a result. */
const SECOND = 1_000;

interface Candidate {
  readonly plan: Message;
  /** Among the plans. */
  readonly place: number;
  taken: boolean;
}

/**
 * Hands out the plans of equal steps to their results: the plan that was done first made the result that came first,
 * unless it began after that or was over before. O(n log n).
 * @param plans sorted `byEnd`.
 * @param owns the messages of the results, by `madeAt`; undefined for steps without one, which come last: theirs are the plans that failed or never ended.
 * @returns `taken` in the order of `owns`; `left` in the order of `plans`.
 */
export function likeliestPlans(
  plans: readonly Message[],
  owns: readonly (Message | undefined)[],
): { readonly taken: readonly (Message | undefined)[]; readonly left: readonly Message[] } {
  const byPlace = plans.map((plan, place): Candidate => ({ plan, place, taken: false }));
  const byStart = byPlace.toSorted((a, b) => startOf(a) - startOf(b));
  const begun: Candidate[] = [];
  const endless: Candidate[] = [];
  let started = 0;
  let free = 0;
  const leastFree = () => {
    while (byPlace[free]?.taken) free += 1;
    return byPlace[free];
  };
  const taken = owns.map((own) => {
    const made = own === undefined ? Number.POSITIVE_INFINITY : madeAt(own);
    for (let one = byStart[started]; one !== undefined && startOf(one) <= made; one = byStart[started]) {
      started += 1;
      push(begun, one);
      if (!hasEnd(one)) push(endless, one);
    }
    const first = own === undefined ? leastFree() : leastBut(begun, (one) => one.taken || isOver(one, made));
    // Where the first was at work long after, it is rather one whose end the log lost.
    const isNear = first === undefined || endOf(first.plan) - made <= SECOND;
    const likeliest = (isNear ? undefined : leastBut(endless, (one) => one.taken)) ?? first ?? leastFree();
    if (likeliest !== undefined) likeliest.taken = true;
    return likeliest?.plan;
  });
  return { taken, left: byPlace.flatMap((one) => (one.taken ? [] : one.plan)) };
}

function startOf({ plan }: Candidate): Millis {
  return plan.attempts[0]?.start ?? 0;
}

function hasEnd({ plan }: Candidate): boolean {
  return plan.attempts.at(-1)?.end !== undefined;
}

/** And so it is at any later time. */
function isOver(one: Candidate, made: Millis): boolean {
  return hasEnd(one) && endOf(one.plan) < made;
}

/** Those that failed last. */
export function byEnd(a: Message, b: Message): number {
  const [end, other] = [endOf(a), endOf(b)];
  return Number(a.failed) - Number(b.failed) || (end === other ? 0 : end - other);
}

function endOf({ attempts, failed }: Message): Millis {
  return failed ? 0 : (attempts.at(-1)?.end ?? Number.POSITIVE_INFINITY);
}

/** The one with the least place in a heap; those that `isOut` go out of it for good. */
function leastBut(heap: Candidate[], isOut: (one: Candidate) => boolean): Candidate | undefined {
  while (heap[0] !== undefined && isOut(heap[0])) pop(heap);
  return heap[0];
}

/** A binary heap: none has a lesser place than the one above it, at half its index. */
function push(heap: Candidate[], one: Candidate): void {
  let at = heap.push(one) - 1;
  for (let up = (at - 1) >> 1; at > 0 && isLess(one, heap[up]); up = (at - 1) >> 1) at = swap(heap, at, up);
}

function pop(heap: Candidate[]): void {
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return;
  heap[0] = last;
  for (let at = 0; ; ) {
    const down = isLess(heap[2 * at + 2], heap[2 * at + 1]) ? 2 * at + 2 : 2 * at + 1;
    if (!isLess(heap[down], last)) return;
    at = swap(heap, at, down);
  }
}

function swap(heap: Candidate[], at: number, other: number): number {
  const [one, two] = [heap[at], heap[other]];
  if (one !== undefined && two !== undefined) [heap[at], heap[other]] = [two, one];
  return other;
}

function isLess(one: Candidate | undefined, other: Candidate | undefined): boolean {
  return one !== undefined && (other === undefined || one.place < other.place);
}
