import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { COMMANDS } from "../src/commands/commands.ts";
import { SHAPE, type Shape } from "../src/config/shape.ts";
import { METRICS, type MetricDefinition } from "../src/telemetry/metrics-table.ts";
import { ATTRIBUTES } from "../src/trace/attributes.ts";
import { HOST_RULES } from "../src/trace/service-name.ts";

/**
 * `npm run docs`: the README's tables that are made from the code, each between its two markers
 * (`<!-- options -->` … `<!-- /options -->`). A test says when one is out of date.
 */
const README = join(import.meta.dirname, "../README.md");
const VECTORS = join(import.meta.dirname, "../src/trace/ids.vectors.json");

const TABLES: Readonly<Record<string, () => string>> = { commands, options, attributes, hosts, ids, metrics };

/** The README with its tables made anew. @throws Error where a marker is missing or stands twice */
export function withTables(readme: string): string {
  return Object.entries(TABLES).reduce((text, [name, table]) => {
    const parts = text.split(new RegExp(`(?<=<!-- ${name} -->\n)[\\s\\S]*?(?=<!-- /${name} -->)`));
    if (parts.length !== 2) throw new Error(`README.md: the markers of ${name} are to stand there exactly once`);
    return parts.join(`${table()}\n`);
  }, readme);
}

function rows(head: readonly string[], body: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|").replaceAll("\n", " ")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...body.map(line)].join("\n");
}

const code = (text: string) => `\`${text}\``;

function commands(): string {
  const usageOf = (usage: string) =>
    [...usage.matchAll(/^(?:Usage:| {6}) (wfotel .*)$/gm)].map((match) => code(match[1] ?? "")).join("<br>");
  return rows(
    ["command", "does"],
    Object.values(COMMANDS).map(({ usage, summary }) => [usageOf(usage), summary]),
  );
}

function attributes(): string {
  return rows(
    ["attribute", "type", "on", "what it says"],
    Object.values(ATTRIBUTES).map(({ name, type, on, says }) => [code(name), type, on, says]),
  );
}

function metrics(): string {
  return rows(
    ["metric", "type", "labels", "what it says"],
    Object.entries(METRICS as Record<string, MetricDefinition>).map(([name, { type, labels, help }]) => [
      code(name),
      type,
      labels.map(code).join(", "),
      help,
    ]),
  );
}

function hosts(): string {
  const nameOf = (name: string) => code(name.replace("$1", "*"));
  return rows(["host", "service.name"], [...HOST_RULES.map(({ hosts: list, name }) => [list, nameOf(name)]), ["any other", "the host"]]);
}

interface Vector {
  readonly function: string;
  readonly args: readonly (string | number)[];
  readonly id: string;
}

/** Those of the first run: the file has more. */
function ids(): string {
  const { vectors } = JSON.parse(readFileSync(VECTORS, "utf8")) as { vectors: readonly Vector[] };
  const first = vectors.filter(({ args }) => args.includes(vectors[0]?.args[0] ?? ""));
  return rows(
    ["function", "id"],
    first.map((vector) => [code(`${vector.function}(${vector.args.map((arg) => JSON.stringify(arg)).join(", ")})`), code(vector.id)]),
  );
}

function options(): string {
  return rows(
    ["key", "type", "default", "what it says"],
    Object.entries(SHAPE.properties ?? {}).flatMap(([key, one]) => optionRows(key, one)),
  );
}

/** One row for each key that takes a value; maps and lists of maps give the rows of their keys. */
function optionRows(key: string, one: Shape, note = ""): string[][] {
  const item = one.items;
  if (item !== undefined && isMap(item)) return mapRows(`${key}[]`, item);
  if (isMap(one) && one.anyOf === undefined) return mapRows(key, one);
  const description = (one as { description?: string }).description ?? "";
  return [[code(key), typeOf(one), defaultOf(one), description + note]];
}

function mapRows(key: string, map: Shape): string[][] {
  const kinds = map.oneOf ?? map.anyOf ?? [map];
  const keys = [...new Set(kinds.flatMap((kind) => Object.keys(kind.properties ?? {})))];
  return keys.flatMap((name) => {
    const having = kinds.filter((kind) => kind.properties?.[name] !== undefined);
    const [own] = having.map((kind) => kind.properties?.[name]);
    if (own === undefined) return [];
    if (name === "type" && kinds.length > 1)
      return [[code(`${key}.type`), kinds.map((kind) => typeOf(kind.properties?.type ?? {})).join(", "), "", says(kinds)]];
    const only = having.length === kinds.length ? "" : ` (${having.map((kind) => typeOf(kind.properties?.type ?? {})).join(", ")})`;
    return optionRows(`${key}.${name}`, own, only);
  });
}

/** What the kinds of a union say of themselves. */
function says(kinds: readonly Shape[]): string {
  return kinds.map((kind) => (kind.properties?.type as { description?: string } | undefined)?.description ?? "").join("; ");
}

function isMap(one: Shape): boolean {
  if (one.properties !== undefined) return true;
  return (one.oneOf ?? []).some(isMap);
}

/** In the words of the file: what one writes there. */
function typeOf(one: Shape): string {
  if (one.const !== undefined) return code(String(one.const));
  if (one.enum !== undefined) return one.enum.map((value) => code(String(value))).join(", ");
  const pattern = (one as { pattern?: string }).pattern;
  if (one["x-secret"]) return "secret";
  if (one["x-path"]) return "path";
  if (pattern !== undefined) return new RegExp(pattern).test("5m") ? "duration" : new RegExp(pattern).test("1MiB") ? "size" : "string";
  if ((one as { format?: string }).format === "uri") return "URL";
  const options = one.anyOf ?? one.oneOf;
  if (options !== undefined) return [...new Set(options.filter((option) => option.const !== 0).map(typeOf))].join(" or ");
  if (one.items !== undefined) return `list of ${typeOf(one.items)}`;
  if (one.properties !== undefined)
    return `{ ${Object.entries(one.properties)
      .map(([key, value]) => `${key}: ${typeOf(value)}`)
      .join(", ")} }`;
  if (typeof one.additionalProperties === "object") return `map of ${typeOf(one.additionalProperties)}`;
  return one.type ?? "";
}

function defaultOf(one: Shape): string {
  const preset = (one as { default?: unknown }).default;
  if (preset === undefined) return "";
  return code(typeof preset === "string" ? preset || '""' : JSON.stringify(preset));
}

if (process.argv[1] === import.meta.filename) writeFileSync(README, withTables(readFileSync(README, "utf8")));
