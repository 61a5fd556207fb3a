import { resolve } from "node:path";
import { DEFAULT_ENDPOINT, implicitDestination, implicitSource, layers, namesEndpoint, unusedUrl, type Variables } from "./environment.ts";
import { readFiles } from "./files.ts";
import { type Filled, fill, valueAt } from "./fill.ts";
import { type Origin, originAt } from "./origin.ts";
import { formatProblems, problemsOf } from "./problems.ts";
import { type Environment, expand, hasFileReference } from "./references.ts";
import type { Config } from "./schema.ts";
import { entryAt, merge, type Path, type Problem, type Tree, type TreeMap } from "./tree.ts";
import { validate } from "./validate.ts";
import { Secret } from "./values.ts";
import { warningsOf } from "./warnings.ts";

/** A file (or the environment alone) → Config, or every error it has, each with its place. */

export interface LoadInput {
  /** `--config`; else WFOTEL_CONFIG, else the environment alone. */
  readonly file?: string;
  readonly env: Environment;
  /** What relative paths start from that stand in no file. */
  readonly cwd: string;
  /** What the command cannot do without; all, unless said otherwise. A source or destination that is not required is not taken from the environment either. */
  readonly require?: { readonly source?: boolean; readonly destination?: boolean; readonly secrets?: boolean };
}

export type LoadResult =
  | {
      readonly ok: true;
      readonly config: Config;
      /** Where the value at a path of `config` came from: asked before one is shown. */
      readonly originOf: (path: Path) => Origin;
      readonly file?: string;
      /** `OTEL_SERVICE_NAME`, only where there is no file: one name for all runs. */
      readonly serviceName?: string;
      /** One line each. */
      readonly warnings: readonly string[];
      /** Secrets that are not required and not set, as errors are: another text stands where they belong. */
      readonly unset: readonly string[];
    }
  /** `FILE:LINE:COL path.to.key: expected …, found …`, one line each, all at once; no secrets. */
  | { readonly ok: false; readonly errors: readonly string[] };

export function loadConfig(input: LoadInput): LoadResult {
  const vars: Variables = { env: input.env, directory: resolve(input.cwd) };
  const file = input.file ?? (input.env.WFOTEL_CONFIG || undefined);
  const problems: Problem[] = [];
  const written = file === undefined ? undefined : readFiles(file, input.env, vars.directory, problems);
  const { under, over, serviceName, warnings } = layers(vars, file !== undefined);
  const lower = written === undefined ? under : merge(under, written, noName);
  const whole = lower.kind === "map" ? merge(lower, over, noName) : lower;
  const notes = [...warnings];
  const tree =
    whole.kind === "map" ? withImplicit({ ...whole, place: lower.place }, vars, input, file !== undefined, problems, notes) : whole;
  const config = check(tree, input.env, problems);
  const unset = input.require?.secrets === false ? problems.filter((problem) => problem.unset) : [];
  if (config === undefined || problems.length > unset.length) return { ok: false, errors: formatProblems(withoutConsequences(problems)) };
  if (input.require?.source !== false) notes.push(...unusedUrl(vars, config.sources, entryAt(tree, ["sources"])?.value));
  config.state.path = resolve(vars.directory, config.state.path);
  return {
    ok: true,
    config,
    originOf: (path) => originAt(tree, path),
    warnings: [...notes, ...warningsOf(config)],
    unset: formatProblems(unset),
    ...(file !== undefined && { file }),
    ...(serviceName !== undefined && { serviceName }),
  };
}

/** Where a file is broken, what else is wrong in it is not known; nor is what it would have brought to those that extend it. */
function withoutConsequences(problems: readonly Problem[]): Problem[] {
  const fileOf = ({ place }: Problem) => (place.kind === "file" ? place.file : undefined);
  const broken = new Set(problems.filter((problem) => problem.syntax).map(fileOf));
  const partial = isPartial(problems);
  return problems.filter((problem) => problem.syntax || !(broken.has(fileOf(problem)) || (problem.missing && partial)));
}

/** Whether a file, or a base of one, could not be read as a whole. */
function isPartial(problems: readonly Problem[]): boolean {
  return problems.some((problem) => problem.syntax || problem.path[0] === "extends");
}

/** The environment's layers hold no lists. */
const noName = () => undefined;

/** Adds the environment's source and destination where they are required and nothing names one. */
function withImplicit(tree: TreeMap, vars: Variables, input: LoadInput, hasFile: boolean, problems: Problem[], notes: string[]): TreeMap {
  // What a base that cannot be read would have named is not known to be missing.
  if (isPartial(problems)) return tree;
  const { source = true, destination = true } = input.require ?? {};
  const entries = new Map(tree.entries);
  const add = (key: string, item: Tree) => entries.set(key, { key: item.place, value: { kind: "list", items: [item], place: item.place } });
  if (source && isEmpty(tree, "sources")) {
    const item = implicitSource(vars);
    if (item === undefined) problems.push(missingSource(tree, vars, hasFile));
    else add("sources", item);
  }
  if (destination && isEmpty(tree, "destinations")) {
    const text = "expected at least one destination (or OTEL_EXPORTER_OTLP_ENDPOINT in the environment), found none";
    if (hasFile && !namesEndpoint(vars)) problems.push({ place: tree.place, path: ["destinations"], text });
    else add("destinations", implicitDestination(vars, problems));
    if (!hasFile && !namesEndpoint(vars))
      notes.push(`nothing names a destination: sending to ${DEFAULT_ENDPOINT}, OpenTelemetry's default`);
  }
  return { ...tree, entries };
}

function missingSource(tree: TreeMap, vars: Variables, hasFile: boolean): Problem {
  if (hasFile)
    return { place: tree.place, path: ["sources"], text: "expected at least one source (or QSTASH_TOKEN in the environment), found none" };
  const place = { kind: "variable", name: "QSTASH_TOKEN", directory: vars.directory } as const;
  return {
    place,
    path: [],
    text: "expected the token of your region's QStash, as the Upstash console shows it, found nothing",
    unset: true,
  };
}

function isEmpty(tree: TreeMap, key: string): boolean {
  const list = tree.entries.get(key)?.value;
  return list === undefined || (list.kind === "list" && list.items.length === 0);
}

/** Checks the tree against the schema and binds its secrets; problems go to `problems`. */
function check(tree: Tree, env: Environment, problems: Problem[]): Config | undefined {
  const filled = fill(tree, env);
  problems.push(...filled.problems);
  const outcome = validate(filled);
  if ("issues" in outcome) {
    problems.push(...outcome.issues.flatMap((issue) => problemsOf(issue, [], tree)));
    return undefined;
  }
  bindSecrets(outcome.config, filled, env);
  return outcome.config;
}

/** A secret out of a file is read again when it is asked to refresh: Kubernetes swaps the file under a symlink. */
function bindSecrets(config: Config, filled: Filled, env: Environment): void {
  for (const { path, template, place } of filled.references) {
    const secret = valueAt(config, path);
    if (!(secret instanceof Secret) || !hasFileReference(template)) continue;
    secret.bind(() => {
      const expansion = expand(template, place.directory, env);
      if (!expansion.ok) throw new Error("a reference of a secret cannot be read");
      return expansion.text;
    });
  }
}
