import type { Millis, Step, StepGroup } from "../model/run.ts";
import { byEnd, likeliestPlans } from "./likeliest-plans.ts";
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
    const open = members.filter(({ index }) => plans[index] === undefined).toSorted(byResult);
    const membersOf = Map.groupBy(open, ofMember);
    free = [...Map.groupBy(free.toSorted(byEnd), ofPlan)].flatMap(([key, equals]) => {
      const wanting = membersOf.get(key) ?? [];
      const { taken, left } = likeliestPlans(
        equals,
        wanting.map(({ own }) => own),
      );
      for (const [place, { index }] of wanting.entries()) plans[index] = taken[place];
      return left;
    });
  }
  return { plans, left: free.toSorted((a, b) => madeAt(a) - madeAt(b)) };
}

function nameAndType(step: Step | undefined): string {
  return JSON.stringify([step?.type, step?.name]);
}

/** Those without a result last: theirs are the plans that failed or never ended. */
function byResult(a: Member, b: Member): number {
  // Two infinities have no difference: NaN.
  return resultTime(a) - resultTime(b) || a.index - b.index;
}

function resultTime({ own }: Member): Millis {
  return own === undefined ? Number.POSITIVE_INFINITY : madeAt(own);
}
