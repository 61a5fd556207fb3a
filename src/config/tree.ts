/** A configuration as a tree in which everything knows where it was written: what YAML and the environment become. */

/** `directory` is what relative paths written there are relative to (absolute). */
export type Place =
  | { readonly kind: "file"; readonly file: string; readonly directory: string; readonly line: number; readonly column: number }
  | { readonly kind: "variable"; readonly name: string; readonly directory: string };

export type Scalar = string | number | boolean;

export type Tree =
  /** `raw`: text that is to be taken as it is, references and all (an environment variable's value). */
  | { readonly kind: "scalar"; readonly value: Scalar; readonly place: Place; readonly raw: boolean; readonly oneLine: boolean }
  /** A scalar whose error was already reported: nothing more is said about it. */
  | { readonly kind: "failed"; readonly place: Place }
  | { readonly kind: "list"; readonly items: readonly Tree[]; readonly place: Place }
  | TreeMap;

export type TreeMap = { readonly kind: "map"; readonly entries: ReadonlyMap<string, TreeEntry>; readonly place: Place };
export type TreeEntry = { readonly key: Place; readonly value: Tree };

export type Path = readonly (string | number)[];

/** One error: where, which key, and what is wrong with it. `text` holds no value that may be secret. */
export interface Problem {
  readonly place: Place;
  readonly path: Path;
  readonly text: string;
  /** What stands in the same file and is no syntax error may be a mere consequence. */
  readonly syntax?: boolean;
  /** Nothing stands there: a base that cannot be read might have had it. */
  readonly missing?: boolean;
  /** A secret whose reference gives nothing: who needs no secrets can do without. */
  readonly unset?: boolean;
}

/**
 * Lays one tree over another: maps merge, lists of named items merge by `name` (new ones go last), other
 * lists and scalars replace. An empty list replaces too: it is the way to take a base's list back.
 * `nameOf` gives the name of a list's item, undefined where it has none.
 */
export function merge(base: Tree, over: Tree, nameOf: (item: Tree) => string | undefined): Tree {
  if (base.kind === "map" && over.kind === "map") {
    const entries = new Map(base.entries);
    for (const [key, entry] of over.entries) {
      const old = entries.get(key);
      entries.set(key, old === undefined ? entry : { key: entry.key, value: merge(old.value, entry.value, nameOf) });
    }
    return { ...over, entries };
  }
  if (base.kind === "list" && over.kind === "list" && over.items.length > 0) {
    if ([...base.items, ...over.items].every((item) => nameOf(item) !== undefined)) return mergeByName(base.items, over, nameOf);
  }
  return over;
}

function mergeByName(base: readonly Tree[], over: Extract<Tree, { kind: "list" }>, nameOf: (item: Tree) => string | undefined): Tree {
  const items = [...base];
  for (const item of over.items) {
    const at = base.findIndex((old) => nameOf(old) === nameOf(item));
    const old = base[at];
    if (old === undefined) items.push(item);
    else items[at] = merge(old, item, nameOf);
  }
  return { ...over, items };
}

/** What stands at a path: the key's own place and the value; undefined where nothing does. */
export function entryAt(tree: Tree, path: Path): TreeEntry | undefined {
  let entry: TreeEntry | undefined = { key: tree.place, value: tree };
  for (const step of path) {
    const value: Tree | undefined = entry?.value;
    if (value?.kind === "map") entry = value.entries.get(String(step));
    else if (value?.kind === "list") {
      const item: Tree | undefined = value.items[Number(step)];
      entry = item && { key: item.place, value: item };
    } else return undefined;
  }
  return entry;
}

/** The place of the deepest thing on a path that exists: where to write what is missing. */
export function nearestPlace(tree: Tree, path: Path): Place {
  for (let length = path.length; length > 0; length -= 1) {
    const entry = entryAt(tree, path.slice(0, length));
    if (entry !== undefined) return entry.value.place;
  }
  return tree.place;
}

/** The `type` of the map at a path: which of the schema's alternatives it is. */
export function typeAt(tree: Tree, path: Path): unknown {
  const type = entryAt(tree, [...path, "type"])?.value;
  if (type === undefined) return undefined;
  return type.kind === "scalar" ? type.value : null;
}
