import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";
import { loadConfig } from "../../src/config/load.ts";
import type { Config } from "../../src/config/schema.ts";

const fixtures = join(import.meta.dirname, "../fixtures/config");
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "wfotel-config-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const write = (name: string, text: string) => writeFileSync(join(folder, name), text);

function load(file: string | undefined, env: Record<string, string> = {}, cwd = folder): Config {
  const result = loadConfig({ ...(file !== undefined && { file }), env, cwd });
  if (!result.ok) throw new Error(result.errors.join("\n"));
  return result.config;
}

function errors(file: string, env: Record<string, string> = {}): readonly string[] {
  const result = loadConfig({ file, env, cwd: folder });
  return result.ok ? [] : result.errors;
}

test("extends merges maps, named lists by name, and replaces other lists", () => {
  const config = load("extends.ok.yaml", { QSTASH_TOKEN: "t" }, fixtures);
  expect(config.environment).toBe("staging");
  expect(config.sources.map((source) => [source.name, source.poll_interval, source.token.reveal()])).toEqual([
    ["eu", 7_000, "canary-file"],
    ["us", 5_000, "t"],
    ["ap", 5_000, "t"],
  ]);
  expect(config.destinations.map(({ name, sampling }) => [name, sampling])).toEqual([
    ["out", { ratio: 0.5, keep: ["retried"] }],
    ["second", { ratio: 1, keep: [] }],
  ]);
  expect(config.resource).toEqual({ a: "base", b: "over", c: "over" });
});

test("an empty list takes the base's list back", () => {
  write("base.yaml", "sources: [{ name: eu, token: t }]\ndestinations: [{ name: a, type: console }]\n");
  write("over.yaml", "extends: base.yaml\ndestinations: []\n");
  expect(errors("over.yaml")).toEqual([
    "over.yaml:1:1 destinations: expected at least one destination (or OTEL_EXPORTER_OTLP_ENDPOINT in the environment), found none",
  ]);
});

test("a base's reference that is overridden is never looked up", () => {
  expect(load("extends.ok.yaml", { QSTASH_TOKEN: "t" }, fixtures).sources[1]?.token.reveal()).toBe("t");
});

test("paths are relative to the file they are written in, the default state path to where the process starts", () => {
  mkdirSync(join(folder, "conf"));
  write("conf/base.yaml", "destinations: [{ name: out, type: file, path: traces.jsonl }]\n");
  write("own.yaml", 'extends: conf/base.yaml\nsources: [{ name: eu, token: "t" }]\n');
  const config = load("own.yaml");
  expect(config.destinations[0]).toMatchObject({ path: join(folder, "conf/traces.jsonl") });
  expect(config.state.path).toBe(join(folder, "wfotel.db"));
  write("own.yaml", 'extends: conf/base.yaml\nsources: [{ name: eu, token: "t" }]\nstate: { path: data/x.db }\n');
  expect(load(join(folder, "own.yaml"), {}, "/").state.path).toBe(join(folder, "data/x.db"));
});

test("a reference inside a string is filled in, a whole one takes its key's type, $${ is literal", () => {
  const config = load("references.ok.yaml", { QSTASH_TOKEN: "t", NUMBER: "42", EMPTY: "" }, fixtures);
  expect(config.environment).toBe("pre-test-${post}");
  expect(config.sources[0]).toMatchObject({ max_requests_per_second: 7, poll_interval: 3_000 });
  expect(config.sources[0]?.retention).toBeUndefined();
  expect(config.destinations[0]).toMatchObject({ tls: { insecure: true } });
  const headers = config.destinations[0]?.type === "otlp-http" ? config.destinations[0].headers : {};
  expect(Object.entries(headers).map(([name, value]) => [name, value.reveal()])).toEqual([
    ["authorization", "Bearer t"],
    ["x-number", "42"],
  ]);
  expect(config.server.listen).toBe("");
  expect(config.traces.gen_ai).toBe(true);
  expect(config.resource).toEqual({ n: "42" });
});

test("what a reference gives is not expanded again", () => {
  write("c.yaml", 'sources: [{ name: eu, token: "${env:A}" }]\ndestinations: [{ name: out, type: console }]\n');
  expect(load("c.yaml", { A: "${env:B}" }).sources[0]?.token.reveal()).toBe("${env:B}");
});

