import { type Document, isCollection, isNode, isPair, isScalar, type Node, type YAMLError } from "yaml";
import type { Path } from "./tree.ts";

/**
 * What makes a text no YAML: each fault once, where it begins. The parser's codes and messages only tell faults
 * apart; nothing of them is passed on, since they quote the source.
 */

export interface Fault {
  readonly offset: number;
  readonly path: Path;
  readonly text: string;
  /** How far what is read from there on may be a consequence: one value, up to the next top-level key, to the end. */
  readonly spoils: Spoils;
}

type Spoils = "value" | "key" | "file";

const NOT_YAML = "valid YAML, found something else";
const OTHER_INDENT = "a line indented like its siblings, found another indentation";
const BOTH = 'a value or a map under this key (quotes around a value with ": " in it), found both';

/** By the parser's code and, where one stands for several, its message; the first that fits. */
const KINDS: readonly { readonly code: string; readonly message?: RegExp; readonly text: string; readonly spoils?: Spoils }[] = [
  { code: "BAD_ALIAS", text: "a name after * or & (quotes around a value that starts with one), found none", spoils: "value" },
  { code: "BAD_DIRECTIVE", text: "no directive (quotes around a value that starts with %), found one", spoils: "value" },
  { code: "BAD_DQ_ESCAPE", text: 'a valid escape after \\ in "…" (or single quotes), found another', spoils: "value" },
  { code: "BAD_SCALAR_START", text: "quotes around a value that starts with @, % or `, found none", spoils: "value" },
  { code: "TAG_RESOLVE_FAILED", text: "no tags of one's own (quotes around a value that starts with !), found one", spoils: "value" },
  { code: "MULTIPLE_DOCS", text: "one document a file, found a second one", spoils: "value" },
  { code: "BAD_INDENT", message: /end with a/, text: "a closing bracket, found none" },
  { code: "BAD_INDENT", text: OTHER_INDENT },
  { code: "BLOCK_AS_IMPLICIT_KEY", text: BOTH },
  { code: "MISSING_CHAR", message: /closing/, text: "a closing quote, found none" },
  { code: "MISSING_CHAR", message: /end with a/, text: "a closing bracket, found none" },
  { code: "MISSING_CHAR", message: /without - indicator/, text: OTHER_INDENT },
  { code: "MISSING_CHAR", message: /followed by map values/, text: "a colon and a space after a key, found none" },
  { code: "MISSING_CHAR", message: /^Comments/, text: "a space before #, found none" },
  { code: "MISSING_CHAR", message: /between/, text: "a comma between two values, found none" },
  { code: "MULTILINE_IMPLICIT_KEY", text: "a key on a single line, found one over several" },
  { code: "TAB_AS_INDENT", text: "spaces as indentation, found a tab" },
  { code: "UNEXPECTED_TOKEN", message: /same line with key/, text: "a list on lines of its own, found it beside its key" },
  { code: "UNEXPECTED_TOKEN", message: /Unexpected ,/, text: "a value before the comma, found none" },
  { code: "UNEXPECTED_TOKEN", message: /^Block scalar/, text: "a line break after | or >, found more" },
  { code: "UNEXPECTED_TOKEN", message: /-end token in/, text: "an opening bracket for this one, found none", spoils: "file" },
  { code: "UNEXPECTED_TOKEN", message: /in YAML stream/, text: NOT_YAML, spoils: "file" },
  { code: "UNEXPECTED_TOKEN", message: /map-value-ind/, text: BOTH },
  { code: "UNEXPECTED_TOKEN", message: /at node end/, text: "nothing more after the value (quotes around all of it), found more" },
];

/** More than anybody mends at once; a text of nothing else costs no more than this. */
const MAX_FAULTS = 100;

