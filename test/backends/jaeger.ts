import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { readSpans } from "../../src/fake-upstash/otlp-spans.ts";
import { GO_FLAGS, goBuild, goModule, goTrouble } from "./go.ts";
import { answers, freePort, type Program, startProgram } from "./program.ts";
import type { Recipe } from "./recipe.ts";

/** Jaeger 2.13 is tagged v1.76.0 as a Go module. Built inside it, so that its own go.mod and go.sum hold: 6 minutes, 85 MB. */
const MODULE = "github.com/jaegertracing/jaeger@v1.76.0";

export const jaegerRecipe: Recipe = {
  name: "jaeger",
  needs: ["go"],
  ingredients: [MODULE, GO_FLAGS],
  make(folder) {
    const trouble = goTrouble(25);
    if (trouble !== undefined) return trouble;
    const source = goModule(MODULE);
    if (typeof source === "string") return source;
    goBuild(source.folder, join(folder, "jaeger"), "./cmd/jaeger");
    return undefined;
  },
};

export interface Jaeger extends Program {
  /** What a destination's `endpoint` is. */
  readonly otlp: string;
  readonly query: string;
}

/** With its traces in memory; `folder` takes its configuration. */
export async function startJaeger(made: string, folder: string): Promise<Jaeger> {
  const [otlp, query, grpc] = [await freePort(), await freePort(), await freePort()];
  const config = join(folder, `jaeger-${otlp}.json`);
  writeFileSync(config, JSON.stringify(configuration(otlp, query, grpc)));
  const url = `http://127.0.0.1:${query}`;
  const program = await startProgram({
    file: join(made, "jaeger"),
    args: ["--config", config],
    ready: answers(`${url}/api/services`),
  });
  return { ...program, otlp: `http://127.0.0.1:${otlp}`, query: url };
}

function configuration(otlp: number, query: number, grpc: number): object {
  const at = (port: number) => ({ endpoint: `127.0.0.1:${port}` });
  return {
    service: {
      extensions: ["jaeger_storage", "jaeger_query"],
      pipelines: { traces: { receivers: ["otlp"], exporters: ["jaeger_storage_exporter"] } },
      telemetry: { metrics: { level: "none" }, logs: { level: "warn" } },
    },
    extensions: {
      jaeger_storage: { backends: { mem: { memory: { max_traces: 100_000 } } } },
      jaeger_query: { storage: { traces: "mem" }, http: at(query), grpc: at(grpc) },
    },
    receivers: { otlp: { protocols: { http: at(otlp) } } },
    exporters: { jaeger_storage_exporter: { trace_storage: "mem" } },
  };
}

/** A trace as Jaeger's query API has it, read by the strict decoder; no spans where it has none. */
export async function jaegerTrace({ query }: Pick<Jaeger, "query">, traceId: string) {
  const reply = await fetch(`${query}/api/v3/traces/${traceId}`);
  if (reply.status === 404) return [];
  if (!reply.ok) throw new Error(`Jaeger answers ${reply.status}: ${await reply.text()}`);
  const { result } = (await reply.json()) as { result: unknown };
  return readSpans(Buffer.from(JSON.stringify(result)), "json").spans;
}
