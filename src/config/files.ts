import { closeSync, openSync, readSync, realpathSync } from "node:fs";
import { dirname, isAbsolute, relative, resolve } from "node:path";
import { DEFAULT_NAMES } from "../destinations/config.ts";
import { DEFAULT_NAME } from "../sources/upstash/config.ts";
import { parseYaml } from "./document.ts";
import { type Environment, errorCode, expand } from "./references.ts";
import { merge, type Problem, type Tree, type TreeMap } from "./tree.ts";

/** A configuration file with everything that it `extends`, merged into one tree. */

const MAX_FILE_BYTES = 1024 * 1024;
const MAX_CHAIN = 16;

interface Chain {
  readonly env: Environment;
  readonly cwd: string;
  readonly problems: Problem[];
}

/** Reads `file` (relative to `cwd`) and its bases; what is wrong in any of them is pushed to `problems`. */
export function readFiles(file: string, env: Environment, cwd: string, problems: Problem[]): Tree {
  const path = resolve(cwd, file);
  const place = { kind: "file", file: displayName(path, cwd), directory: dirname(path), line: 1, column: 1 } as const;
  const text = readConfig(path);
  if (typeof text === "string") return withBase(parseFile(path, text, { env, cwd, problems }), [path], { env, cwd, problems });
  problems.push({ place, path: [], text: `expected a configuration file, found ${text.found}` });
  return { kind: "failed", place };
}

function parseFile(path: string, text: string, chain: Chain): Tree {
  const parsed = parseYaml(text, displayName(path, chain.cwd), dirname(path));
  chain.problems.push(...parsed.problems);
  for (const key of ["sources", "destinations"]) chain.problems.push(...duplicateNames(parsed.tree, key, chain.env));
  return parsed.tree;
}

/** Lays the tree over the file that its `extends` names, if it does. `seen` are the files above, this one last. */
function withBase(tree: Tree, seen: readonly string[], chain: Chain): Tree {
  const entry = tree.kind === "map" ? tree.entries.get("extends") : undefined;
  if (entry === undefined || tree.kind !== "map") return tree;
  const own: TreeMap = { ...tree, entries: new Map([...tree.entries].filter(([key]) => key !== "extends")) };
  const place = entry.value.place;
  const fail = (text: string): Tree => {
    chain.problems.push({ place, path: ["extends"], text });
    return own;
  };
  if (entry.value.kind !== "scalar" || typeof entry.value.value !== "string")
    return fail("expected the path of a file, found something else");
  const expansion = expand(entry.value.value, place.directory, chain.env);
  if (!expansion.ok) return fail(expansion.problems.join("; "));
  const path = resolve(place.directory, expansion.text);
  if (seen.some((above) => realPath(above) === realPath(path)))
    return fail(`expected files that do not extend each other, found ${displayName(path, chain.cwd)} again`);
  if (seen.length >= MAX_CHAIN) return fail(`expected at most ${MAX_CHAIN} files that extend one another, found more`);
  const text = readConfig(path);
  if (typeof text !== "string") return fail(`expected a configuration file at ${displayName(path, chain.cwd)}, found ${text.found}`);
  const base = withBase(parseFile(path, text, chain), [...seen, path], chain);
  return merge(base, own, (item) => nameOf(item, chain.env));
}

function readConfig(path: string): string | { found: string } {
  try {
    const bytes = readUpTo(path, MAX_FILE_BYTES + 1);
    if (bytes.length > MAX_FILE_BYTES) return { found: "more than 1 MiB" };
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) return { found: "text that is not UTF-8" };
    return { found: `none that can be read (${errorCode(error)})` };
  }
}

/** The first bytes of a file, which may be a pipe (`--config <(…)`) or a device without an end. */
function readUpTo(path: string, limit: number): Uint8Array {
  const bytes = new Uint8Array(limit);
  const file = openSync(path, "r");
  try {
    let length = 0;
    for (let read = -1; read !== 0 && length < limit; length += read) read = readSync(file, bytes, length, limit - length, null);
    return bytes.subarray(0, length);
  } finally {
    closeSync(file);
  }
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path; // reading it says what is wrong
  }
}

/** As the user would type it from where they are. */
function displayName(path: string, cwd: string): string {
  const short = relative(cwd, path);
  return short === "" || short.startsWith("..") || isAbsolute(short) ? path : short;
}

/** The `name` of a list's item; undefined where it has none (or none that can be known). */
function nameOf(item: Tree, env: Environment): string | undefined {
  return item.kind === "map" ? textAt(item, "name", env) : undefined;
}

/** What a source or destination without a name is called; undefined where that cannot be known. */
function defaultNameOf(item: TreeMap, key: string, env: Environment): string | undefined {
  if (key === "sources") return DEFAULT_NAME;
  const type = item.entries.has("type") ? textAt(item, "type", env) : "otlp-http";
  return type !== undefined && Object.hasOwn(DEFAULT_NAMES, type) ? DEFAULT_NAMES[type as keyof typeof DEFAULT_NAMES] : undefined;
}

function textAt(item: TreeMap, key: string, env: Environment): string | undefined {
  const leaf = item.entries.get(key)?.value;
  if (leaf?.kind !== "scalar") return undefined;
  if (typeof leaf.value !== "string" || leaf.raw) return String(leaf.value);
  const expansion = expand(leaf.value, leaf.place.directory, env);
  return expansion.ok ? expansion.text : undefined;
}

/** Within one file: over `extends`, the same name means the same item. */
function duplicateNames(tree: Tree, key: string, env: Environment): Problem[] {
  const list = tree.kind === "map" ? tree.entries.get(key)?.value : undefined;
  if (list?.kind !== "list") return [];
  const problems: Problem[] = [];
  const seen = new Map<string, number>();
  list.items.forEach((item, index) => {
    const name = item.kind === "map" && !item.entries.has("name") ? defaultNameOf(item, key, env) : nameOf(item, env);
    if (name === undefined) return;
    const first = seen.get(name);
    const place = (item.kind === "map" ? item.entries.get("name")?.value.place : undefined) ?? item.place;
    if (first !== undefined)
      problems.push({ place, path: [key, index, "name"], text: `expected a name of its own, found that of ${key}[${first}]` });
    else seen.set(name, index);
  });
  return problems;
}