test("a secret out of a file is read again: a symlink that Kubernetes swaps rotates it, a missing file keeps it", () => {
  for (const [version, secret] of [
    ["v1", "first\n"],
    ["v2", "second\r\n"],
  ] as const) {
    mkdirSync(join(folder, version));
    write(`${version}/token`, secret);
  }
  symlinkSync("v1", join(folder, "..data"));
  write("c.yaml", 'sources: [{ name: eu, token: "${file:..data/token}" }]\ndestinations: [{ name: out, type: console }]\n');
  const token = load("c.yaml").sources[0]?.token;
  expect(token?.reveal()).toBe("first");
  expect(token?.refresh()).toBe(false);
  symlinkSync("v2", join(folder, "..tmp"));
  renameSync(join(folder, "..tmp"), join(folder, "..data"));
  expect(token?.refresh()).toBe(true);
  expect(token?.reveal()).toBe("second");
  unlinkSync(join(folder, "..data"));
  expect(token?.refresh()).toBe(false);
  expect(token?.reveal()).toBe("second");
});

test("a header made of text and a file rotates as a whole", () => {
  write("key", "one");
  write(
    "c.yaml",
    'sources: [{ name: eu, token: t }]\ndestinations: [{ name: out, type: otlp-http, endpoint: "https://x.example", headers: { a: "Bearer ${file:key}" } }]\n',
  );
  const destination = load("c.yaml").destinations[0];
  const header = destination?.type === "otlp-http" ? destination.headers.a : undefined;
  write("key", "two");
  expect(header?.refresh()).toBe(true);
  expect(header?.reveal()).toBe("Bearer two");
});

test("no way of printing the whole configuration shows a secret", () => {
  write(
    "c.yaml",
    'sources: [{ name: eu, token: "canary-a" }]\ndestinations: [{ name: o, type: otlp-http, endpoint: "https://x.example", headers: { a: canary-b } }]\n',
  );
  const config = load("c.yaml");
  const token = config.sources[0]?.token;
  const texts = [
    JSON.stringify(config),
    inspect(config, { depth: 20, showHidden: true }),
    `${token}`,
    String(token),
    JSON.stringify(structuredClone({ token })),
  ];
  for (const text of texts) expect(text).not.toContain("canary");
  expect(inspect(config, { depth: 20 })).toContain("[REDACTED]");
  expect(JSON.stringify(config)).toContain('"token":"[REDACTED]"');
});

test("WFOTEL_CONFIG names the file where --config does not", () => {
  write("named.yaml", "sources: [{ name: named, token: t }]\ndestinations: [{ name: out, type: console }]\n");
  write("given.yaml", "sources: [{ name: given, token: t }]\ndestinations: [{ name: out, type: console }]\n");
  expect(load(undefined, { WFOTEL_CONFIG: "named.yaml" }).sources[0]?.name).toBe("named");
  expect(load("given.yaml", { WFOTEL_CONFIG: "named.yaml" }).sources[0]?.name).toBe("given");
});

test("a missing file, a folder and a file of many megabytes are one line each", () => {
  expect(errors("none.yaml")).toEqual(["none.yaml:1:1: expected a configuration file, found none that can be read (ENOENT)"]);
  expect(errors(".")).toEqual([expect.stringMatching(/:1:1: expected a configuration file, found none that can be read \(EISDIR\)$/)]);
  write("big.yaml", "#".repeat(1024 * 1024 + 1));
  expect(errors("big.yaml")).toEqual(["big.yaml:1:1: expected a configuration file, found more than 1 MiB"]);
});

test("a chain of more than sixteen files is refused", () => {
  for (let index = 0; index < 20; index += 1) write(`${index}.yaml`, `extends: ${index + 1}.yaml\n`);
  write("20.yaml", "environment: x\n");
  expect(errors("0.yaml")).toEqual(["15.yaml:1:10 extends: expected at most 16 files that extend one another, found more"]);
});

test("a pattern of redact that could hang is refused without being quoted", () => {
  write(
    "c.yaml",
    'sources: [{ name: eu, token: t }]\ndestinations: [{ name: out, type: console }]\ntraces: { redact: { patterns: ["(canary+)+$"] } }\n',
  );
  const lines = errors("c.yaml");
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(/^c\.yaml:3:32 traces\.redact\.patterns\[0\]: expected a regular expression/);
  expect(lines[0]).not.toContain("canary");
});

