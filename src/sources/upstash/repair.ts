import type { z } from "zod";

/** What had to be mended, one word each (`steps.steps.createdAt:string`): the wire's field names, never a value. */
export type Oddities = Set<string>;

/**
 * Parses an object by a flat shape whose every field is optional. A field of another type is turned into
 * the right one where that is certain (a number as a string) and dropped where it is not; each is noted
 * under `path`, which is empty or ends in a dot. Input that fits costs one parse, odd input two, or three
 * where a mended value is out of range. `input` is never changed.
 */
export function parseMending<T>(shape: z.ZodType<T>, input: object, path: string, oddities: Oddities): T {
  const result = shape.safeParse(input);
  if (result.success) return result.data;
  const mended: Record<string, unknown> = { ...input };
  for (const issue of result.error.issues) {
    const field = String(issue.path[0]);
    const found = mended[field];
    mended[field] = issue.code === "invalid_type" ? convert(issue.expected, found) : undefined;
    oddities.add(`${path}${field}:${mended[field] === undefined ? "dropped" : typeof found}`);
  }
  return parseMending(shape, mended, path, oddities);
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
function convert(expected: string, found: unknown): unknown {
  if (expected === "number" && typeof found === "string" && /^\s*[+-]?\d{1,16}(\.\d+)?\s*$/.test(found)) return Number(found);
  if (expected === "string" && (typeof found === "number" || typeof found === "boolean")) return String(found);
  if (expected === "boolean" && (found === "true" || found === 1)) return true;
  if (expected === "boolean" && (found === "false" || found === 0)) return false;
  return undefined;
}
