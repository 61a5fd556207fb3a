import { DEFAULT_NAMES } from "../destinations/config.ts";
import { DEFAULT_NAME } from "../sources/upstash/config.ts";
import type { Environment } from "./references.ts";
import type { Place, Problem, Tree, TreeEntry, TreeMap } from "./tree.ts";

/** QSTASH_*, OTEL_* and WFOTEL_* variables as trees, so that the same schema checks them as checks a file. */

/** What names a process, and not the runs it reports on. Source: trace-model.md. */
const PROCESS_KEYS = /^(?:k8s\.pod|k8s\.node|host|process|container|telemetry)\.|^service\.instance\.id$/;

const LOG_LEVELS: Readonly<Record<string, string>> = {
  all: "trace",
  trace: "trace",
  verbose: "trace",
  debug: "debug",
  info: "info",
  warn: "warn",
  warning: "warn",
  error: "error",
  fatal: "fatal",
  none: "silent",
  silent: "silent",
};

/** `directory`: what relative paths in variables start from (absolute). */
export interface Variables {
  readonly env: Environment;
  readonly directory: string;
}

/** An empty variable is not set, as OpenTelemetry has it. */
function read(name: string, vars: Variables): string | undefined {
  const value = vars.env[name]?.trim();
  return value === "" ? undefined : value;
}

export interface Layers {
  /** Lies under the file: what it says wins. */
  readonly under: TreeMap;
  /** Lies over the file. */
  readonly over: TreeMap;
  /** Set only where there is no file: one name for all runs. */
  readonly serviceName?: string;
  readonly warnings: readonly string[];
}

/** Everything but the implicit source and destination. */
export function layers(vars: Variables, hasFile: boolean): Layers {
  const warnings: string[] = [];
  const under: Record<string, Tree | undefined> = {};
  const logLevel = read("OTEL_LOG_LEVEL", vars);
  const level = LOG_LEVELS[logLevel?.toLowerCase() ?? ""];
  if (logLevel !== undefined && level === undefined) warnings.push("OTEL_LOG_LEVEL: ignored, it is none of the known levels");
  if (level !== undefined) {
    const place = placeOf("OTEL_LOG_LEVEL", vars);
    under.telemetry = map(place, { log: map(place, { level: leaf(place, level) }) });
  }
  const { attributes, warning } = resourceAttributes(read("OTEL_RESOURCE_ATTRIBUTES", vars));
  if (warning !== undefined) warnings.push(warning);
  const place = placeOf("OTEL_RESOURCE_ATTRIBUTES", vars);
  const { "service.name": named, "deployment.environment.name": environment, ...resource } = attributes;
  if (environment !== undefined) under.environment = leaf(place, environment);
  under.resource = map(place, Object.fromEntries(Object.entries(resource).map(([key, value]) => [key, leaf(place, value)])));
  const serviceName = hasFile ? undefined : (read("OTEL_SERVICE_NAME", vars) ?? named);
  const over = map(place, {
    // The one variable that may be empty: "" is off, as in the file.
    server:
      vars.env.WFOTEL_LISTEN === undefined
        ? undefined
        : inMap("listen", leaf(placeOf("WFOTEL_LISTEN", vars), vars.env.WFOTEL_LISTEN.trim())),
    state: inMap("path", variable("WFOTEL_STATE", vars)),
  });
  return { under: map(place, under), over, warnings, ...(serviceName !== undefined && { serviceName }) };
}

/** `key=value,key2=value2`, percent-encoded. One bad pair and the specification wants all of it ignored. */
function resourceAttributes(text: string | undefined): { attributes: Record<string, string>; warning?: string } {
  const pairs = parsePairs(text ?? "");
  if (pairs === undefined) return { attributes: {}, warning: "OTEL_RESOURCE_ATTRIBUTES: ignored, it is no list of key=value pairs" };
  return { attributes: Object.fromEntries(pairs.filter(([key]) => !PROCESS_KEYS.test(key))) };
}

/** The source that QSTASH_URL and QSTASH_TOKEN name; undefined without a token. */
export function implicitSource(vars: Variables): Tree | undefined {
  const token = variable("QSTASH_TOKEN", vars);
  if (token === undefined) return undefined;
  return map(token.place, { name: leaf(token.place, DEFAULT_NAME), url: variable("QSTASH_URL", vars), token });
}

/**
 * QSTASH_URL counts for the implicit source alone (a file's own have their tokens, which no other host may get): said
 * where it differs from what is read in its place. `sources` as they are read, `written` as they stand in the tree.
 */
export function unusedUrl(vars: Variables, sources: readonly { name: string; url: string }[], written: Tree | undefined): string[] {
  const given = read("QSTASH_URL", vars);
  const [first] = sources;
  const named = written?.kind === "list" && written.items.some((item) => item.kind === "map" && item.entries.has("url"));
  if (given === undefined || first === undefined || named || URL.parse(given)?.href === new URL(first.url).href) return [];
  const hint = "give the source's url, as in url: ${env:QSTASH_URL}";
  return [`QSTASH_URL is set but not used: source ${first.name} reads ${first.url}; ${hint}`];
}

