import type { z } from "zod";
import { nearest } from "./nearest.ts";
import { isShowable, keysOf, type Shape, shapesAt } from "./shape.ts";
import { entryAt, nearestPlace, type Path, type Problem, type Scalar, type Tree, typeAt } from "./tree.ts";

/** zod's issues → problems with a place, and problems → the lines that the user reads. */

type Issue = z.core.$ZodIssue;

const NOUNS: Readonly<Record<string, string>> = {
  string: "a string",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  object: "a map",
  record: "a map",
  array: "a list",
};

/**
 * What was expected, for `safeParse(…, { error })`: what a schema says itself wins over this. Together
 * with messages in the schemas that complete "expected …", every issue's message reads alike.
 */
export function expectation(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code === "invalid_type") return NOUNS[issue.expected] ?? issue.expected;
  if (issue.code === "invalid_value") return oneOf(issue.values);
  if (issue.code === "too_small" && issue.origin === "string" && issue.minimum === 1) return "a string that is not empty";
  if (issue.code === "too_small")
    return `${unit(issue.origin)} ${issue.inclusive ? "of at least" : "above"} ${issue.minimum}${characters(issue.origin)}`;
  if (issue.code === "too_big")
    return `${unit(issue.origin)} ${issue.inclusive ? "of at most" : "below"} ${issue.maximum}${characters(issue.origin)}`;
  if (issue.code === "invalid_union" && "options" in issue && Array.isArray(issue.options)) return oneOf(issue.options);
  return undefined;
}

const unit = (origin: string) => (origin === "string" ? "a string" : "a number");
const characters = (origin: string) => (origin === "string" ? " characters" : "");

/** Of a key with a default zod also names undefined. */
function oneOf(values: readonly unknown[]): string {
  const all = values.filter((value) => value !== undefined).map((value) => String(value));
  return all.length < 2 ? all.join("") : `${all.slice(0, -1).join(", ")} or ${all.at(-1)}`;
}

/** The problems that one issue stands for; a union's issue is replaced by what its likeliest alternative lacks. */
export function problemsOf(issue: Issue, at: Path, tree: Tree): Problem[] {
  const path = [...at, ...issue.path.map((step) => (typeof step === "number" ? step : String(step)))];
  const shapes = shapesAt(path, (where) => typeAt(tree, where));
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => ({
      place: entryAt(tree, [...path, key])?.key ?? nearestPlace(tree, path),
      path: [...path, key],
      text: unknownKey(key, keysOf(shapes)),
    }));
  }
  if (issue.code === "invalid_key") {
    // Not named: a key that cannot be one may hold more than a name.
    const place = entryAt(tree, path)?.key ?? nearestPlace(tree, path);
    return [{ place, path: path.slice(0, -1), text: `expected ${issue.issues[0]?.message ?? "another key"}, found another key` }];
  }
  if (issue.code === "invalid_union" && issue.errors.length > 0 && issue.message === "Invalid input") {
    const meant = issue.errors.find((option) => option.every((inner) => inner.path.length > 0 || inner.code === "unrecognized_keys"));
    if (meant !== undefined) return meant.flatMap((inner) => problemsOf(inner, path, tree));
    const expected = [...new Set(issue.errors.flatMap((option) => option.map((inner) => inner.message)))].join(", or ");
    const text = `expected ${expected}, found ${found(tree, path, shapes)}${meantValue(issue, tree, path, shapes)}`;
    return [{ place: nearestPlace(tree, path), path, text }];
  }
  const missing = entryAt(tree, path) === undefined;
  const text = `expected ${issue.message}, found ${found(tree, path, shapes)}${meantValue(issue, tree, path, shapes)}`;
  return [{ place: nearestPlace(tree, path), path, text, missing }];
}

/** Which of the values that are allowed the one that stands there most likely means, if it is near any. */
function meantValue(issue: Issue, tree: Tree, path: Path, shapes: readonly Shape[]): string {
  const typed = shown(tree, path, shapes);
  const meant = typed === undefined ? undefined : nearest(typed, allowedBy(issue).map(String), typed.length / 2);
  return meant === undefined ? "" : `; the nearest is ${meant}`;
}

function unknownKey(key: string, known: readonly string[]): string {
  const meant = nearest(key, known);
  return meant === undefined ? "expected no such key, found it" : `expected a known key, found an unknown one; the nearest is ${meant}`;
}

/** What stands there, as much of it as may be shown. */
function found(tree: Tree, path: Path, shapes: readonly Shape[]): string {
  const value = entryAt(tree, path)?.value;
  if (value === undefined) return "nothing";
  if (value.kind === "map") return "a map";
  if (value.kind === "list") return "a list";
  if (value.kind === "failed") return "nothing that can be read";
  if (value.raw) return "another value";
  if (isReference(value.value)) return "the value of a reference";
  const text = shown(tree, path, shapes);
  if (text !== undefined) return typeof value.value === "string" ? JSON.stringify(text) : text;
  return NOUNS[typeof value.value] === "a string" ? "another string" : (NOUNS[typeof value.value] ?? "another value");
}

function allowedBy(issue: Issue): readonly unknown[] {
  if (issue.code === "invalid_value") return issue.values;
  if (issue.code !== "invalid_union") return [];
  return "options" in issue && Array.isArray(issue.options) ? issue.options : issue.errors.flat().flatMap(allowedBy);
}

/** The scalar that stands there as text, if it may be shown: no secret, out of no reference, harmless in a log. */
function shown(tree: Tree, path: Path, shapes: readonly Shape[]): string | undefined {
  const value = entryAt(tree, path)?.value;
  if (value?.kind !== "scalar" || value.raw || isReference(value.value) || !value.oneLine || !isShowable(shapes)) return undefined;
  const text = String(value.value);
  return /^[\w .:/*+-]{0,60}$/.test(text) && !text.includes("://") ? text : undefined;
}

const isReference = (value: Scalar) => typeof value === "string" && value.includes("${");

/** `FILE:LINE:COL path.to.key: what is wrong`, in the order in which a reader meets them; each once. */
export function formatProblems(problems: readonly Problem[]): string[] {
  const order = new Intl.Collator("en", { numeric: true });
  return [...new Set(problems.map(format))].sort(order.compare);
}

function format({ place, path: whole, text, syntax }: Problem): string {
  if (place.kind === "variable") return `${place.name}: ${text}`;
  const path = syntax ? knownPart(whole) : whole;
  const at = `${place.file}:${place.line}:${place.column}`;
  return path.length === 0 ? `${at}: ${text}` : `${at} ${formatPath(path)}: ${text}`;
}

/** Of a path in a broken file, as much as the schema knows: what looks like a key there may be a piece of a secret. */
function knownPart(path: Path): Path {
  const end = path.findIndex((_, index) => shapesAt(path.slice(0, index + 1), () => null).length === 0);
  return end < 0 ? path : path.slice(0, end);
}

/** `sources[0].poll_interval`; keys are cut to 64 characters and made printable. */
function formatPath(path: Path): string {
  const steps = path.map((step) => (typeof step === "number" ? `[${step}]` : `.${step.slice(0, 64).replaceAll(/[\p{C}\s]/gu, "?")}`));
  return steps.join("").replace(/^\./, "");
}
