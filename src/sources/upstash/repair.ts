import type { Field, Shape, Wire } from "./wire.ts";

/** What had to be mended, one word each (`steps.steps.createdAt:string`): the wire's field names, never a value. */
export type Oddities = Set<string>;

/**
 * Reads an object by a shape whose every field is optional. A field of another type is turned into
 * the right one where that is certain (a number as a string) and dropped where it is not; each is noted
 * under `path`, which is empty or ends in a dot. Input that fits is given back as it is, and what it has
 * beside the shape's fields with it. `input` is never changed.
 */
export function parseMending<S extends Shape>(shape: S, input: object, path: string, oddities: Oddities): Wire<S> {
  const found = input as Record<string, unknown>;
  const odd = misfits(shape, found);
  if (odd.length === 0) return found as Wire<S>;
  const mended = { ...found };
  for (const name of odd) {
    mended[name] = convert(shape[name]?.type, found[name]);
    oddities.add(`${path}${name}:${mended[name] === undefined ? "dropped" : typeof found[name]}`);
  }
  return parseMending(shape, mended, path, oddities); // a mended value may be out of range
}

/** Names of the fields whose values do not fit, in the shape's order. */
function misfits(shape: Shape, found: Readonly<Record<string, unknown>>): string[] {
  const odd: string[] = [];
  for (const name in shape) {
    const value = found[name];
    if (value !== undefined && value !== null && shape[name]?.fits(value) === false) odd.push(name);
  }
  return odd;
}

/** The object at an optional field; anything else is dropped and noted. */
export function objectAt(value: unknown, path: string, oddities: Oddities): object | undefined {
  if (isObject(value)) return value;
  if (value !== undefined && value !== null) oddities.add(`${path}:dropped`);
  return undefined;
}

/** The objects of a list; what is no list, and entries that are no objects, are dropped and noted. */
export function objectsIn(value: unknown, path: string, oddities: Oddities): object[] {
  if (value === undefined || value === null) return [];
  const objects = (Array.isArray(value) ? value : []).filter(isObject);
  if (!Array.isArray(value) || objects.length < value.length) oddities.add(`${path}:dropped`);
  return objects;
}

/** The texts of a list, empty ones left out; a single text is a list of one. */
export function textsIn(value: unknown, path: string, oddities: Oddities): string[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) oddities.add(`${path}:${typeof value}`);
  const texts = (Array.isArray(value) ? value : [value]).map((text) => (typeof text === "string" ? text : convert("string", text)));
  if (texts.includes(undefined)) oddities.add(`${path}:dropped`);
  return texts.filter((text) => typeof text === "string" && text !== "") as string[];
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The value in the type that the shape asks for; undefined where that would be a guess. */
function convert(expected: Field<unknown>["type"] | undefined, found: unknown): unknown {
  if (expected === "number" && typeof found === "string" && /^\s*[+-]?\d{1,16}(\.\d+)?\s*$/.test(found)) return Number(found);
  if (expected === "string" && (typeof found === "number" || typeof found === "boolean")) return String(found);
  if (expected === "boolean" && (found === "true" || found === 1)) return true;
  if (expected === "boolean" && (found === "false" || found === 0)) return false;
  return undefined;
}
