import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { loadConfig } from "../../src/config/load.ts";
import type { OtlpHttpConfig } from "../../src/destinations/config.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "wfotel-environment-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const token = { QSTASH_TOKEN: "canary-token" };

function load(env: Record<string, string>, file?: string) {
  return loadConfig({ env, cwd: folder, ...(file !== undefined && { file }) });
}

function loaded(env: Record<string, string>, file?: string) {
  const result = load(env, file);
  if (!result.ok) throw new Error(result.errors.join("\n"));
  return result;
}

function errors(env: Record<string, string>): readonly string[] {
  const result = load(env);
  return result.ok ? [] : result.errors;
}

const destination = (env: Record<string, string>) => loaded({ ...token, ...env }).config.destinations[0] as OtlpHttpConfig;

function file(text: string): string {
  writeFileSync(join(folder, "c.yaml"), text);
  return "c.yaml";
}

describe("with no file", () => {
  test("a token alone is enough: the EU region, and OpenTelemetry's default endpoint, said aloud", () => {
    const { config, warnings } = loaded(token);
    expect(config.sources).toMatchObject([{ name: "upstash", type: "upstash", url: "https://qstash.upstash.io", poll_interval: 5_000 }]);
    expect(config.sources[0]?.token.reveal()).toBe("canary-token");
    expect(config.destinations).toMatchObject([
      { name: "otlp", type: "otlp-http", endpoint: "http://localhost:4318", encoding: "protobuf" },
    ]);
    expect(warnings).toEqual(["nothing names a destination: sending to http://localhost:4318, OpenTelemetry's default"]);
  });

  test("without a token the error names the variable", () => {
    const line = "QSTASH_TOKEN: expected the token of your region's QStash, as the Upstash console shows it, found nothing";
    expect(errors({})).toEqual([line]);
    expect(errors({ QSTASH_TOKEN: " " })).toEqual([line]);
  });

  test("QSTASH_URL names the region", () => {
    expect(loaded({ ...token, QSTASH_URL: "http://127.0.0.1:8080" }).config.sources[0]?.url).toBe("http://127.0.0.1:8080");
  });

  test("OTEL_SERVICE_NAME names runs, and wins over service.name of the resource", () => {
    expect(loaded({ ...token, OTEL_SERVICE_NAME: "shop" }).serviceName).toBe("shop");
    expect(loaded({ ...token, OTEL_RESOURCE_ATTRIBUTES: "service.name=other" }).serviceName).toBe("other");
    expect(loaded({ ...token, OTEL_SERVICE_NAME: "shop", OTEL_RESOURCE_ATTRIBUTES: "service.name=other" }).serviceName).toBe("shop");
    expect(loaded({ ...token, OTEL_RESOURCE_ATTRIBUTES: "service.name=other" }).config.resource).toEqual({});
  });
});

describe("QSTASH_URL beside a file that has sources", () => {
  const url = { QSTASH_URL: "https://canary.example.com/canary-path" };
  const warnings = (env: Record<string, string>, sources: string) =>
    loaded(env, file(`sources: ${sources}\ndestinations: [{ name: out, type: console }]\n`)).warnings;
  const ignored =
    "QSTASH_URL is set but not used: source eu reads https://qstash.upstash.io; give the source's url, as in url: ${env:QSTASH_URL}";

  test("is warned about where no source gives a url; its value is not shown", () => {
    expect(warnings(url, "[{ name: eu, token: t }]")).toEqual([ignored]);
    expect(warnings({ QSTASH_URL: "canary.example" }, "[{ name: eu, token: t }]")).toEqual([ignored]);
    expect(warnings(url, "[{ name: eu, token: t, url: }, { name: us, token: t }]")).toEqual([ignored]);
  });

  test.each([
    ["a source gives a url", url, "[{ name: eu, token: t }, { name: us, token: t, url: https://us.example.com }]"],
    ["a source takes it by reference", url, "[{ name: eu, token: t, url: '${env:QSTASH_URL}' }]"],
    ["it is the default", { QSTASH_URL: "https://qstash.upstash.io/" }, "[{ name: eu, token: t }]"],
    ["it is empty", { QSTASH_URL: "" }, "[{ name: eu, token: t }]"],
    ["the file has no source, so that it is used", { ...url, ...token }, "[]"],
  ])("is not where %s", (_, env, sources) => {
    expect(warnings(env, sources)).toEqual([]);
  });

  test("is not by a command that asks no source, and is by one that does", () => {
    file("sources: [{ name: eu, token: t }]\ndestinations: [{ name: out, type: console }]\n");
    const given = { env: url, cwd: folder, file: "c.yaml" };
    expect(loadConfig({ ...given, require: { source: false } })).toMatchObject({ ok: true, warnings: [] });
    expect(loadConfig({ ...given, require: { source: true } })).toMatchObject({ ok: true, warnings: [ignored] });
  });
});

