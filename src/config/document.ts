import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  type YAMLError,
  type YAMLMap,
} from "yaml";
import type { Path, Place, Problem, Tree, TreeEntry } from "./tree.ts";

/** One YAML file → a tree with places. Nothing that the yaml library says is passed on: its messages quote the source. */

/** Bounds on what anchors may blow up to and on nesting: far above any real file, far below what hurts. */
const MAX_NODES = 20_000;
const MAX_DEPTH = 40;

/** Stands in for an unquoted reference inside `{ }` or `[ ]`, one for each of its characters. */
const FILLER = "\uE000";
const UNQUOTED = /^\$\{(?:env|file):[^}\n]*\}/;

const SYNTAX: Readonly<Record<string, string>> = {
  BAD_DQ_ESCAPE: 'a valid escape after \\ in "…" (or single quotes), found another',
  BAD_INDENT: "a line indented like its siblings, found another indentation",
  BAD_SCALAR_START: "quotes around a value that starts with @ or `, found none",
  BLOCK_AS_IMPLICIT_KEY: "a value or a map, not both on one line, found both",
  MISSING_CHAR: "a closing quote, bracket or comma, found none",
  MULTILINE_IMPLICIT_KEY: "a key on a single line, found one over several",
  MULTIPLE_DOCS: "one document a file, found a second one",
  TAB_AS_INDENT: "spaces as indentation, found a tab",
  TAG_RESOLVE_FAILED: "no tags of one's own (quotes around a value that starts with !), found one",
};

interface Reading {
  readonly file: string;
  readonly directory: string;
  readonly document: Document;
  readonly lines: LineCounter;
  readonly problems: Problem[];
  nodes: number;
}

/**
 * Parses one file's text. `file` is its name in messages, `directory` what its relative paths start from.
 * Empty keys are left out: an empty key is unset. With problems, the tree is what could be read.
 */
export function parseYaml(text: string, file: string, directory: string): { tree: Tree; problems: Problem[] } {
  const place = { kind: "file", file, directory, line: 1, column: 1 } as const;
  try {
    const unquoted: number[] = [];
    const { document, lines } = parseAround(text, unquoted);
    const reading: Reading = { file, directory, document, lines, problems: [], nodes: 0 };
    for (const offset of unquoted) {
      const text = 'expected quotes around a reference inside { } or [ ], as in "${env:NAME}", found none';
      reading.problems.push({ place: placeOf(reading, offset), path: [], text });
    }
    for (const error of firstErrors([...document.errors, ...document.warnings])) {
      const text = `expected ${SYNTAX[error.code] ?? "valid YAML"}${SYNTAX[error.code] === undefined ? ", found something else" : ""}`;
      reading.problems.push({ place: placeOf(reading, error.pos[0]), path: [], text, syntax: error.name === "YAMLParseError" });
    }
    const tree = document.contents === null ? undefined : convert(document.contents, [], 0, reading);
    return { tree: tree ?? { kind: "map", entries: new Map(), place }, problems: reading.problems };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error; // ours, or the parser's own recursion ran out of stack
    const text = `expected at most ${MAX_DEPTH} levels and ${MAX_NODES} values (anchors counted where they are used), found more`;
    return { tree: { kind: "failed", place }, problems: [{ place, path: [], text }] };
  }
}

/** Parses; where an unquoted `${…}` broke a flow collection, notes it and parses again with filler of the same length, so that other errors show too. */
function parseAround(text: string, unquoted: number[]): { document: Document; lines: LineCounter } {
  const lines = new LineCounter();
  const document = parseDocument(text, { prettyErrors: false, uniqueKeys: false, lineCounter: lines, logLevel: "error" });
  for (const error of document.errors) {
    const offset = error.pos[0] - 1;
    const reference = UNQUOTED.exec(text.slice(Math.max(offset, 0), offset + 1_000))?.[0];
    if (reference === undefined || unquoted.length >= 100) continue;
    unquoted.push(offset);
    return parseAround(text.slice(0, offset) + FILLER.repeat(reference.length) + text.slice(offset + reference.length), unquoted);
  }
  return { document, lines };
}

/** What follows an unexpected token, or stands on the same line, is a consequence. */
function firstErrors(errors: readonly YAMLError[]): YAMLError[] {
  const end = errors.findIndex((error) => error.code === "UNEXPECTED_TOKEN");
  return end < 0 ? errors.slice(0, 20) : errors.slice(0, Math.min(end + 1, 20));
}

