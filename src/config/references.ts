import { readFileSync, statSync } from "node:fs";
import { resolve } from "node:path";

/** `${env:NAME}`, `${env:NAME:-default}` and `${file:PATH}` inside a string; `$${` is a literal `${`. */

export type Environment = Readonly<Record<string, string | undefined>>;

/** A template with its references filled in, or what each reference that could not be lacks. */
export type Expansion =
  | { readonly ok: true; readonly text: string }
  /** Each `expected …, found …`; names variables and paths, never a value. `unset`: they are but variables and files that are not there. */
  | { readonly ok: false; readonly problems: readonly string[]; readonly unset: boolean };

/** One secret or small piece of text a file: more than this is a mistake (a log, a device). */
const MAX_FILE_BYTES = 1024 * 1024;

const PIECES = /\$\$\{|\$\{([^}]*)(\})?/g;
const VARIABLE = /^env:([A-Za-z_][A-Za-z0-9_]*)(?::-([\s\S]*))?$/;
const FILE = /^file:([\s\S]+)$/;

/** Whether the string holds anything that `expand` would replace. */
export function hasReference(template: string): boolean {
  return template.replaceAll("$${", "").includes("${");
}

/** Whether a `${file:…}` is among them: its value can change while the process runs. */
export function hasFileReference(template: string): boolean {
  return template.replaceAll("$${", "").includes("${file:");
}

/** Whether the whole string is one reference: such a scalar takes its key's type. */
export function isOneReference(template: string): boolean {
  return /^\$\{[^}]*\}$/.test(template);
}

/** Fills in every reference; paths are relative to `directory`. What a reference gives is not expanded again. */
export function expand(template: string, directory: string, env: Environment): Expansion {
  const problems: string[] = [];
  let unset = true;
  const text = template.replaceAll(PIECES, (piece, body: string | undefined, end: string | undefined) => {
    if (piece === "$${") return "${";
    const value = end === undefined ? { lacks: "expected a closing } after ${, found none" } : lookUp(body ?? "", directory, env);
    if ("text" in value) return value.text;
    problems.push(value.lacks);
    unset &&= value.unset === true;
    return "";
  });
  return problems.length === 0 ? { ok: true, text } : { ok: false, problems, unset };
}

type Found = { readonly text: string } | { readonly lacks: string; readonly unset?: boolean };

function lookUp(body: string, directory: string, env: Environment): Found {
  const variable = VARIABLE.exec(body);
  if (variable !== null) {
    const [, name = "", fallback] = variable;
    const value = env[name];
    // As in a shell, `:-` stands in for an empty variable as well as for one that is not set.
    if (fallback !== undefined) return { text: value === undefined || value === "" ? fallback : value };
    return value === undefined ? { lacks: `expected the environment variable ${name}, found it unset`, unset: true } : { text: value };
  }
  const file = FILE.exec(body);
  if (file !== null) return readText(file[1] ?? "", directory);
  return { lacks: "expected ${env:NAME}, ${env:NAME:-default} or ${file:PATH} (and $${ for a literal ${), found another reference" };
}

/** Without its trailing line breaks: editors and `kubectl create secret` leave one. */
function readText(written: string, directory: string): Found {
  const path = resolve(directory, written);
  try {
    const stat = statSync(path);
    if (!stat.isFile() || stat.size > MAX_FILE_BYTES)
      return { lacks: `expected a file of at most 1 MiB at ${written}, found something else` };
    return { text: readFileSync(path, "utf8").replace(/[\r\n]+$/, "") };
  } catch (error) {
    return { lacks: `expected a readable file at ${written}, found none (${errorCode(error)})`, unset: true };
  }
}

/** `ENOENT`, `EACCES`…; a system error's message would only repeat the path. */
export function errorCode(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "none";
}
