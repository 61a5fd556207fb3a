import { isObject } from "./repair.ts";

/**
 * What of a run's entry (or of an event's) is no group, step or list of them, and so is left out when it is
 * decoded: `steps[0].steps[2]: expected a step, an object`. Never a value.
 */
export function leftOut(entry: Readonly<Record<string, unknown>>): string[] {
  const lost: string[] = [];
  const groups = listAt(entry.steps, "steps", lost);
  groups.forEach((group, index) => {
    const path = `steps[${index}]`;
    if (!isObject(group)) lost.push(`${path}: expected a group of steps, an object`);
    else lost.push(...stepsLeftOut(group.steps, `${path}.steps`));
  });
  if (isMissing(entry.stepInfo) || isObject(entry.stepInfo)) return lost;
  return [...lost, "stepInfo: expected a step, an object"];
}

function stepsLeftOut(steps: unknown, path: string): string[] {
  const lost: string[] = [];
  const list = listAt(steps, path, lost);
  list.forEach((step, index) => {
    if (!isObject(step)) lost.push(`${path}[${index}]: expected a step, an object`);
  });
  return lost;
}

function listAt(value: unknown, path: string, lost: string[]): readonly unknown[] {
  if (!Array.isArray(value) && !isMissing(value)) lost.push(`${path}: expected a list`);
  return Array.isArray(value) ? value : [];
}

/** The API leaves out what is empty, or writes null. */
const isMissing = (value: unknown) => value === undefined || value === null;
