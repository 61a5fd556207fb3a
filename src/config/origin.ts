import { hasReference, isOneReference } from "./references.ts";
import { entryAt, type Path, type Tree } from "./tree.ts";

/** Where a value of the configuration came from: what a reference or a variable gave must not be shown. */
export type Origin =
  /** The file, or a default: it may be shown, but for secrets. */
  | { readonly kind: "written" }
  /** References with text around them: as the file has it. */
  | { readonly kind: "template"; readonly template: string }
  /** One reference, or an environment variable of its own: all of it is somebody else's. `name`: as a reference has it. */
  | { readonly kind: "given"; readonly name: string };

export function originAt(tree: Tree, path: Path): Origin {
  const found = entryAt(tree, path)?.value;
  if (found?.kind !== "scalar") return { kind: "written" };
  const { value, raw, place } = found;
  if (raw) return place.kind === "variable" ? { kind: "given", name: `\${env:${place.name}}` } : { kind: "written" };
  if (typeof value !== "string" || !hasReference(value)) return { kind: "written" };
  return isOneReference(value) ? { kind: "given", name: value } : { kind: "template", template: value };
}
