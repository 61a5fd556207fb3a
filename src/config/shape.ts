import * as z from "zod";
import { configSchema } from "./schema.ts";
import type { Path } from "./tree.ts";

/** What the schema says about a path: asked for by error messages and by what depends on a key's kind. */

/** The part of JSON Schema that zod writes for this configuration. `x-` keys come from values.ts. */
export interface Shape {
  readonly properties?: Readonly<Record<string, Shape>>;
  readonly additionalProperties?: Shape | boolean;
  readonly items?: Shape;
  readonly anyOf?: readonly Shape[];
  readonly oneOf?: readonly Shape[];
  readonly const?: unknown;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly type?: string;
  readonly "x-secret"?: boolean;
  readonly "x-path"?: "input" | "output";
}

/** The whole file's JSON Schema, as the user writes it. */
export const SHAPE = z.toJSONSchema(configSchema, { io: "input" }) as Shape;

/** Every alternative that the schema allows at a path; none where the path is not one of its own. `typeAt` gives a map's `type`, which picks among alternatives: undefined is their default one, null any of them. */
export function shapesAt(path: Path, typeAt: (path: Path) => unknown): Shape[] {
  let shapes = alternatives(SHAPE, typeAt([]));
  path.forEach((step, index) => {
    const kind = typeAt(path.slice(0, index + 1));
    shapes = shapes.flatMap((one) => child(one, step)).flatMap((one) => alternatives(one, kind));
  });
  return shapes;
}

function child(one: Shape, step: string | number): Shape[] {
  if (typeof step === "number") return one.items === undefined ? [] : [one.items];
  const own = one.properties !== undefined && Object.hasOwn(one.properties, step) ? one.properties[step] : undefined;
  if (own !== undefined) return [own];
  return typeof one.additionalProperties === "object" ? [one.additionalProperties] : [];
}

function alternatives(one: Shape, kind: unknown): Shape[] {
  const options = one.oneOf ?? one.anyOf;
  if (options === undefined) return [one];
  const chosen = options.filter(
    ({ properties: { type } = {} }) => type !== undefined && type.const === (kind === undefined ? type.default : kind),
  );
  return (chosen.length > 0 ? chosen : options).flatMap((option) => alternatives(option, kind));
}

/** The keys that a map may have, and whether it takes any key at all. */
export function keysOf(shapes: readonly Shape[]): string[] {
  return [...new Set(shapes.flatMap((one) => Object.keys(one.properties ?? {})))];
}

/** Whether a text found there may be shown: only where the schema wants a scalar, and no secret. */
export function isShowable(shapes: readonly Shape[]): boolean {
  const scalar = (one: Shape) => one.properties === undefined && one.additionalProperties === undefined && one.items === undefined;
  return shapes.some(scalar) && !shapes.some((one) => one["x-secret"] === true);
}
