import type { z } from "zod";
import { untypedDestinationSchema } from "../destinations/config.ts";
import { type Filled, retype, valueAt } from "./fill.ts";
import { expectation } from "./problems.ts";
import { type Config, configSchema } from "./schema.ts";
import type { Path } from "./tree.ts";

/** A filled value against the schema: the configuration, or everything that is wrong with it at once. */

type Issue = z.core.$ZodIssue;

/** References are texts at first; where that is refused they take the type they read as. */
export function validate(filled: Filled): { readonly config: Config } | { readonly issues: readonly Issue[] } {
  const outcome = judge(filled.value);
  if ("config" in outcome) return outcome;
  const whole = new Set(filled.references.filter((reference) => reference.whole).map((reference) => JSON.stringify(reference.path)));
  const refused = outcome.issues.map((issue) => issue.path as Path).filter((path) => whole.has(JSON.stringify(path)));
  const again = retype(filled.value, refused) ? judge(filled.value) : outcome;
  if ("config" in again) return again;
  return { issues: again.issues.filter((issue) => !isConsequence(issue, filled) && !isLooser(issue, again.issues)) };
}

function judge(value: unknown): { readonly config: Config } | { readonly issues: readonly Issue[] } {
  const parsed = configSchema.safeParse(value, { error: expectation });
  if (parsed.success) return { config: parsed.data };
  return { issues: parsed.error.issues.flatMap((issue) => [issue, ...besideUnknownType(issue, value)]) };
}

/** zod stops at a `type` that is none of its own: what else is wrong with that destination. */
function besideUnknownType(issue: Issue, value: unknown): Issue[] {
  if (issue.code !== "invalid_union" || issue.discriminator === undefined) return [];
  const at = issue.path.slice(0, -1);
  const parsed = untypedDestinationSchema.safeParse(valueAt(value, at as Path), { error: expectation });
  return (parsed.error?.issues ?? []).map((inner) => ({ ...inner, path: [...at, ...inner.path] }));
}

/** Whether it stands where a value could not be had, which is reported already. */
function isConsequence(issue: Issue, filled: Filled): boolean {
  return filled.unknown.some((path) => path.every((step, index) => issue.path[index] === step));
}

/** Past the bound that every whole number has, where the key's own is lower. */
function isLooser(issue: Issue, issues: readonly Issue[]): boolean {
  if (issue.code !== "too_big" || issue.maximum !== Number.MAX_SAFE_INTEGER) return false;
  return issues.some((other) => other !== issue && other.code === "too_big" && other.path.join("\n") === issue.path.join("\n"));
}
