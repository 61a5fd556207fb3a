import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { editorSchema } from "../../src/config/json-schema.ts";
import { loadConfig } from "../../src/config/load.ts";
import { SHAPE, type Shape } from "../../src/config/shape.ts";
import { PRESETS } from "./presets.ts";

const folder = join(import.meta.dirname, "../../config");
const files = readdirSync(folder).filter((file) => file.endsWith(".yaml"));
/** Every variable that one of the files asks for without a default. */
const env = Object.assign({ QSTASH_TOKEN: "t" }, ...Object.values(PRESETS).map((preset) => preset.env));
const yaml = (file: string): unknown => parse(readFileSync(join(folder, file), "utf8")) ?? {};

function load(file: string) {
  const result = loadConfig({ file, env, cwd: folder, ...(file === "base.yaml" && { require: { source: false, destination: false } }) });
  if (!result.ok) throw new Error(result.errors.join("\n"));
  return result;
}

describe.each(files)("config/%s", (file) => {
  test("loads without errors or warnings", () => {
    expect(load(file).warnings).toEqual([]);
  });

  test("tells editors its schema, and satisfies it", () => {
    expect(readFileSync(join(folder, file), "utf8")).toMatch(/^# yaml-language-server: \$schema=\.\/schema\.json\n/);
    const checked = z.fromJSONSchema(editorSchema() as Parameters<typeof z.fromJSONSchema>[0]).safeParse(yaml(file));
    expect(checked.error?.issues ?? []).toEqual([]);
  });
});

test("config/schema.json is what wfotel schema prints", () => {
  expect(JSON.parse(readFileSync(join(folder, "schema.json"), "utf8"))).toEqual(editorSchema());
});

test("every option of production.yaml holds its default", () => {
  const { config } = load("production.yaml");
  const names = { source: config.sources[0]?.name, destination: config.destinations[0]?.name };
  const bare = loadConfig({ env: { QSTASH_TOKEN: "t" }, cwd: folder });
  if (!bare.ok) throw new Error(bare.errors.join("\n"));
  expect(config.sources).toEqual([{ ...bare.config.sources[0], name: names.source, token: config.sources[0]?.token }]);
  expect(config.destinations).toEqual([{ ...bare.config.destinations[0], name: names.destination, endpoint: "http://127.0.0.1:4318" }]);
  const { environment, ...rest } = { ...config, sources: [], destinations: [] };
  expect(environment).toBe("production");
  expect({ ...rest, telemetry: { ...rest.telemetry, log: { level: "info", format: "auto" } } }).toEqual({
    ...bare.config,
    sources: [],
    destinations: [],
  });
});

test("production.yaml shows every key there is", () => {
  const missing: string[] = [];
  const visit = (one: Shape, value: unknown, path: string) => {
    for (const [key, inner] of Object.entries(one.properties ?? {})) {
      if (typeof value !== "object" || value === null || !(key in value)) missing.push(`${path}${key}`);
      else visit(inner, (value as Record<string, unknown>)[key], `${path}${key}.`);
    }
    const [first] = Array.isArray(value) ? value : [];
    if (one.items !== undefined && first !== undefined) visit(one.items.oneOf?.[0] ?? one.items, first, `${path}0.`);
  };
  visit(SHAPE, yaml("production.yaml"), "");
  expect(missing).toEqual([]);
});

describe("the schema for editors", () => {
  const accepts = (value: unknown) => z.fromJSONSchema(editorSchema() as Parameters<typeof z.fromJSONSchema>[0]).safeParse(value).success;

  test("takes a reference for every scalar, and an empty key", () => {
    const source = {
      name: "eu",
      token: "${env:T}",
      max_requests_per_second: "${env:N}",
      completion_feed: "${env:F:-off}",
      poll_interval: "${env:P}",
      url: "${env:U}",
      retention: null,
    };
    expect(accepts({ sources: [source], traces: { run_kind: null, capture: { outputs: "${env:O}" } }, state: null })).toBe(true);
  });

  test("takes part of a source, since the base may hold the rest", () => {
    expect(accepts({ extends: "base.yaml", sources: [{ name: "eu", lookback: "1h" }] })).toBe(true);
  });

  test.each([
    { enviroment: "x" },
    { sources: [{ tokn: "x" }] },
    { sources: [{ poll_interval: "5 minutes" }] },
    { sources: [{ max_requests_per_second: "many" }] },
    { traces: { run_kind: "producer" } },
    { destinations: [{ type: "otlp-http", endpoint: "localhost:4318" }] },
  ])("refuses %j", (value) => {
    expect(accepts(value)).toBe(false);
  });

  test("describes every key, for the tip under the cursor", () => {
    const nameless: string[] = [];
    const visit = (one: Shape & { readonly description?: string }, path: string) => {
      if (one.description === undefined && /[a-z]$/.test(path)) nameless.push(path);
      for (const [key, inner] of Object.entries(one.properties ?? {})) visit(inner, `${path}.${key}`);
      if (one.items !== undefined) visit(one.items, `${path}[]`);
      for (const option of one.anyOf ?? []) visit(option, `${path}|`);
    };
    visit(editorSchema() as Shape, "");
    expect(nameless).toEqual([]);
  });
});
