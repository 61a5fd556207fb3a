import type { MappingSettings, WorkflowRule } from "./config.ts";
import { glob } from "./glob.ts";
import { createRedactor, type Redactor } from "./redact.ts";
import { hostOf, needsRule, serviceNameOf } from "./service-name.ts";
import type { Attributes } from "./span.ts";

/** What the user's `workflows:` rules and the defaults make of a run. Strings are redacted, but not cut. */
export interface RunNaming {
  /** Index of the rule that matched, in `settings.workflows`. */
  readonly rule?: number;
  /** The rule says that such runs are not exported. */
  readonly dropped: boolean;
  /** The workflow's name: the run span's, and `upstash.workflow.name`. */
  readonly name: string;
  readonly serviceName: string;
  readonly serviceNamespace?: string;
  readonly environment?: string;
  /** The rule's own, for the run span. */
  readonly attributes: Attributes;
  readonly traceContext: "link" | "join" | "ignore";
  /** A step's name after the rule's `step_names`; the name itself where none matches. */
  stepName(name: string): string;
}

const NAMELESS = "workflow";
/** UUIDs, 16 hex digits or more, 6 digits or more. */
const IDS = /(?<![\da-z])(?:[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}|[\da-f]{16,})(?![\da-z])|\d{6,}/gi;

interface Matcher {
  readonly rule: WorkflowRule;
  matches(url: string, labels: readonly string[]): boolean;
  stepName(name: string): string;
}

interface Compiled {
  readonly matchers: readonly Matcher[];
  readonly named: (url: string) => Named;
}

/** What the URL alone suggests. */
interface Named {
  readonly name: string;
  readonly service: string;
}

/** Patterns are compiled once for each settings object; a memo, so naming stays pure. */
const compiled = new WeakMap<MappingSettings, Compiled>();

/**
 * Names a run by the first rule that matches it. A rule matches if everything its `match` holds does: the
 * URL, with or without its query, and one of the labels. A `match` with neither matches **no** run: an
 * emptied key must not rename or drop everything; who wants that writes `url: "*"`.
 */
export function nameRun(run: { readonly url: string; readonly labels: readonly string[] }, settings: MappingSettings): RunNaming {
  const { matchers, named } = compile(settings);
  const index = matchers.findIndex((matcher) => matcher.matches(run.url, run.labels));
  const matcher = matchers[index];
  const set = matcher?.rule.set;
  return {
    rule: matcher === undefined ? undefined : index,
    dropped: matcher?.rule.drop ?? false,
    name: set?.name ?? named(run.url).name,
    serviceName: set?.service_name ?? settings.serviceName ?? named(run.url).service,
    serviceNamespace: set?.service_namespace,
    environment: set?.environment ?? settings.environment,
    attributes: set?.attributes ?? {},
    traceContext: set?.trace_context ?? settings.traces.trace_context,
    stepName: matcher?.stepName ?? asItIs,
  };
}

function asItIs(name: string): string {
  return name;
}

/** A run's host ("" where its URL has none), where its service name is a guess that a rule of the user's should replace. */
export function guessedHost(
  run: { readonly url: string; readonly labels: readonly string[] },
  settings: MappingSettings,
): string | undefined {
  const { rule } = nameRun(run, settings);
  const named = settings.serviceName ?? (rule === undefined ? undefined : settings.workflows[rule]?.set.service_name);
  const host = hostOf(run.url);
  return named === undefined && needsRule(host) ? host : undefined;
}

/** The URL's path with ids replaced (`/api/orders/{id}`): as few names as there are workflows. */
function workflowName(url: string, redactor: Redactor): string {
  const path = URL.canParse(url) ? new URL(url).pathname : withoutQuery(url);
  const name = withoutIds(redactor.text(path));
  return name.trim() === "" ? NAMELESS : name;
}

/** As few names as there are things: what names a single one of them becomes `{id}`. */
export function withoutIds(name: string): string {
  return name.replace(IDS, "{id}");
}

function withoutQuery(url: string): string {
  const end = url.search(/[?#]/);
  return end < 0 ? url : url.slice(0, end);
}

function compile(settings: MappingSettings): Compiled {
  const known = compiled.get(settings);
  if (known !== undefined) return known;
  const made = { matchers: settings.workflows.map(compileRule), named: byUrl(createRedactor(settings.traces.redact)) };
  compiled.set(settings, made);
  return made;
}

const MAX_URLS = 1_000;

/** A workflow's runs have one URL, and each is named several times. */
function byUrl(redactor: Redactor): (url: string) => Named {
  const known = new Map<string, Named>();
  return (url) => {
    const found = known.get(url);
    if (found !== undefined) return found;
    const made = { name: workflowName(url, redactor), service: serviceNameOf(hostOf(url)) };
    if (known.size >= MAX_URLS) known.clear();
    known.set(url, made);
    return made;
  };
}

function compileRule(rule: WorkflowRule): Matcher {
  const { url: pattern, label } = rule.match;
  const url = pattern === undefined ? undefined : glob(pattern);
  const steps = rule.set.step_names.map((step) => ({ matches: glob(step.match), name: step.name }));
  return {
    rule,
    matches(value, labels) {
      if (url === undefined && label === undefined) return false;
      if (url !== undefined && !url(value) && !url(withoutQuery(value))) return false;
      return label === undefined || labels.includes(label);
    },
    stepName: (name) => steps.find((step) => step.matches(name))?.name ?? name,
  };
}