describe("OTEL_EXPORTER_OTLP_ variables", () => {
  test("the general endpoint gets v1/traces appended, the TRACES_ one is taken as it is and wins", () => {
    const general = { OTEL_EXPORTER_OTLP_ENDPOINT: "https://a.example" };
    expect(destination(general).endpoint).toBe("https://a.example");
    const both = destination({ ...general, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "https://b.example/x" });
    expect([both.endpoint, both.traces_endpoint]).toEqual([undefined, "https://b.example/x"]);
  });

  test("every TRACES_ form wins over the general one, and an empty one counts for nothing", () => {
    const made = destination({
      OTEL_EXPORTER_OTLP_ENDPOINT: "https://a.example",
      OTEL_EXPORTER_OTLP_TIMEOUT: "1000",
      OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: "2500",
      OTEL_EXPORTER_OTLP_PROTOCOL: "grpc",
      OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: "http/json",
      OTEL_EXPORTER_OTLP_COMPRESSION: "none",
      OTEL_EXPORTER_OTLP_TRACES_COMPRESSION: "",
    });
    expect(made).toMatchObject({ timeout: 2_500, encoding: "json", compression: "none" });
  });

  test("headers are percent-decoded pairs, and secrets", () => {
    const { headers } = destination({
      OTEL_EXPORTER_OTLP_ENDPOINT: "https://a.example",
      OTEL_EXPORTER_OTLP_HEADERS: "authorization=Basic%20Y2FuYXJ5==, x-a = ${env:B} ,",
    });
    expect(Object.entries(headers).map(([name, value]) => [name, value.reveal()])).toEqual([
      ["authorization", "Basic Y2FuYXJ5=="],
      ["x-a", "${env:B}"],
    ]);
    expect(JSON.stringify(headers)).not.toContain("Y2FuYXJ5");
  });

  test("TLS files are relative to where the process starts", () => {
    for (const name of ["ca.pem", "cert.pem", "key.pem"]) writeFileSync(join(folder, name), "");
    const { tls } = destination({
      OTEL_EXPORTER_OTLP_ENDPOINT: "https://a.example",
      OTEL_EXPORTER_OTLP_CERTIFICATE: "ca.pem",
      OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: "cert.pem",
      OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY: "key.pem",
    });
    expect(tls).toMatchObject({ ca_file: join(folder, "ca.pem"), cert_file: join(folder, "cert.pem"), key_file: join(folder, "key.pem") });
  });

  test("grpc is an error that names http/protobuf and port 4318", () => {
    expect(errors({ ...token, OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" })).toEqual([
      "OTEL_EXPORTER_OTLP_PROTOCOL: expected http/protobuf or http/json, found grpc: the same receiver takes http/protobuf, as a rule on port 4318 instead of 4317",
    ]);
  });

  test("every mistake is one line that names its variable, all at once, and quotes no value", () => {
    const lines = errors({
      ...token,
      QSTASH_URL: "canary.example",
      OTEL_EXPORTER_OTLP_ENDPOINT: "canary:4318",
      OTEL_EXPORTER_OTLP_TIMEOUT: "canary",
      OTEL_EXPORTER_OTLP_PROTOCOL: "canary",
      OTEL_EXPORTER_OTLP_COMPRESSION: "canary",
      OTEL_EXPORTER_OTLP_HEADERS: "canary",
      OTEL_EXPORTER_OTLP_CLIENT_KEY: "canary.pem",
      WFOTEL_LISTEN: "canary",
    });
    expect(lines.map((line) => line.split(":")[0])).toEqual([
      "OTEL_EXPORTER_OTLP_CLIENT_KEY",
      "OTEL_EXPORTER_OTLP_CLIENT_KEY",
      "OTEL_EXPORTER_OTLP_COMPRESSION",
      "OTEL_EXPORTER_OTLP_ENDPOINT",
      "OTEL_EXPORTER_OTLP_HEADERS",
      "OTEL_EXPORTER_OTLP_PROTOCOL",
      "OTEL_EXPORTER_OTLP_TIMEOUT",
      "QSTASH_URL",
      "WFOTEL_LISTEN",
    ]);
    expect(lines.join("\n")).not.toContain("canary");
  });

  test("headers over plain HTTP are refused but to this machine", () => {
    const headers = { ...token, OTEL_EXPORTER_OTLP_HEADERS: "authorization=canary" };
    expect(errors({ ...headers, OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4318" })).toEqual([
      "OTEL_EXPORTER_OTLP_ENDPOINT: expected https:// for an endpoint that gets headers (or tls.insecure: true), found another value",
    ]);
    expect(errors({ ...headers, OTEL_EXPORTER_OTLP_ENDPOINT: "http://localhost:4318" })).toEqual([]);
    expect(errors({ ...token, OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4318" })).toEqual([]);
  });
});

describe("with a file", () => {
  const both = "sources: [{ name: mine, token: t }]\ndestinations: [{ name: out, type: console }]\n";
  const exporter = { OTEL_EXPORTER_OTLP_ENDPOINT: "https://a.example", OTEL_EXPORTER_OTLP_HEADERS: "authorization=canary" };

  test("an injected key never reaches a destination of the file's", () => {
    const { config } = loaded(
      { ...token, ...exporter },
      file(both.replace("type: console", 'type: otlp-http, endpoint: "https://b.example"')),
    );
    expect(config.sources.map(({ name }) => name)).toEqual(["mine"]);
    expect(config.destinations).toMatchObject([{ name: "out", headers: {}, endpoint: "https://b.example" }]);
  });

  test("the variables fill in what the file leaves out altogether", () => {
    const { config } = loaded({ ...token, ...exporter }, file("environment: production\n"));
    expect(config.sources.map(({ name }) => name)).toEqual(["upstash"]);
    expect(config.destinations.map(({ name }) => name)).toEqual(["otlp"]);
  });

  test("OTEL_SERVICE_NAME names nothing", () => {
    expect(loaded({ OTEL_SERVICE_NAME: "shop", OTEL_RESOURCE_ATTRIBUTES: "service.name=shop" }, file(both)).serviceName).toBeUndefined();
  });

  test("its own resource, environment and log level win over OTEL_ variables", () => {
    const env = { OTEL_RESOURCE_ATTRIBUTES: "a=env,b=env,deployment.environment.name=env", OTEL_LOG_LEVEL: "debug" };
    const { config } = loaded(env, file(`${both}environment: file\nresource: { b: file }\ntelemetry: { log: { level: warn } }\n`));
    expect(config).toMatchObject({ environment: "file", resource: { a: "env", b: "file" }, telemetry: { log: { level: "warn" } } });
    const plain = loaded(env, file(both)).config;
    expect(plain).toMatchObject({ environment: "env", resource: { a: "env", b: "env" }, telemetry: { log: { level: "debug" } } });
  });

  test("WFOTEL_ variables win over it; an empty WFOTEL_LISTEN is off", () => {
    const text = `${both}state: { path: a.db }\nserver: { listen: "127.0.0.1:1" }\n`;
    const { config } = loaded({ WFOTEL_STATE: "b.db", WFOTEL_LISTEN: "" }, file(text));
    expect([config.state.path, config.server.listen]).toEqual([join(folder, "b.db"), ""]);
    expect(loaded({ WFOTEL_LISTEN: "0.0.0.0:80" }, file(text)).config).toMatchObject({
      state: { path: join(folder, "a.db") },
      server: { listen: "0.0.0.0:80" },
    });
  });
});

describe("OTEL_RESOURCE_ATTRIBUTES and OTEL_LOG_LEVEL", () => {
  test("attributes are percent-decoded, and what names a process is left out", () => {
    const text =
      "a=b%2Cc%20d,team=pay=ments,k8s.pod.name=x,k8s.node.uid=x,host.name=x,process.pid=1,container.id=x,service.instance.id=x,telemetry.sdk.name=x,k8s.namespace.name=shop,service.namespace=retail";
    expect(loaded({ ...token, OTEL_RESOURCE_ATTRIBUTES: text }).config.resource).toEqual({
      a: "b,c d",
      team: "pay=ments",
      "k8s.namespace.name": "shop",
      "service.namespace": "retail",
    });
  });

  test.each(["a=b,nonsense", "a=%E0%A4%A", "=b"])("%s is ignored as a whole, with a warning", (text) => {
    const { config, warnings } = loaded({ ...token, OTEL_RESOURCE_ATTRIBUTES: text });
    expect(config.resource).toEqual({});
    expect(warnings).toContain("OTEL_RESOURCE_ATTRIBUTES: ignored, it is no list of key=value pairs");
  });

  test.each([
    ["DEBUG", "debug"],
    ["none", "silent"],
    ["ALL", "trace"],
    ["warning", "warn"],
  ])("OTEL_LOG_LEVEL=%s is %s", (text, level) => {
    expect(loaded({ ...token, OTEL_LOG_LEVEL: text }).config.telemetry.log.level).toBe(level);
  });

  test("an unknown log level is ignored, with a warning", () => {
    const { config, warnings } = loaded({ ...token, OTEL_LOG_LEVEL: "loud" });
    expect(config.telemetry.log.level).toBe("info");
    expect(warnings).toContain("OTEL_LOG_LEVEL: ignored, it is none of the known levels");
  });
});
