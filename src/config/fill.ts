import { accessSync, constants } from "node:fs";
import { resolve } from "node:path";
import { type Environment, errorCode, expand, hasReference, isOneReference } from "./references.ts";
import { shapesAt } from "./shape.ts";
import { type Path, type Place, type Problem, type Tree, typeAt } from "./tree.ts";

/** A tree → the plain value that the schema checks: references filled in, paths made absolute. */

/** Stands where a secret's reference gives nothing, which is reported: nobody is given it but who needs no secret. */
const UNSET_SECRET = "unset";

/** Stands where the value could not be had and the error is already reported; no schema accepts it. */
const UNKNOWN = Symbol("unknown");

export interface Reference {
  readonly path: Path;
  readonly template: string;
  readonly place: Place;
  /** The whole scalar is one reference: it takes its key's type. */
  readonly whole: boolean;
}

export interface Filled {
  readonly value: unknown;
  readonly references: readonly Reference[];
  readonly problems: readonly Problem[];
  /** Where UNKNOWN stands: further errors there say nothing new. */
  readonly unknown: readonly Path[];
}

interface Filling {
  readonly env: Environment;
  readonly tree: Tree;
  readonly references: Reference[];
  readonly problems: Problem[];
  readonly unknown: Path[];
}

export function fill(tree: Tree, env: Environment): Filled {
  const filling: Filling = { env, tree, references: [], problems: [], unknown: [] };
  return { ...filling, value: plain(tree, [], filling) };
}

function plain(tree: Tree, path: Path, filling: Filling): unknown {
  if (tree.kind === "list") return tree.items.map((item, index) => plain(item, [...path, index], filling));
  // fromEntries makes an own property even of __proto__
  if (tree.kind === "map")
    return Object.fromEntries([...tree.entries].map(([key, entry]) => [key, plain(entry.value, [...path, key], filling)]));
  if (tree.kind === "failed") return unknown(path, filling);
  if (typeof tree.value !== "string") return tree.value;
  const text = tree.raw ? tree.value : filledIn(tree.value, tree.place, path, filling);
  return text === undefined ? unknown(path, filling) : ofItsKind(text, tree.value, tree.place, path, filling);
}

function unknown(path: Path, filling: Filling): unknown {
  filling.unknown.push(path);
  return UNKNOWN;
}

function filledIn(template: string, place: Place, path: Path, filling: Filling): string | undefined {
  const expansion = expand(template, place.directory, filling.env);
  if (!expansion.ok) {
    const unset = expansion.unset && isSecret(path, filling);
    filling.problems.push(...expansion.problems.map((text) => ({ place, path, text, unset })));
    return unset ? UNSET_SECRET : undefined;
  }
  if (hasReference(template)) filling.references.push({ path, template, place, whole: isOneReference(template) });
  return expansion.text;
}

function isSecret(path: Path, { tree }: Filling): boolean {
  return shapesAt(path, (where) => typeAt(tree, where)).some((one) => one["x-secret"]);
}

/** A secret has to be something; a path is relative to the file it is written in, and one that is read has to be readable. */
function ofItsKind(text: string, template: string, place: Place, path: Path, filling: Filling): unknown {
  if (text === "" && template !== "" && isSecret(path, filling)) {
    filling.problems.push({ place, path, text: "expected a secret, found that its reference is empty", unset: true });
    return UNSET_SECRET;
  }
  const shapes = shapesAt(path, (where) => typeAt(filling.tree, where));
  const kind = shapes.find((one) => one["x-path"] !== undefined)?.["x-path"];
  if (kind === undefined || text === "") return text;
  const file = resolve(place.directory, text);
  if (kind === "output") return file;
  try {
    accessSync(file, constants.R_OK);
    return file;
  } catch (error) {
    filling.problems.push({ place, path, text: `expected a readable file, found none (${errorCode(error)})` });
    return unknown(path, filling);
  }
}

/**
 * Gives references at these paths the type that their text reads as (`"5"` → 5, `"true"` → true, `""` →
 * unset), in place. True if any changed, so that it is worth checking again.
 */
export function retype(value: unknown, paths: readonly Path[]): boolean {
  let changed = false;
  for (const path of paths) {
    const parent = valueAt(value, path.slice(0, -1));
    const key = path.at(-1);
    if (typeof parent !== "object" || parent === null || key === undefined) continue;
    const text: unknown = Reflect.get(parent, key);
    if (typeof text !== "string") continue;
    const typed = text.trim() === "" ? undefined : text === "true" || text === "false" ? text === "true" : Number(text);
    if (Number.isNaN(typed)) continue;
    changed = Reflect.set(parent, key, typed);
  }
  return changed;
}

/** What stands at a path of a plain value; undefined where nothing does. */
export function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>((inner, step) => (typeof inner === "object" && inner !== null ? Reflect.get(inner, step) : undefined), value);
}