const EXPORTER = "OTEL_EXPORTER_OTLP_";

/** Whether a variable says where traces go. */
export function namesEndpoint(vars: Variables): boolean {
  return read(`${EXPORTER}TRACES_ENDPOINT`, vars) !== undefined || read(`${EXPORTER}ENDPOINT`, vars) !== undefined;
}

/**
 * The destination that the OTEL_EXPORTER_OTLP_ variables name; `TRACES_` forms win; without an
 * endpoint, OpenTelemetry's default one.
 */
export function implicitDestination(vars: Variables, problems: Problem[]): Tree {
  const own = variable(`${EXPORTER}TRACES_ENDPOINT`, vars);
  const general = own === undefined ? variable(`${EXPORTER}ENDPOINT`, vars) : undefined;
  const place = (own ?? general)?.place ?? placeOf(`${EXPORTER}ENDPOINT`, vars);
  const either = (name: string) => variable(`${EXPORTER}TRACES_${name}`, vars) ?? variable(`${EXPORTER}${name}`, vars);
  const files = { ca_file: either("CERTIFICATE"), cert_file: either("CLIENT_CERTIFICATE"), key_file: either("CLIENT_KEY") };
  const pair = files.cert_file ?? files.key_file; // neither does without the other: what lacks it names it
  return map(place, {
    name: leaf(place, DEFAULT_NAMES["otlp-http"]),
    type: leaf(place, "otlp-http"),
    endpoint: general ?? (own === undefined ? leaf(place, DEFAULT_ENDPOINT) : undefined),
    traces_endpoint: own,
    encoding: encodingOf(either("PROTOCOL"), problems),
    compression: either("COMPRESSION"),
    headers: headersOf(either("HEADERS"), problems),
    timeout: timeoutOf(either("TIMEOUT"), problems),
    tls: map(pair?.place ?? place, files),
  });
}

/** Source: OpenTelemetry's OTLP exporter specification, for http/protobuf. */
export const DEFAULT_ENDPOINT = "http://localhost:4318";

type Leaf = Extract<Tree, { kind: "scalar" }>;

function encodingOf(protocol: Leaf | undefined, problems: Problem[]): Tree | undefined {
  if (protocol === undefined) return undefined;
  if (protocol.value === "http/protobuf") return { ...protocol, value: "protobuf" };
  if (protocol.value === "http/json") return { ...protocol, value: "json" };
  const found =
    protocol.value === "grpc" ? "grpc: the same receiver takes http/protobuf, as a rule on port 4318 instead of 4317" : "another value";
  problems.push({ place: protocol.place, path: [], text: `expected http/protobuf or http/json, found ${found}` });
  return undefined;
}

function headersOf(headers: Leaf | undefined, problems: Problem[]): Tree | undefined {
  if (headers === undefined) return undefined;
  const pairs = parsePairs(String(headers.value));
  if (pairs !== undefined) return map(headers.place, Object.fromEntries(pairs.map(([key, value]) => [key, leaf(headers.place, value)])));
  problems.push({
    place: headers.place,
    path: [],
    text: "expected percent-encoded key=value pairs with commas between, found another value",
  });
  return undefined;
}

function timeoutOf(timeout: Leaf | undefined, problems: Problem[]): Tree | undefined {
  if (timeout === undefined) return undefined;
  if (/^\d+$/.test(String(timeout.value))) return { ...timeout, value: `${timeout.value}ms` };
  problems.push({ place: timeout.place, path: [], text: "expected a whole number of milliseconds, found another value" });
  return undefined;
}

/** W3C Baggage without properties, as OpenTelemetry's variables use it; undefined if one pair is none. */
function parsePairs(text: string): [string, string][] | undefined {
  const pairs = text.split(",").filter((pair) => pair.trim() !== "");
  try {
    return pairs.map((pair) => {
      const [, key = "", value = ""] = /^\s*([^=\s]+)\s*=\s*([\s\S]*?)\s*$/.exec(pair) ?? [];
      if (key === "") throw new URIError("no key");
      return [decodeURIComponent(key), decodeURIComponent(value)];
    });
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
}

const placeOf = (name: string, vars: Variables): Place => ({ kind: "variable", name, directory: vars.directory });

const leaf = (place: Place, value: string): Leaf => ({ kind: "scalar", value, place, raw: true, oneLine: true });

function variable(name: string, vars: Variables): Leaf | undefined {
  const value = read(name, vars);
  return value === undefined ? undefined : leaf(placeOf(name, vars), value);
}

const inMap = (key: string, value: Leaf | undefined): Tree | undefined => value && map(value.place, { [key]: value });

function map(place: Place, values: Readonly<Record<string, Tree | undefined>>): TreeMap {
  const entries = new Map<string, TreeEntry>();
  for (const [key, value] of Object.entries(values)) if (value !== undefined) entries.set(key, { key: value.place, value });
  return { kind: "map", entries, place };
}