test("what a command does not require may be missing, and is not taken from the environment", () => {
  const require = { source: false, destination: false };
  const env = { QSTASH_TOKEN: "t", OTEL_EXPORTER_OTLP_PROTOCOL: "grpc", OTEL_EXPORTER_OTLP_ENDPOINT: "http://localhost:4317" };
  expect(loadConfig({ env, cwd: folder, require })).toMatchObject({ ok: true, config: { sources: [], destinations: [] }, warnings: [] });
});

test("where no secrets are required, one that is not set or empty is named but is no error; whatever else is wrong still is", () => {
  const lenient = (text: string, env: Record<string, string> = {}) => {
    write("some.yaml", text);
    return loadConfig({ file: "some.yaml", env, cwd: folder, require: { source: false, destination: false, secrets: false } });
  };
  const source = (token: string, more = "") => `sources:\n  - { name: eu, type: upstash, token: "${token}"${more} }\n`;
  expect(lenient(source("${env:A}"))).toMatchObject({ ok: true, unset: [expect.stringContaining("variable A, found it unset")] });
  expect(lenient(source("${file:no-such}"))).toMatchObject({ ok: true, unset: [expect.stringContaining("file at no-such")] });
  expect(lenient(source("${env:A}"), { A: "" })).toMatchObject({ ok: true, unset: [expect.stringContaining("reference is empty")] });
  expect(lenient(source("${env:A}"), { A: "a" })).toMatchObject({ ok: true, unset: [] });
  for (const text of [source("${A}"), source("${env:A}${A}"), source("${env:A}", ', url: "${env:B}"'), source("${env:A}", ", colour: red")])
    expect([text, lenient(text).ok]).toEqual([text, false]);
});

test("a token that goes over plain HTTP to another machine is warned about, a filter that cannot see retries, and gRPC's port", () => {
  write(
    "c.yaml",
    `sources: [{ name: eu, token: t, url: "http://qstash.example", completion_feed: off }, { name: local, token: t, url: "http://127.0.0.1:8080" }]
destinations: [{ name: out, type: console, sampling: { ratio: 0.1, keep: [retried] } }, { name: grpc, type: otlp-http, endpoint: "http://127.0.0.1:4317" }]\n`,
  );
  expect(loadConfig({ file: "c.yaml", env: {}, cwd: folder })).toMatchObject({
    ok: true,
    warnings: [
      "source eu: its token goes to qstash.example without encryption",
      "destination out: keep retried cannot see retries that recovered in source eu, which reads the grouped log alone",
      "destination grpc: port 4317 is gRPC's by convention; OTLP over HTTP listens on 4318",
    ],
  });
});

test("a file that names neither source nor destination lacks both, and says which variables would do", () => {
  write("c.yaml", "# nothing yet\n");
  expect(errors("c.yaml")).toEqual([
    "c.yaml:1:1 destinations: expected at least one destination (or OTEL_EXPORTER_OTLP_ENDPOINT in the environment), found none",
    "c.yaml:1:1 sources: expected at least one source (or QSTASH_TOKEN in the environment), found none",
  ]);
});

test("of several maps under <<, the first that has a key gives it, and the map's own keys win", () => {
  write(
    "c.yaml",
    `sources:
  - &a { name: a, token: t, lookback: 1m, poll_interval: 1s }
  - &b { name: b, token: u, lookback: 2m, start_from: 2h }
  - { <<: [*a, *b], name: c, poll_interval: 3s }
destinations: [{ name: out, type: console }]\n`,
  );
  const made = load("c.yaml").sources[2];
  expect(made).toMatchObject({ name: "c", lookback: 60_000, poll_interval: 3_000, start_from: 7_200_000 });
  expect(made?.token.reveal()).toBe("t");
});

test("names and the usual type may be left out: they are those that the environment alone gives", () => {
  writeFileSync(
    join(folder, "c.yaml"),
    "sources: [{ token: t }]\ndestinations: [{ endpoint: http://127.0.0.1:4318 }, { type: console }]\n",
  );
  const written = loadConfig({ file: "c.yaml", env: {}, cwd: folder });
  const implicit = loadConfig({ env: { QSTASH_TOKEN: "t", OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:4318" }, cwd: folder });
  const names = (result: typeof written) =>
    result.ok && [result.config.sources[0]?.name, ...result.config.destinations.map(({ name, type }) => `${name}: ${type}`)];
  expect(names(written)).toEqual(["upstash", "otlp: otlp-http", "console: console"]);
  expect(names(implicit)).toEqual(["upstash", "otlp: otlp-http"]);
});
