import { SHAPE } from "./shape.ts";

/** JSON Schema for editors: completion, descriptions and squiggles while one types. The loader's own errors are better. */

type Node = Readonly<Record<string, unknown>>;

const REFERENCE = "\\$\\{(?:env|file):";

/** What `wfotel schema` prints and `config/schema.json` holds. */
export function editorSchema(): Node {
  const { $schema, ...rest } = SHAPE as Node;
  return { $schema, title: "wfotel configuration", ...forEditor(rest) };
}

/** As zod made it, but that every scalar may be a reference, every key may be empty and none is required: `extends` may bring it. */
function forEditor(node: Node): Node {
  const { properties, items, anyOf, oneOf, additionalProperties, required, default: preset, ...own } = node;
  const options = (anyOf ?? oneOf) as Node[] | undefined;
  const loose = ([key, value]: [string, Node]) => [key, orEmpty(forEditor(value))];
  return {
    ...withReference(Object.fromEntries(Object.entries(own).filter(([key]) => !key.startsWith("x-")))),
    ...(preset !== undefined && JSON.stringify(preset) !== "{}" && { default: preset }),
    ...(options !== undefined && { anyOf: options.map(forEditor) }),
    ...(items !== undefined && { items: forEditor(items as Node) }),
    ...(properties !== undefined && { properties: Object.fromEntries(Object.entries(properties as Record<string, Node>).map(loose)) }),
    ...(additionalProperties !== undefined && {
      additionalProperties: typeof additionalProperties === "object" ? forEditor(additionalProperties as Node) : additionalProperties,
    }),
  };
}

/** `pattern` holds for strings alone and `minimum` for numbers alone, so that one schema can say both. */
function withReference(node: Node): Node {
  const { type, format, pattern, enum: values, ...rest } = node;
  if (values !== undefined) return { ...rest, anyOf: [{ enum: values }, { type: "string", pattern: REFERENCE }] };
  if (type === "number" || type === "integer" || type === "boolean")
    return "const" in rest ? node : { ...rest, type: [type, "string"], pattern: REFERENCE };
  const form = format === "uri" ? "^https?://" : pattern;
  if (form === undefined) return node;
  return { ...rest, ...(type !== undefined && { type }), pattern: `(?:${form})|${REFERENCE}` };
}

/** An empty key is unset. */
function orEmpty(node: Node): Node {
  if (Array.isArray(node.anyOf)) return { ...node, anyOf: [...node.anyOf, { type: "null" }] };
  if (node.type === undefined || "const" in node) return node;
  return { ...node, type: [node.type, "null"].flat() };
}
