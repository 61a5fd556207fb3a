import type { Millis, Step, StepGroup } from "../model/run.ts";
import { type Message, madeAt } from "./messages.ts";

/** Which plan each parallel step was executed by. A plan says its step's name and type, but no number. */
export interface MatchedPlans {
  /** By group and by position in it. */
  readonly plans: readonly (readonly (Message | undefined)[])[];
  /** By group: its plans that none of its steps has; last, those after all groups. */
  readonly left: readonly (readonly Message[])[];
}

export function isParallel(group: StepGroup): boolean {
  return group.type === "parallel" || group.steps.length > 1;
}

/**
 * @param owns the message of each step's result, by group and position.
 * @param plans by when they were made: a group's come before its results, and after the results of the group before.
 */
export function matchPlans(
  groups: readonly StepGroup[],
  owns: readonly (readonly (Message | undefined)[])[],
  plans: readonly Message[],
): MatchedPlans {
  const left: Message[][] = [];
  let next = 0;
  const matched = groups.map((group, position) => {
    const members = group.steps.map((step, index) => ({ step, index, own: owns[position]?.[index] }));
    const made = isParallel(group) ? members.map(({ step, own }) => own?.created ?? step.createdAt ?? 0) : [];
    const latest = made.reduce((a, b) => Math.max(a, b), 0);
    const from = next;
    for (let plan = plans[next]; plan !== undefined && madeAt(plan) <= latest; plan = plans[next]) next += 1;
    const found = matchGroup(members, plans.slice(from, next));
    left.push(found.left);
    return found.plans;
  });
  return { plans: matched, left: [...left, plans.slice(next)] };
}

/** ms; an endpoint answers sooner than that once it has handed in a result. */
const SECOND = 1_000;

interface Member {
  readonly step: Step;
  readonly index: number;
  readonly own: Message | undefined;
}

/**
 * By message id, which a step without a result may show; then by name and type, and last by type alone (names
 * may be redacted). Among equals the plan that was done first made the result that came first, unless it began after that.
 */
function matchGroup(members: readonly Member[], pool: readonly Message[]): { plans: (Message | undefined)[]; left: Message[] } {
  const plans = new Array<Message | undefined>(members.length).fill(undefined);
  let free = pool;
  const byId = (plan: Message) => plan.id;
  const keys: [(member: Member) => string, (plan: Message) => string][] = [
    [({ step }) => step.messageId ?? "", byId],
    [({ step }) => nameAndType(step), ({ step }) => nameAndType(step)],
    [({ step }) => step.type, ({ step }) => step?.type ?? ""],
  ];
  for (const [ofMember, ofPlan] of keys) {
    if (free.length === 0) break;
    const byKey = Map.groupBy(free.toSorted(byEnd), ofPlan);
    const open = members.filter(({ index }) => plans[index] === undefined).toSorted(byResult);
    for (const member of open) plans[member.index] = takeLikeliest(byKey.get(ofMember(member)) ?? [], resultTime(member));
    free = [...byKey.values()].flat();
  }
  return { plans, left: free.toSorted((a, b) => madeAt(a) - madeAt(b)) };
}

/** @param plans by their ends; the one that is returned is taken out of them. */
function takeLikeliest(plans: Message[], made: Millis): Message | undefined {
  const possible = plans.filter((plan) => couldMake(plan, made));
  const [first] = possible;
  // Where the first was at work long after, it is rather one whose end the log lost.
  const isNear = first === undefined || endOf(first) - made <= SECOND;
  const likeliest = (isNear ? undefined : possible.find((plan) => !hasEnd(plan))) ?? first ?? plans[0];
  if (likeliest !== undefined) plans.splice(plans.indexOf(likeliest), 1);
  return likeliest;
}

/** It had begun by then, and was not over. */
function couldMake(plan: Message, made: Millis): boolean {
  return (plan.attempts[0]?.start ?? 0) <= made && (!hasEnd(plan) || endOf(plan) >= made || made === Number.POSITIVE_INFINITY);
}

function hasEnd(plan: Message): boolean {
  return plan.attempts.at(-1)?.end !== undefined;
}

function nameAndType(step: Step | undefined): string {
  return JSON.stringify([step?.type, step?.name]);
}

/** Those without a result last: theirs are the plans that failed or never ended. */
function byResult(a: Member, b: Member): number {
  return difference(resultTime(a), resultTime(b)) || a.index - b.index;
}

function resultTime({ own }: Member): Millis {
  return own === undefined ? Number.POSITIVE_INFINITY : madeAt(own);
}

function byEnd(a: Message, b: Message): number {
  return Number(a.failed) - Number(b.failed) || difference(endOf(a), endOf(b));
}

function endOf({ attempts, failed }: Message): Millis {
  return failed ? 0 : (attempts.at(-1)?.end ?? Number.POSITIVE_INFINITY);
}

/** Two infinities are equal. */
function difference(a: number, b: number): number {
  return a === b ? 0 : a - b;
}
