import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type ReceivedSpan, readSpans } from "../../src/fake-upstash/otlp-spans.ts";
import { command, mustRun } from "./command.ts";
import { GO_ENVIRONMENT, GO_FLAGS, goTrouble } from "./go.ts";
import { freePort, listens, type Program, startProgram } from "./program.ts";
import type { Recipe } from "./recipe.ts";

/** The OpenTelemetry Collector by its own builder: its OTLP receiver is the one that Tempo, Alloy and most vendors embed. */
const VERSION = "v0.158.0";
const CORE = "go.opentelemetry.io/collector";
const CONTRIB = "github.com/open-telemetry/opentelemetry-collector-contrib";
const modules = (...paths: string[]) => paths.map((path) => ({ gomod: `${path} ${VERSION}` }));

const MANIFEST = {
  dist: { name: "otelcol", description: "OpenTelemetry Collector for tests", version: VERSION.slice(1) },
  receivers: modules(`${CORE}/receiver/otlpreceiver`),
  processors: modules(`${CORE}/processor/batchprocessor`, `${CORE}/processor/memorylimiterprocessor`),
  exporters: modules(`${CONTRIB}/exporter/fileexporter`, `${CONTRIB}/exporter/zipkinexporter`),
  extensions: modules(`${CONTRIB}/extension/bearertokenauthextension`),
  // env: what it starts with by itself, whether it is used or not.
  providers: ["env", "file"].map((kind) => ({ gomod: `${CORE}/confmap/provider/${kind}provider v1.64.0` })),
};

export const collectorRecipe: Recipe = {
  name: "collector",
  needs: ["go"],
  ingredients: [MANIFEST, GO_FLAGS],
  make(folder) {
    const trouble = goTrouble(25);
    if (trouble !== undefined) return trouble;
    const builder = `${CORE}/cmd/builder@${VERSION}`;
    const fetched = command("go", ["run", builder, "version"], { env: GO_ENVIRONMENT, cwd: folder });
    if (!fetched.ok) return `${builder} cannot be fetched: ${fetched.complaint}`;
    const manifest = join(folder, "builder.yaml");
    writeFileSync(manifest, JSON.stringify({ ...MANIFEST, dist: { ...MANIFEST.dist, output_path: join(folder, "build") } }));
    mustRun("nice", ["-n", "19", "go", "run", builder, "--config", manifest], { cwd: folder, env: GO_ENVIRONMENT });
    mustRun("sh", ["-c", "mv build/otelcol otelcol && rm -rf build"], { cwd: folder });
    return undefined;
  },
};

export interface CollectorSettings {
  /** Port of its OTLP/HTTP receiver: the same one again for a Collector that comes back. */
  readonly port?: number;
  /** Where its file exporter appends one OTLP/JSON request a line. */
  readonly file?: string;
  /** `http://…/api/v2/spans` */
  readonly zipkin?: string;
  readonly bearer?: string;
  readonly tls?: { readonly cert_file: string; readonly key_file: string; readonly client_ca_file?: string };
  /** MiB; 1 refuses everything. */
  readonly memoryLimit?: number;
}

export interface Collector extends Program {
  readonly otlp: string;
  readonly port: number;
}

export async function startCollector(made: string, folder: string, settings: CollectorSettings): Promise<Collector> {
  const port = settings.port ?? (await freePort());
  const config = join(folder, `collector-${port}.json`);
  writeFileSync(config, JSON.stringify(configuration(port, settings)));
  const program = await startProgram({ file: join(made, "otelcol"), args: ["--config", config], ready: listens(port) });
  return { ...program, port, otlp: `${settings.tls ? "https" : "http"}://127.0.0.1:${port}` };
}

function configuration(port: number, { file, zipkin, bearer, tls, memoryLimit }: CollectorSettings): object {
  const exporters = {
    // With rotation it writes without a buffer: what it has answered for is in the file, whoever kills it.
    ...(file !== undefined && { file: { path: file, rotation: { max_megabytes: 1_000 } } }),
    ...(zipkin !== undefined && { zipkin: { endpoint: zipkin } }),
  };
  const processors = memoryLimit === undefined ? {} : { memory_limiter: { check_interval: "100ms", limit_mib: memoryLimit } };
  return {
    receivers: {
      otlp: { protocols: { http: { endpoint: `127.0.0.1:${port}`, tls, ...(bearer && { auth: { authenticator: "bearertokenauth" } }) } } },
    },
    processors,
    exporters,
    extensions: bearer === undefined ? {} : { bearertokenauth: { token: bearer } },
    service: {
      extensions: bearer === undefined ? [] : ["bearertokenauth"],
      pipelines: { traces: { receivers: ["otlp"], processors: Object.keys(processors), exporters: Object.keys(exporters) } },
      telemetry: { metrics: { level: "none" }, logs: { level: "warn" } },
    },
  };
}

/** Every span in the file, in order. A line that a killed Collector did not finish holds nothing it had answered for. */
export function spansInFile(file: string): ReceivedSpan[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, "utf8").split("\n");
  return lines.filter((line) => line.endsWith("]}")).flatMap((line) => readSpans(Buffer.from(line), "json").spans);
}
