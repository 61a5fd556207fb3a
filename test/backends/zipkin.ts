import { createHash } from "node:crypto";
import { readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { command } from "./command.ts";
import { answers, freePort, type Program, startProgram } from "./program.ts";
import type { Recipe } from "./recipe.ts";

/** Zipkin with its web page: one jar from Maven Central, 131 MB. It speaks no OTLP: the Collector stands before it. */
const VERSION = "3.5.1";
const SHA256 = "7ac633a6832647e71e50012a5e3e91fbc7054414955261724526030faf271d8d";

export const zipkinRecipe: Recipe = {
  name: "zipkin",
  needs: ["java", "mvn"],
  ingredients: [VERSION, SHA256],
  make(folder) {
    const repository = join(folder, "repository");
    const artifact = `io.zipkin:zipkin-server:${VERSION}:jar:exec`;
    const options = ["-q", "-B", "-Dtransitive=false", `-Dmaven.repo.local=${repository}`, `-Dartifact=${artifact}`];
    const fetched = command("mvn", [...options, "dependency:get"], { cwd: folder });
    if (!fetched.ok) return `${artifact} cannot be fetched: ${fetched.complaint}`;
    const jar = join(folder, "zipkin.jar");
    renameSync(join(repository, `io/zipkin/zipkin-server/${VERSION}/zipkin-server-${VERSION}-exec.jar`), jar);
    rmSync(repository, { recursive: true });
    const found = createHash("sha256").update(readFileSync(jar)).digest("hex");
    if (found !== SHA256) throw new Error(`${artifact} is not the one this was written for: ${found}`);
    return undefined;
  },
};

export interface Zipkin extends Program {
  readonly url: string;
  /** Where the Collector's exporter sends spans. */
  readonly spans: string;
}

export async function startZipkin(made: string): Promise<Zipkin> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const program = await startProgram({
    file: "java",
    args: ["-Xmx300m", "-jar", join(made, "zipkin.jar")],
    env: { SERVER_ADDRESS: "127.0.0.1", QUERY_PORT: String(port) },
    ready: answers(`${url}/health`),
  });
  return { ...program, url, spans: `${url}/api/v2/spans` };
}

/** Source: zipkin-api, zipkin2-api.yaml. Times in µs. */
export interface ZipkinSpan {
  readonly traceId: string;
  readonly id: string;
  readonly parentId?: string;
  readonly kind?: string;
  readonly name?: string;
  readonly timestamp?: number;
  readonly duration?: number;
  readonly localEndpoint?: { readonly serviceName?: string };
  readonly remoteEndpoint?: { readonly serviceName?: string };
  readonly annotations?: readonly { readonly timestamp: number; readonly value: string }[];
  readonly tags?: Readonly<Record<string, string>>;
}

export async function zipkinTrace({ url }: Pick<Zipkin, "url">, traceId: string): Promise<readonly ZipkinSpan[]> {
  const reply = await fetch(`${url}/api/v2/trace/${traceId}`);
  if (reply.status === 404) return [];
  if (!reply.ok) throw new Error(`Zipkin answers ${reply.status}: ${await reply.text()}`);
  return (await reply.json()) as readonly ZipkinSpan[];
}
