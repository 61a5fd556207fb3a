import type { Attributes, AttributeValue } from "./span.ts";

interface ValueOf {
  string: string;
  int: number;
  double: number;
  boolean: boolean;
  "string[]": readonly string[];
}
export type AttributeType = keyof ValueOf;

/** One public attribute: its name, the type of its value, which spans (or events) carry it, and what it says. */
export interface Attribute<T extends AttributeType = AttributeType> {
  readonly name: string;
  readonly type: T;
  readonly on: string;
  readonly says: string;
}

export function define<T extends AttributeType>(name: string, type: T, on: string, says: string): Attribute<T> {
  return { name, type, on, says };
}

/**
 * Attributes in the making; they are exported in the order in which they are set. Where there may be many (of a run,
 * of a call) they are made in two objects and spread into a third: one that gets more than a dozen keys one by one
 * becomes a hash table in V8, which is several times slower to make and to read.
 */
export type NewAttributes = Record<string, AttributeValue>;

/** Sets one attribute, unless there is no value or OTLP could not carry it: no NaN, no infinity, no integer that is not exact. */
export function set<T extends AttributeType>(made: NewAttributes, of: Attribute<T>, value: ValueOf[T] | undefined): void {
  if (hasValue(of, value)) made[of.name] = value as AttributeValue;
}

/** One attribute alone, or none. */
export function attribute<T extends AttributeType>(of: Attribute<T>, value: ValueOf[T] | undefined): Attributes {
  const made: NewAttributes = {};
  set(made, of, value);
  return made;
}

function hasValue(of: Attribute, value: AttributeValue | undefined): boolean {
  if (value === undefined || value === "" || (typeof value === "object" && value.length === 0)) return false;
  if (of.type === "int") return Number.isSafeInteger(value);
  return of.type !== "double" || Number.isFinite(value);
}

/** At most `limit` attributes: first those of `order`, in that order, then the others in theirs. */
export function lean(attributes: Attributes, order: readonly string[], limit: number): Attributes {
  const rank = new Map(order.map((name, index) => [name, index]));
  const names = Object.keys(attributes);
  if (names.length <= limit) return attributes;
  const kept = new Set(names.toSorted((a, b) => (rank.get(a) ?? order.length) - (rank.get(b) ?? order.length)).slice(0, limit));
  return Object.fromEntries(Object.entries(attributes).filter(([name]) => kept.has(name)));
}