/** The faults of a parsed text in their order; of those within one top-level key, the first that spoils what follows it. */
export function faultsOf(document: Document, text: string): Fault[] {
  const errors = [...document.errors, ...document.warnings].slice(0, MAX_FAULTS);
  if (errors.length === 0) return [];
  const parts = [...partsOf(document.contents, [])];
  const unclosed = parts.flatMap(unclosedAt).slice(0, MAX_FAULTS);
  const told = errors.filter((error) => unclosed.length === 0 || !/end with a|^Missing closing/.test(error.message));
  const faults = [...told.map((error) => faultOf(error, text, parts)), ...unclosed].sort((a, b) => a.offset - b.offset);
  const keys = [...text.matchAll(/^[^\s#\-\]}]/gm)].map((match) => match.index);
  const sectionOf = ({ offset }: Fault) => keys.findLastIndex((start) => start <= offset);
  const spoilers = new Map<number, Fault>();
  for (const fault of faults.filter(({ spoils }) => spoils !== "value")) {
    const first = spoilers.get(sectionOf(fault));
    if (first === undefined || isWithin(fault, first, unclosed)) spoilers.set(sectionOf(fault), fault);
  }
  const end = faults.find(({ spoils }) => spoils === "file")?.offset ?? text.length;
  return faults.filter((fault) => {
    const spoiler = spoilers.get(sectionOf(fault));
    return fault.offset <= end && (fault.spoils === "value" ? fault.offset <= (spoiler?.offset ?? end) : fault === spoiler);
  });
}

/** Of brackets left open inside one another, the innermost is the fault: those around it lost their ends to it. */
function isWithin(fault: Fault, outer: Fault, unclosed: readonly Fault[]): boolean {
  return unclosed.includes(fault) && unclosed.includes(outer) && outer.path.every((step, index) => fault.path[index] === step);
}

function faultOf(error: YAMLError, text: string, parts: readonly Part[]): Fault {
  const kind = KINDS.find(({ code, message }) => code === error.code && (message?.test(error.message) ?? true));
  const [blank = ""] = /^ */.exec(text.slice(error.pos[0])) ?? [];
  const offset = error.pos[0] + blank.length;
  const startsLine = text.slice(text.lastIndexOf("\n", offset - 1) + 1, offset).trim() === "";
  const moved = error.code === "UNEXPECTED_TOKEN" && kind?.spoils === undefined && startsLine;
  const spoils = error.name === "YAMLWarning" ? "value" : (kind?.spoils ?? "key");
  const path = error.code === "MULTIPLE_DOCS" ? [] : pathAt(offset, parts);
  return { offset, path, text: moved ? OTHER_INDENT : (kind?.text ?? NOT_YAML), spoils };
}

interface Part {
  readonly node: Node;
  readonly path: Path;
  /** After its key: what a fault is about may be a key only because of that fault, and a secret in truth. */
  readonly start: number;
  readonly end: number;
}

/** Every value with its path and place, outer ones first. */
function* partsOf(node: unknown, path: Path, keyEnd = -1): Generator<Part> {
  if (!isNode(node)) return;
  const [start = 0, , end = start] = node.range ?? [];
  yield { node, path, start: keyEnd < 0 ? start : keyEnd + 1, end };
  if (!isCollection(node)) return;
  for (const [index, item] of node.items.entries()) {
    if (!isPair(item)) yield* partsOf(item, [...path, index]);
    else if (isScalar(item.key)) yield* partsOf(item.value, [...path, String(item.key.value)], item.key.range?.[1]);
  }
}

/** The innermost value or item that holds a place. */
function pathAt(offset: number, parts: readonly Part[]): Path {
  return parts.findLast((part) => part.start <= offset && offset <= part.end)?.path ?? [];
}

/** A quoted text or a `{ }` or `[ ]` that does not end as it should, at its start. */
function unclosedAt({ node, path }: Part): Fault[] {
  const token = node.srcToken;
  const offset = node.range?.[0] ?? 0;
  if (token?.type === "flow-collection") {
    const closing = token.start.source === "{" ? "}" : "]";
    const found = token.end[0]?.source;
    if (found === closing) return [];
    return [{ offset, path, text: `a closing ${closing} for this ${token.start.source}, found ${found ?? "none"}`, spoils: "key" }];
  }
  if (token?.type !== "double-quoted-scalar" && token?.type !== "single-quoted-scalar") return [];
  const quote = token.type === "double-quoted-scalar" ? '"' : "'";
  const closed = token.source.length > 1 && token.source.endsWith(quote);
  return closed ? [] : [{ offset, path, text: `a closing ${quote} for this one, found none`, spoils: "key" }];
}