function convert(node: Node, path: Path, depth: number, reading: Reading): Tree | undefined {
  const place = placeOf(reading, node.range?.[0] ?? 0);
  reading.nodes += isAlias(node) ? 20 : 1; // to resolve an alias takes a walk over the file
  if (depth > MAX_DEPTH || reading.nodes > MAX_NODES) throw new RangeError("too large");
  if (isAlias(node)) {
    const target = node.resolve(reading.document);
    if (target !== undefined) return convert(target, path, depth + 1, reading);
    reading.problems.push({
      place,
      path,
      text: "expected an anchor of that name before it (quotes around a value that starts with *), found none",
    });
    return { kind: "failed", place };
  }
  if (isMap(node)) return { kind: "map", entries: convertMap(node, path, depth, reading), place };
  if (isSeq(node)) {
    const items = node.items.map((item, index) => convert(item as Node, [...path, index], depth + 1, reading));
    return { kind: "list", items: items.filter((item) => item !== undefined), place };
  }
  return isScalar(node) ? scalar(node.value, node.range?.slice(0, 2), place, reading) : undefined;
}

function scalar(value: unknown, range: readonly number[] | undefined, place: Place, reading: Reading): Tree | undefined {
  if (value === null || value === undefined) return undefined;
  if (typeof value === "string" && value.includes(FILLER)) return { kind: "failed", place };
  const [start = 0, end = 0] = range ?? [];
  const oneLine = reading.lines.linePos(start).line === reading.lines.linePos(end).line;
  if (typeof value === "number" || typeof value === "boolean") return { kind: "scalar", value, place, raw: false, oneLine };
  return { kind: "scalar", value: String(value), place, raw: false, oneLine };
}

function convertMap(map: YAMLMap, path: Path, depth: number, reading: Reading): Map<string, TreeEntry> {
  const entries = new Map<string, TreeEntry>();
  const merged = new Map<string, TreeEntry>();
  const seen = new Set<string>();
  for (const pair of map.items as Pair<Node, Node | null>[]) {
    const key = keyOf(pair, map.flow === true, path, reading);
    if (key === undefined) continue;
    if (key.name === "<<") {
      mergeKey(pair.value, path, depth, reading, merged);
      continue;
    }
    if (seen.has(key.name)) {
      reading.problems.push({ place: key.place, path: [...path, key.name], text: "expected each key once, found it twice" });
      continue;
    }
    seen.add(key.name);
    const value = pair.value === null ? undefined : convert(pair.value, [...path, key.name], depth + 1, reading);
    if (value !== undefined) entries.set(key.name, { key: key.place, value });
  }
  for (const [name, entry] of merged) if (!entries.has(name)) entries.set(name, entry);
  return entries;
}

function keyOf(pair: Pair<Node, Node | null>, flow: boolean, path: Path, reading: Reading): { name: string; place: Place } | undefined {
  const place = placeOf(reading, pair.key?.range?.[0] ?? 0);
  if (!isScalar(pair.key) || pair.key.value === null) {
    reading.problems.push({ place, path, text: "expected a name as key, found something else" });
    return undefined;
  }
  const name = String(pair.key.value);
  // `{ authorization:Bearer }` is a key with a colon in it and no value: never meant, and maybe a secret.
  if (flow && pair.value === null && name.includes(":")) {
    reading.problems.push({ place, path, text: "expected a space after the colon, found none" });
    return undefined;
  }
  return name.includes(FILLER) ? undefined : { name, place };
}

/** `<<: *anchor` and `<<: [*a, *b]`: keys that are not there yet; the first to name one wins. */
function mergeKey(value: Node | null, path: Path, depth: number, reading: Reading, merged: Map<string, TreeEntry>): void {
  const tree = value === null ? undefined : convert(value, path, depth + 1, reading);
  const maps = tree?.kind === "list" ? tree.items : tree === undefined ? [] : [tree];
  for (const map of maps) {
    if (map.kind !== "map") {
      if (map.kind !== "failed") reading.problems.push({ place: map.place, path, text: "expected a map after <<, found something else" });
      continue;
    }
    for (const [name, entry] of map.entries) if (!merged.has(name)) merged.set(name, entry);
  }
}

function placeOf(reading: Pick<Reading, "file" | "directory" | "lines">, offset: number): Place {
  const { line, col } = reading.lines.linePos(offset);
  return { kind: "file", file: reading.file, directory: reading.directory, line, column: col };
}
