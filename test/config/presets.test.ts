import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { traceLinks } from "../../src/commands/trace-url.ts";
import { loadConfig } from "../../src/config/load.ts";
import { targetOf } from "../../src/destinations/target.ts";
import { wfotel } from "../support/wfotel.ts";
import { PRESETS } from "./presets.ts";

const folder = join(import.meta.dirname, "../../config");
const OTHERS = ["base", "development", "production"];
const TRACE_ID = "0af7651916cd43dd8448eb211c80319c";

/** Where each sends, and where its links lead. */
const EXPECTED: Readonly<Record<string, readonly [target: string, link: string]>> = {
  axiom: ["https://api.axiom.co/v1/traces", "https://app.axiom.co/acme/stream/workflows"],
  collector: ["http://127.0.0.1:4318/v1/traces", "http://127.0.0.1:16686/trace/"],
  dash0: ["https://ingress.eu-west-1.aws.dash0.com/v1/traces", "https://app.dash0.com/goto/traces/explorer"],
  datadog: ["http://127.0.0.1:4318/v1/traces", "https://app.datadoghq.com/apm/trace/"],
  dynatrace: ["https://abc12345.live.dynatrace.com/api/v2/otlp/v1/traces", "https://abc12345.apps.dynatrace.com/ui/apps/"],
  "grafana-cloud": ["https://otlp-gateway-prod-us-east-0.grafana.net/otlp/v1/traces", "https://acme.grafana.net/explore"],
  honeycomb: ["https://api.honeycomb.io/v1/traces", "https://ui.honeycomb.io/acme/environments/shop/trace"],
  jaeger: ["http://127.0.0.1:4318/v1/traces", "http://127.0.0.1:16686/trace/"],
  "new-relic": ["https://otlp.nr-data.net/v1/traces", "https://one.newrelic.com/distributed-tracing"],
  signoz: ["https://ingest.eu.signoz.cloud/v1/traces", "https://acme.eu.signoz.cloud/trace/"],
  tempo: ["http://127.0.0.1:4318/v1/traces", "http://127.0.0.1:3000/explore"],
  zipkin: ["http://127.0.0.1:4318/v1/traces", "http://127.0.0.1:9411/zipkin/traces/"],
};

/** Where the link holds a name of the user's own, it is commented out, and takes these. */
const OWN_NAMES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  axiom: { AXIOM_ORG: "acme" },
  "grafana-cloud": { GRAFANA_URL: "https://acme.grafana.net" },
  honeycomb: { HONEYCOMB_TEAM: "acme", HONEYCOMB_ENVIRONMENT: "shop" },
  signoz: { SIGNOZ_URL: "https://acme.eu.signoz.cloud" },
};

test("every file in config/ that is no preset is known", () => {
  const files = readdirSync(folder).filter((file) => file.endsWith(".yaml"));
  expect(files.map((file) => file.replace(".yaml", "")).sort()).toEqual([...Object.keys(PRESETS), ...OTHERS].sort());
});

let copies: string;
beforeAll(() => {
  copies = mkdtempSync(join(tmpdir(), "wfotel-presets-"));
  return () => rmSync(copies, { recursive: true });
});

describe.each(Object.entries(PRESETS))("config/%s.yaml", (name, { env, headers }) => {
  const text = readFileSync(join(folder, `${name}.yaml`), "utf8");

  const load = (file: string, own: Readonly<Record<string, string>> = {}) => {
    const loaded = loadConfig({ file, env: { QSTASH_TOKEN: "t", ...env, ...own }, cwd: folder });
    if (!loaded.ok) throw new Error(loaded.errors.join("\n"));
    return loaded.config;
  };
  const [target, start = "?"] = EXPECTED[name] ?? [];
  const own = OWN_NAMES[name];

  test("with its variables set, sends to the right place with the right headers", () => {
    const [destination] = load(join(folder, `${name}.yaml`)).destinations;
    if (destination?.type !== "otlp-http") throw new Error("no otlp-http destination");
    expect(destination.name).toBe(name);
    expect(targetOf(destination).href).toBe(target);
    expect(Object.fromEntries(Object.entries(destination.headers).map(([key, secret]) => [key, secret.reveal()]))).toEqual(headers);
  });

  test(own === undefined ? "links to the trace" : "links to nobody's trace, and to the user's own once its link is uncommented", () => {
    const config = load(join(folder, `${name}.yaml`));
    const links = traceLinks(own === undefined ? config : load(uncommented(), own), TRACE_ID);
    expect(traceLinks(config, TRACE_ID)).toHaveLength(own === undefined ? 1 : 0);
    expect(links).toEqual([expect.stringContaining(TRACE_ID)]);
    expect(new URL(links[0] ?? "").href.startsWith(start)).toBe(true);
  });

  function uncommented(): string {
    const copy = join(copies, `${name}.yaml`);
    writeFileSync(copy, text.replace("# trace_url:", "trace_url:"));
    return copy;
  }

  test("says which variables to set, in its first lines", () => {
    const documented = text.slice(0, text.indexOf("environment:"));
    const asked = [...text.matchAll(/\$\{env:(\w+)/g)].flatMap(([, variable]) => variable ?? []);
    const optional = ["QSTASH_URL", "COLLECTOR_TOKEN", "TEMPO_TENANT"]; // explained where they stand
    for (const variable of new Set(asked)) if (!optional.includes(variable)) expect(documented).toContain(variable);
  });

  test("names every variable that is missing, and no other", () => {
    const loaded = loadConfig({ file: join(folder, `${name}.yaml`), env: {}, cwd: folder });
    const errors = loaded.ok ? [] : loaded.errors;
    const named = new Set(errors.flatMap((line) => [...line.matchAll(/variable (\w+)/g)].map(([, variable]) => variable)));
    expect(named).toEqual(new Set(["QSTASH_TOKEN", ...Object.keys(env)]));
  });
});

test("wfotel check finds a preset valid, and prints no secret of it", async () => {
  const env = { QSTASH_TOKEN: "canary-1", HONEYCOMB_API_KEY: "canary-2" };
  const { code, stdout, stderr } = await wfotel(["check", "--config", join(folder, "honeycomb.yaml")], { env });
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toContain("https://api.honeycomb.io");
  expect(stdout).not.toContain("canary");
});
