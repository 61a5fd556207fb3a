import type { Config } from "../config/schema.ts";
import type { Destination } from "../destinations/destination.ts";
import type { RunSource } from "../sources/source.ts";
import type { MappingSettings } from "../trace/config.ts";
import { guessedHost, nameRun } from "../trace/naming.ts";
import { serviceNameOf } from "../trace/service-name.ts";
import { commandConfig, parseCommand } from "./arguments.ts";
import { describeConfig } from "./check-text.ts";
import { CommandError, type CommandIo, EXIT } from "./io.ts";
import { probeDestination, probeFile, probeSource, type Seen } from "./probe.ts";
import { mappingSettings } from "./wire.ts";

/** What `--connect` asks of the rest of the program. */
export interface Connections {
  source(config: Config["sources"][number], traces: Config["traces"]): RunSource;
  destination(config: Config["destinations"][number]): Destination;
}

/**
 * `wfotel check`: says whether the configuration is valid; `--connect` also asks every source and
 * destination, `--explain URL` says which rule a run of that URL meets, and does without secrets. Exit 2 for
 * anything wrong.
 */
export async function check(argv: readonly string[], io: CommandIo, connections: Connections): Promise<number> {
  const options = { connect: { type: "boolean" }, explain: { type: "string" }, label: { type: "string", multiple: true } } as const;
  const { values } = parseCommand(argv, options, { min: 0, max: 0 });
  if (values.label !== undefined && values.explain === undefined) throw new CommandError("--label needs --explain URL");
  if (values.explain !== undefined && !isWebUrl(values.explain))
    throw new CommandError(`--explain: expected a URL such as https://app.example.com/api/order, found ${JSON.stringify(values.explain)}`);
  const secrets = values.explain === undefined || values.connect === true;
  const { config, file, serviceName, unset, originOf } = commandConfig(values, io, { source: true, destination: true, secrets });
  for (const secret of unset) io.stderr.write(`warning: ${secret}\n`);
  const print = (line: string) => void io.stdout.write(`${line}\n`);
  print(`${file ?? "environment variables"}: valid${unset.length === 0 ? "" : ", but for secrets that are not set here"}`);
  for (const line of describeConfig(config, originOf)) print(line);
  const settings = mappingSettings(config, serviceName);
  if (values.explain !== undefined) {
    for (const line of explain({ url: values.explain, labels: values.label ?? [] }, settings)) print(line);
  }
  return values.connect === true && !(await connect(config, settings, connections, io)) ? EXIT.usage : EXIT.done;
}

function isWebUrl(text: string): boolean {
  return /^https?:$/.test(URL.parse(text)?.protocol ?? "");
}

/** One line a fact: the rule that a run meets and what it is called then. */
function explain(run: { url: string; labels: string[] }, settings: MappingSettings): string[] {
  const naming = nameRun(run, settings);
  const rule =
    naming.rule === undefined ? "none: named after its URL; a rule under workflows: may set a service_name" : `workflows[${naming.rule}]`;
  if (naming.dropped) return [`rule: ${rule}`, "dropped: such runs are not exported"];
  const facts: [string, string | undefined][] = [
    ["rule", rule],
    ["workflow", naming.name],
    ["service.name", naming.serviceName],
    ["service.namespace", naming.serviceNamespace],
    ["deployment.environment.name", naming.environment],
    ["trace_context", naming.traceContext],
    ...Object.entries(naming.attributes).map(([key, value]): [string, string] => [`attribute ${key}`, String(value)]),
    ...(naming.rule === undefined ? [] : (settings.workflows[naming.rule]?.set.step_names ?? [])).map(
      ({ match, name }): [string, string] => [`step ${match}`, name],
    ),
  ];
  return facts.filter(([, value]) => value !== undefined).map(([key, value]) => `${key}: ${value}`);
}

/** Asks every source and destination, one after the other, and prints what each said. True if all is well. */
async function connect(config: Config, settings: MappingSettings, connections: Connections, { signal, stdout, stderr }: CommandIo) {
  let well = true;
  const say = (what: string, seen: Seen) => {
    stdout.write(`${seen.ok ? "ok" : "FAILED"} ${what}: ${seen.text}\n`);
    well &&= seen.ok;
  };
  for (const one of config.sources) {
    const source = connections.source(one, config.traces);
    const seen = await probeSource(source, one.detail, signal).finally(() => source.close());
    say(`source ${one.name}`, seen);
    for (const host of new Set(seen.runs.map((run) => guessedHost(run, settings)))) {
      if (host !== undefined) stderr.write(`warning: source ${one.name}: ${unnamed(host)}\n`);
    }
  }
  for (const one of config.destinations) {
    say(`destination ${one.name}`, await probed(one, connections, signal));
  }
  return well;
}

/** What a request without spans would leave in a file or on the terminal is left out. */
async function probed(config: Config["destinations"][number], connections: Connections, signal: AbortSignal): Promise<Seen> {
  if (config.type === "console") return { ok: true, text: "writes to stdout" };
  if (config.type === "file") return probeFile(config.path);
  const destination = connections.destination(config);
  return probeDestination(destination, signal).finally(() => destination.close());
}

function unnamed(host: string): string {
  const whose = host === "" ? "runs whose URL has no host" : `runs of ${host}, which is no stable name,`;
  return `${whose} are of service ${serviceNameOf(host)}; a rule under workflows: may set a service_name`;
}
