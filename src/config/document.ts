import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, type Pair, parseDocument, type YAMLMap } from "yaml";
import { faultsOf } from "./syntax.ts";
import type { Path, Place, Problem, Tree, TreeEntry } from "./tree.ts";

/** One YAML file → a tree with places. Nothing that the yaml library says is passed on: its messages quote the source. */

/** Bounds on what anchors may blow up to and on nesting: far above any real file, far below what hurts. */
const MAX_NODES = 20_000;
const MAX_DEPTH = 40;

/** Stands in for an unquoted reference inside `{ }` or `[ ]`, one for each of its characters. */
const FILLER = "\uE000";
const MAX_UNQUOTED = 100;
const UNQUOTED = /^\$\{(?:env|file):[^}\n]*\}/;

interface Reading {
  readonly file: string;
  readonly directory: string;
  readonly document: Document;
  readonly lines: LineCounter;
  readonly problems: Problem[];
  /** Where unquoted references stand that no problem names yet. */
  readonly unquoted: Set<number>;
  /** Where a value is spoilt: nothing more is said of it. */
  readonly spoilt: readonly number[];
  /** What is read may be a consequence of a fault; only what is found in the text itself is sure. */
  readonly broken: boolean;
  nodes: number;
}

/**
 * Parses one file's text. `file` is its name in messages, `directory` what its relative paths start from.
 * Empty keys are left out: an empty key is unset. With problems, the tree is what could be read.
 */
export function parseYaml(text: string, file: string, directory: string): { tree: Tree; problems: Problem[] } {
  const place = { kind: "file", file, directory, line: 1, column: 1 } as const;
  try {
    const { document, lines, text: parsed, unquoted } = parseAround(text);
    const faults = faultsOf(document, parsed);
    const spoilt = faults.filter((fault) => fault.spoils === "value").map((fault) => fault.offset);
    const broken = faults.some((fault) => fault.spoils !== "value");
    const reading: Reading = { file, directory, document, lines, problems: [], unquoted, spoilt, broken, nodes: 0 };
    for (const { offset, path, text } of faults)
      reading.problems.push({ place: placeOf(reading, offset), path, text: `expected ${text}`, syntax: broken });
    const tree = document.contents === null ? undefined : convert(document.contents, [], 0, reading);
    for (const offset of [...unquoted]) noteUnquoted(offset, offset, [], reading);
    return { tree: tree ?? { kind: "map", entries: new Map(), place }, problems: reading.problems };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error; // ours, or the parser's own recursion ran out of stack
    const text = `expected at most ${MAX_DEPTH} levels and ${MAX_NODES} values (anchors counted where they are used), found more`;
    return { tree: { kind: "failed", place }, problems: [{ place, path: [], text }] };
  }
}

interface Parsed {
  readonly document: Document;
  readonly lines: LineCounter;
  /** With filler where unquoted references were; those are in `unquoted`. */
  readonly text: string;
  readonly unquoted: Set<number>;
}

/** Parses; where an unquoted `${…}` broke a flow collection, notes it and parses again with filler of the same length, so that other errors show too. */
function parseAround(text: string, unquoted = new Set<number>()): Parsed {
  const lines = new LineCounter();
  const options = { prettyErrors: false, uniqueKeys: false, keepSourceTokens: true, lineCounter: lines, logLevel: "error" } as const;
  const document = parseDocument(text, options);
  let filled = text;
  for (const error of document.errors) {
    const offset = Math.max(error.pos[0] - 1, 0);
    const reference = UNQUOTED.exec(filled.slice(offset, offset + 1_000))?.[0];
    if (reference === undefined || unquoted.size >= MAX_UNQUOTED) continue;
    unquoted.add(offset);
    filled = filled.slice(0, offset) + FILLER.repeat(reference.length) + filled.slice(offset + reference.length);
  }
  return filled === text ? { document, lines, text, unquoted } : parseAround(filled, unquoted);
}

/** One problem for the unquoted references between two offsets, at the first of them: quotes around all mend all. */
function noteUnquoted(start: number, end: number, path: Path, reading: Reading): void {
  const offsets = [...reading.unquoted].filter((offset) => start <= offset && offset <= end);
  for (const offset of offsets) reading.unquoted.delete(offset);
  if (offsets.length === 0) return;
  const text = 'expected quotes around a reference inside { } or [ ], as in "${env:NAME}", found none';
  reading.problems.push({ place: placeOf(reading, Math.min(...offsets)), path, text, syntax: reading.broken });
}

function convert(node: Node, path: Path, depth: number, reading: Reading): Tree | undefined {
  const place = placeOf(reading, node.range?.[0] ?? 0);
  reading.nodes += isAlias(node) ? 20 : 1; // to resolve an alias takes a walk over the file
  if (depth > MAX_DEPTH || reading.nodes > MAX_NODES) throw new RangeError("too large");
  const [start = 0, end = start] = node.range ?? [];
  const spoilt = reading.spoilt.some((offset) => start <= offset && offset < end);
  if (spoilt && !isMap(node) && !isSeq(node)) return { kind: "failed", place };
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
  return isScalar(node) ? scalar(node.value, node.range, path, reading) : undefined;
}

function scalar(value: unknown, range: readonly number[] | null | undefined, path: Path, reading: Reading): Tree | undefined {
  const [start = 0, end = start] = range ?? [];
  if (value === null || value === undefined) return undefined;
  const place = placeOf(reading, start);
  if (typeof value === "string" && value.includes(FILLER)) {
    noteUnquoted(start, end, path, reading);
    return { kind: "failed", place };
  }
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
  if (!name.includes(FILLER)) return { name, place };
  noteUnquoted(pair.key.range?.[0] ?? 0, pair.key.range?.[1] ?? 0, path, reading);
  return undefined;
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
